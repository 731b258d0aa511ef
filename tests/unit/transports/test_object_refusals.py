"""What a store's errors mean: for the event, for us, for later."""

from __future__ import annotations

import pytest

from bridge.core.errors import BridgeError, Filtered, Rejected, Unavailable
from bridge.transports.http import HttpResponse
from bridge.transports.objects.port import BucketMissing
from bridge.transports.objects.refusals import (
    MAX_RETRY_AFTER_SECONDS,
    refusal,
    refuses_us,
)

WHERE = "object store http://minio:9000: 'mnist/0.png'"


def answer(
    status: int, code: str = "", *headers: tuple[bytes, bytes], more: str = ""
) -> HttpResponse:
    """Return an error as S3 writes it, or a bare status where there is no *code*."""
    body = f"<Error><Code>{code}</Code><Message>Words.</Message>{more}</Error>" if code else ""
    return HttpResponse(status, headers, body.encode())


def meant(found: HttpResponse) -> BridgeError:
    return refusal(found, WHERE, "mnist", lambda text: text.replace("secret-7", "***"))


@pytest.mark.parametrize(
    ("status", "code", "kind", "reason"),
    [
        (404, "NoSuchKey", Filtered, "gone"),
        (404, "NoSuchVersion", Filtered, "gone"),
        (412, "PreconditionFailed", Filtered, "superseded"),
        (412, "", Filtered, "superseded"),
        (404, "NoSuchBucket", BucketMissing, "rejected"),
        (404, "", Unavailable, "unavailable"),
        (400, "", Rejected, "rejected"),  # so Traefik answers to a key with a `#` or a `%`
        (400, "InvalidArgument", Rejected, "rejected"),
        (400, "EntityTooLarge", Rejected, "rejected"),
        (405, "MethodNotAllowed", Rejected, "rejected"),
        (413, "", Rejected, "rejected"),
        (416, "InvalidRange", Rejected, "rejected"),
        (409, "BucketAlreadyExists", Rejected, "rejected"),
        (403, "InvalidObjectState", Rejected, "rejected"),
        (401, "", Unavailable, "unavailable"),
        (403, "", Unavailable, "unavailable"),
        (403, "AccessDenied", Unavailable, "unavailable"),
        (403, "InvalidAccessKeyId", Unavailable, "unavailable"),
        (403, "SignatureDoesNotMatch", Unavailable, "unavailable"),
        (400, "ExpiredToken", Unavailable, "unavailable"),
        (400, "RequestTimeout", Unavailable, "unavailable"),
        (400, "BadDigest", Unavailable, "unavailable"),
        (400, "XMinioAdminBucketQuotaExceeded", Unavailable, "unavailable"),
        (409, "OperationAborted", Unavailable, "unavailable"),
        (409, "ConditionalRequestConflict", Unavailable, "unavailable"),
        (407, "", Unavailable, "unavailable"),
        (408, "", Unavailable, "unavailable"),
        (425, "", Unavailable, "unavailable"),
        (429, "", Unavailable, "unavailable"),
        (500, "InternalError", Unavailable, "unavailable"),
        (503, "SlowDown", Unavailable, "unavailable"),
        (503, "", Unavailable, "unavailable"),
        (507, "XMinioStorageFull", Unavailable, "unavailable"),
        (200, "InternalError", Unavailable, "unavailable"),
        (200, "NoSuchKey", Filtered, "gone"),
        (200, "", Unavailable, "unavailable"),
        (204, "", Unavailable, "unavailable"),
    ],
)
def test_each_error_means_one_thing(
    status: int, code: str, kind: type[BridgeError], reason: str
) -> None:
    """And its text says where, which status, and the store's code."""
    error = meant(answer(status, code))

    assert (kind, reason) == (type(error), error.reason)
    assert str(error).startswith(f"{WHERE}: answered {status}")
    assert code in str(error)


