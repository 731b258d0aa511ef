"""When certificates end: as much of X.509 as that takes, with nothing but the standard library.

PEM ─▶ DER ─▶ Certificate ▸ tbsCertificate ▸ validity ▸ notAfter ─▶ seconds since 1970
"""

from __future__ import annotations

import re
import ssl
from calendar import timegm
from time import strptime


def ends(pem: bytes) -> list[int]:
    """Return when each certificate of *pem* ends, in seconds since 1970-01-01 UTC, in order.

    Raise ValueError where one of them is no X.509 certificate (RFC 5280, 4.1).
    """
    return [
        _not_after(ssl.PEM_cert_to_DER_cert(text))
        for text in _PEM.findall(pem.decode("ascii", "replace"))
    ]


_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18


def _not_after(der: bytes) -> int:
    try:
        at = _inside(der, _inside(der, 0))  # Certificate, tbsCertificate
        if der[at] == _VERSION:  # version 1 has none
            at = _behind(der, at)
        for _ in ("serialNumber", "signature", "issuer"):
            at = _behind(der, at)
        at = _behind(der, _inside(der, at))  # validity: behind notBefore
        tag, start, end = der[at], *_content(der, at)
        text = der[start:end].decode("ascii")
    except IndexError as error:
        raise ValueError("expected an X.509 certificate") from error
    if tag == _UTC_TIME:  # RFC 5280, 4.1.2.5.1: two digits from 50 on are of the last century
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("expected an X.509 certificate")
    return timegm(strptime(text, "%Y%m%d%H%M%SZ"))


def _inside(der: bytes, at: int) -> int:
    """Return where the content of the sequence at *at* begins."""
    if der[at] != _SEQUENCE:
        raise ValueError("expected an X.509 certificate")
    return _content(der, at)[0]


def _behind(der: bytes, at: int) -> int:
    return _content(der, at)[1]


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Return where the content of the value at *at* begins and ends (X.690, 8.1.3)."""
    length, start = der[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(der[start : start + size]), start + size
    return start, start + length
