"""When a delivery is tried again, and after how long: the rules of Knative's Go dispatcher.

    attempt 0 ─ failed ─▶ backoff(0) ─▶ attempt 1 ─ failed ─▶ backoff(1) ─▶ attempt 2 …

Sources: Knative pkg/kncloudevents/retries.go (v0.50.0) and specs/eventing/data-plane.md. The
attempts are counted from 0, so the first pause of `linear` is none at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Literal

#: No pause is longer: 30 days. An exponential back-off outgrows a float otherwise.
LONGEST_PAUSE_SECONDS = 30 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How a trigger delivers; without settings, as a bare Trigger does: once.

    *retry*: tries after the first. *retry_after_max_seconds*: the longest `Retry-After` that
    is honoured; None honours none. *timeout_seconds*: of one request; None leaves it to the
    broker. *format*: the content mode, `json` is structured.
    """

    retry: int = 0
    backoff_policy: Literal["linear", "exponential"] | None = None
    backoff_delay_seconds: float | None = None
    timeout_seconds: float | None = None
    retry_after_max_seconds: float | None = None
    dead_letter_url: str | None = None
    format: Literal["binary", "json"] = "binary"


def passing(status: int) -> bool:
    """Whether *status* may pass, so that the same event is worth another try."""
    return status >= 500 or status in (404, 408, 409, 429)


def backoff_seconds(delivery: Delivery, attempt: int) -> float:
    """Return the pause after *attempt* (0 is the first) failed.

    Linear is delay × attempt, exponential delay × 2^attempt; without both a policy and a
    delay there is no pause.
    """
    delay = delivery.backoff_delay_seconds
    if delay is None or delivery.backoff_policy is None:
        return 0.0
    if delivery.backoff_policy == "linear":
        return min(delay * attempt, LONGEST_PAUSE_SECONDS)
    return min(delay * 2.0 ** min(attempt, 64), LONGEST_PAUSE_SECONDS)


def pause_seconds(
    delivery: Delivery, attempt: int, status: int, retry_after: bytes | None, now_ns: int
) -> float:
    """Return the pause after *attempt* was answered *status* with the header *retry_after*.

    The header counts for 429 and 503 only, and only where the trigger says how much of it is
    honoured at most; the longer of it and the back-off wins.
    """
    pause = backoff_seconds(delivery, attempt)
    longest = delivery.retry_after_max_seconds
    if longest is None or retry_after is None or status not in (429, 503):
        return pause
    return max(pause, min(_asked_seconds(retry_after, now_ns), longest))


def _asked_seconds(retry_after: bytes, now_ns: int) -> float:
    """Return what `Retry-After` asks for: seconds or a date (RFC 9110, 10.2.3); else none."""
    text = retry_after.decode("latin-1").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:12])
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return max(0.0, then.timestamp() - now_ns / 1e9)
