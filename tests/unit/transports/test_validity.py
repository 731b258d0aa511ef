"""When certificates end, held against the library that knows all of X.509."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from bridge.transports.http.validity import ends


def certificate(until: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x" * 60)])
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(datetime(1950, 1, 1)).not_valid_after(until)  # UTC
    return built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.mark.parametrize(
    "until",
    [
        datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2026, 2, 28, 1, 2, 3, tzinfo=UTC),
        datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC),  # the last UTCTime
        datetime(2050, 1, 1, tzinfo=UTC),  # the first GeneralizedTime
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),  # RFC 5280: never ends
    ],
)
def test_the_end_is_that_of_the_certificate(until: datetime) -> None:
    """In either spelling of a time, to the second."""
    pem = certificate(until)

    assert [int(until.timestamp())] == ends(pem)


def test_every_certificate_of_a_file_counts() -> None:
    """In the file's order, whatever stands between them."""
    ca = trustme.CA()
    soon = ca.issue_cert("a", not_after=datetime(2030, 1, 1))  # trustme's UTC
    pems = [ca.cert_pem.bytes(), soon.cert_chain_pems[0].bytes()]

    found = ends(b"subject=x\n" + pems[0] + soon.private_key_pem.bytes() + b"# y\n" + pems[1])

    known = [x509.load_pem_x509_certificate(pem).not_valid_after_utc for pem in pems]
    assert [int(end.timestamp()) for end in known] == found


def test_a_file_without_certificates_has_no_end() -> None:
    """Nothing is nothing."""
    assert [] == ends(b"no certificate")


def test_what_is_no_certificate_is_refused_and_never_crashes() -> None:
    """Cut anywhere, or with any byte changed: an end, or ValueError."""
    der = ssl.PEM_cert_to_DER_cert(certificate(datetime.now(UTC) + timedelta(days=1)).decode())
    broken = [der[:size] for size in range(len(der))]
    broken += [der[:at] + bytes([der[at] ^ 0xFF]) + der[at + 1 :] for at in range(200)]

    refused = 0
    for one in broken:
        try:
            ends(ssl.DER_cert_to_PEM_cert(one).encode())
        except ValueError:
            refused += 1

    assert refused > 100
