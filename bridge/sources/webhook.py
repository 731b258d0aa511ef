"""The webhook handshake: whether a sender may deliver here, and how often (abuse protection).

    OPTIONS, WebHook-Request-Origin: a.example ─▶ WebHook-Allowed-Origin: a.example, -Rate: 100
                                               └▶ neither: no permission

Source: CloudEvents, HTTP 1.1 Web Hooks for Event Delivery 1.0.2, section 4. Consent is in
these headers alone, never in a status. `WebHook-Request-Callback` is never called: it is an
address that a stranger chooses.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator

from bridge.config.options import Options
from bridge.core.attributes import shown
from bridge.transports.http import HttpRequest


class WebhookOptions(Options):
    """Whom the webhook handshake permits to send."""

    allowed_origins: Annotated[list[str], Field(min_length=1)]
    """Names of sending systems, compared whole and in any case; `*` permits every one."""
    allowed_rate: Annotated[int, Field(ge=1)] | None = None
    """Requests a minute that are granted at most; by default as many as are asked for."""

    @field_validator("allowed_origins")
    @classmethod
    def _names(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            if origin != "*" and _NAME.fullmatch(origin) is None:
                raise ValueError(f"{shown(origin)}: expected a DNS name, or '*' for every sender")
        return origins


def granted(options: WebhookOptions, request: HttpRequest) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers that permit the sender of *request* to deliver, none if it may not."""
    origins = _all(request, b"webhook-request-origin")
    rates = _all(request, b"webhook-request-rate")
    if len(origins) != 1 or len(rates) > 1:
        return ()
    if rates and _RATE.fullmatch(rates[0]) is None:
        return ()
    if "*" in options.allowed_origins:
        origin = b"*"
    elif origins[0].lower() in {known.lower().encode() for known in options.allowed_origins}:
        origin = origins[0]
    else:
        return ()
    rate = b"*"
    if options.allowed_rate is not None:
        asked = int(rates[0]) if rates else options.allowed_rate
        rate = str(min(asked, options.allowed_rate)).encode()
    return ((b"webhook-allowed-origin", origin), (b"webhook-allowed-rate", rate))


_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")

#: A positive integer, of no more digits than anybody means.
_RATE = re.compile(rb"[1-9][0-9]{0,9}")


def _all(request: HttpRequest, name: bytes) -> list[bytes]:
    return [content for known, content in request.headers if known == name]
