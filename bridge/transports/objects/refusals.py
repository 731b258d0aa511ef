"""What the store's errors mean for an event: gone, superseded, for good, or not now.

    404 NoSuchKey · NoSuchVersion     Filtered "gone"          the event has nothing to do
    412                               Filtered "superseded"    a newer notification tells of it
    404 NoSuchBucket                  BucketMissing            a Rejected, who writes may create
    401, 403, wrong region, clock     Unavailable              ours to mend: the event is held
    408, 409 of a race, 429, 5xx      Unavailable
    404 that no S3 store said         Unavailable              a proxy's: nothing is known
    400 of a port for TLS             Unavailable              the file says http
    every other 4xx                   Rejected

Source: Amazon S3 API reference, error responses; MinIO's cmd/api-errors.go where it differs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from bridge.core.attributes import shown
from bridge.core.errors import BridgeError, Filtered, Rejected, Unavailable
from bridge.transports.http import HttpResponse, retry_after_seconds
from bridge.transports.objects.documents import ErrorDocument, error_of
from bridge.transports.objects.port import BucketMissing

#: Longest pause that a store's Retry-After can ask of us.
MAX_RETRY_AFTER_SECONDS: Final = 3600.0

#: Characters of the store's own words that an error quotes, at most.
MAX_QUOTED: Final = 200


def refusal(
    answer: HttpResponse, where: str, bucket: str, hidden: Callable[[str], str]
) -> BridgeError:
    """Return what *answer*, which is not the one hoped for, means; *where* begins its text.

    *hidden* takes our secrets out of the store's own words, should it quote them.
    """
    found = error_of(answer.body) or ErrorDocument()
    status, code = answer.status, found.code or _named_by_header(answer)
    said = f" {shown(code)[1:-1]}" if code else ""
    said += f": {shown(hidden(found.text), MAX_QUOTED)[1:-1]}" if found.text else ""
    text = f"{where}: answered {status}{said}"
    if code in _GONE or (status == 405 and answer.header(b"x-amz-delete-marker") == b"true"):
        return Filtered(f"{text}: the object is gone", reason="gone")
    if code == "NoSuchBucket":
        missing = found.bucket or bucket
        return BucketMissing(text, bucket=missing)
    if status == 412 or code == "PreconditionFailed":
        return Filtered(f"{text}: the object is another by now", reason="superseded")
    if code in _SKEWED:
        text = f"{where}: answered {status} {code}: our clock or the store's is wrong by minutes"
        return Unavailable(f"{text}: expected both to tell the same time")
    if 300 <= status < 400 or code in _ELSEWHERE:
        return Unavailable(f"{text}: {_expected_region(answer, found)}")
    if _passes(status, code):
        asked = retry_after_seconds(answer)
        seconds = None if asked is None else min(asked, MAX_RETRY_AFTER_SECONDS)
        return Unavailable(text, retry_after_seconds=seconds)
    if not code and (status == 404 or (status == 400 and _PORT_FOR_TLS.search(answer.body))):
        return Unavailable(f"{text}, and no S3 error: expected an S3 store at this URL")
    if status < 300 and not code:
        return Unavailable(f"{text}: expected the answer of an S3 store")
    return Rejected(text)


def refuses_us(answer: HttpResponse) -> bool:
    """Whether *answer* says that our credentials are none: who we are, not what we may."""
    found = error_of(answer.body)
    code = found.code if found else _named_by_header(answer)
    return answer.status == 401 or code in _NOBODY or code in _SKEWED


#: What Go, nginx and Apache say to who speaks no TLS. A proxy's other 400 is its verdict on a
#: key: Traefik has one for each with a `#` or a `%`, and would have it for ever.
_PORT_FOR_TLS: Final = re.compile(rb"\bHTTPS\b|\bSSL\b")

_GONE: Final = frozenset(("NoSuchKey", "NoSuchVersion"))
_SKEWED: Final = frozenset(("RequestTimeTooSkewed",))
_ELSEWHERE: Final = frozenset(
    ("AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect")
)

#: Our credentials are no credentials (some with status 400).
_NOBODY: Final = frozenset(
    (
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "InvalidTokenId",  # MinIO's
        "SignatureDoesNotMatch",
    )
)

#: 4xx that may pass, by what they say: credentials, races, bytes lost on the way, full disks.
_PASSING: Final = _NOBODY | {
    "BadDigest",
    "ConditionalRequestConflict",
    "IncompleteBody",
    "OperationAborted",
    "RequestTimeout",
    "SlowDown",
    "TokenRefreshRequired",
    "XAmzContentSHA256Mismatch",
    "XMinioAdminBucketQuotaExceeded",
}

_PASSING_STATUS: Final = frozenset((401, 403, 407, 408, 425, 429))

#: 403 that is the object's, not ours: it lies in an archive.
_FOR_GOOD: Final = frozenset(("InvalidObjectState",))


def _passes(status: int, code: str) -> bool:
    if code in _FOR_GOOD:
        return False
    # A copy that fails half way is told with status 200 and an error in its body.
    half_way = code in ("InternalError", "ServiceUnavailable")
    return status >= 500 or status in _PASSING_STATUS or code in _PASSING or half_way


def _named_by_header(answer: HttpResponse) -> str:
    """Return the code of an error without a body, as MinIO tells it."""
    value = answer.header(b"x-minio-error-code")
    return "" if value is None else value.decode("latin-1")


def _expected_region(answer: HttpResponse, found: ErrorDocument) -> str:
    header = answer.header(b"x-amz-bucket-region")
    region = found.region or (header.decode("latin-1") if header else "")
    if region:
        return f"expected `region: {shown(region)[1:-1]}`, and the url of that region"
    return "redirects are not followed: expected the store's own url, and its region"