@pytest.mark.parametrize(
    "said",
    [
        b"Client sent an HTTP request to an HTTPS server.\n",
        b"<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head>",
        b"Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />\n Instead use",
    ],
)
def test_a_port_for_tls_is_no_verdict_on_a_key(said: bytes) -> None:
    """What Go, nginx and Apache answer where the file says http: the events are good."""
    error = meant(HttpResponse(400, (), said))

    assert type(error) is Unavailable
    assert "answered 400, and no S3 error: expected an S3 store at this URL" in str(error)


def test_a_version_that_is_a_deletion_is_gone() -> None:
    """S3 answers 405 to who asks for the version that a deletion made."""
    error = meant(answer(405, "MethodNotAllowed", (b"x-amz-delete-marker", b"true")))

    assert (Filtered, "gone") == (type(error), error.reason)


def test_a_missing_bucket_is_named() -> None:
    """So that who writes can create it: the store's word, or the bucket that was asked."""
    told = meant(answer(404, "NoSuchBucket", more="<BucketName>digit-7</BucketName>"))
    asked = meant(answer(404, "NoSuchBucket"))

    assert isinstance(told, BucketMissing)
    assert isinstance(asked, BucketMissing)
    assert ("digit-7", "mnist") == (told.bucket, asked.bucket)


def test_clocks_that_disagree_are_told() -> None:
    """It is nothing of the event's, and passes once they agree."""
    error = meant(answer(403, "RequestTimeTooSkewed"))

    assert type(error) is Unavailable
    assert "answered 403 RequestTimeTooSkewed: our clock or the store's is wrong" in str(error)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            answer(301, "PermanentRedirect", (b"x-amz-bucket-region", b"eu-west-1")),
            "expected `region: eu-west-1`",
        ),
        (
            answer(400, "AuthorizationHeaderMalformed", more="<Region>eu-west-1</Region>"),
            "expected `region: eu-west-1`",
        ),
        (answer(307, "TemporaryRedirect"), "redirects are not followed"),
        (answer(302), "redirects are not followed"),
    ],
)
def test_another_region_is_named(found: HttpResponse, said: str) -> None:
    """The options are wrong, the event is good: it is held."""
    error = meant(found)

    assert type(error) is Unavailable
    assert said in str(error)


def test_a_store_that_asks_for_a_pause_gets_one() -> None:
    """An hour at most."""
    soon = meant(answer(503, "SlowDown", (b"retry-after", b"7")))
    never = meant(answer(503, "SlowDown", (b"retry-after", b"99999999")))

    assert isinstance(soon, Unavailable)
    assert isinstance(never, Unavailable)
    assert (7.0, MAX_RETRY_AFTER_SECONDS) == (
        soon.retry_after_seconds,
        never.retry_after_seconds,
    )


def test_minios_header_stands_in_for_a_body() -> None:
    """It tells the code there where there can be no body."""
    error = meant(answer(404, "", (b"x-minio-error-code", b"NoSuchKey")))

    assert (Filtered, "gone") == (type(error), error.reason)


def test_the_stores_words_are_cut_escaped_and_without_our_secrets() -> None:
    """They go into logs and dead letters."""
    words = "secret-7 \x1b[31m" + "x" * 1000
    body = f"<Error><Code>Bad&#10;Code</Code><Message>{words}</Message></Error>"
    found = HttpResponse(400, (), body.replace("\x1b", "\\e").encode())

    text = str(meant(found))

    assert "secret-7" not in text
    assert "*** " in text
    assert text.isprintable()
    assert len(text) < 400


@pytest.mark.parametrize(
    ("status", "code", "refused"),
    [
        (401, "", True),
        (403, "InvalidAccessKeyId", True),
        (403, "InvalidTokenId", True),
        (403, "SignatureDoesNotMatch", True),
        (403, "RequestTimeTooSkewed", True),
        (400, "ExpiredToken", True),
        (403, "AccessDenied", False),
        (503, "SlowDown", False),
    ],
)
def test_who_we_are_is_told_from_what_we_may(status: int, code: str, refused: bool) -> None:
    """A `ping` minds the first alone."""
    assert refused == refuses_us(answer(status, code))
