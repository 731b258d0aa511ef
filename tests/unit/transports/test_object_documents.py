"""The store's XML: what S3 and MinIO write, and what nobody should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.transports.objects.documents import (
    MAX_ERROR_BYTES,
    BadDocument,
    ErrorDocument,
    copied_etag,
    error_of,
    listing_of,
)
from bridge.transports.objects.port import Listed, ObjectRef

#: MinIO of 2026 on a key that is not there.
NO_SUCH_KEY = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code>'
    b"<Message>The specified key does not exist.</Message><Key>0.png</Key>"
    b"<BucketName>mnist</BucketName><Resource>/mnist/0.png</Resource>"
    b"<RequestId>187A0FD5A4AC0A55</RequestId><HostId>dd9025bab4ad464b</HostId></Error>"
)

LISTING = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>mnist</Name>
<Prefix></Prefix><KeyCount>2</KeyCount><MaxKeys>2</MaxKeys><IsTruncated>true</IsTruncated>
<NextContinuationToken>YStiW21pbmlv</NextContinuationToken>
<Contents><Key>a+b%2B%C3%BC%01.png</Key><LastModified>2026-11-21T07:02:22.518Z</LastModified>
<ETag>&#34;ebed21f6f77b0a64673a3c96b0c623ba&#34;</ETag><Size>324</Size>
<Owner><ID>02d6</ID><DisplayName>minio</DisplayName></Owner>
<StorageClass>STANDARD</StorageClass></Contents>
<Contents><Key>dir/b.png</Key><LastModified>2026-11-21T07:02:22Z</LastModified>
<ETag>"d41d-2"</ETag><Size>0</Size></Contents>
<EncodingType>url</EncodingType></ListBucketResult>"""

BOMB = b"""<?xml version="1.0"?><!DOCTYPE Error [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>
<Error><Code>NoSuchKey</Code><Message>&b;</Message></Error>"""

FILE = b"""<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>
<Error><Code>NoSuchKey</Code><Message>&f;</Message></Error>"""


def test_an_error_says_what_and_why() -> None:
    """Code, words, region and bucket, with or without a namespace."""
    expected = ErrorDocument(
        code="NoSuchKey", text="The specified key does not exist.", bucket="mnist"
    )

    assert expected == error_of(NO_SUCH_KEY)
    named = NO_SUCH_KEY.replace(b"<Error>", b'<Error xmlns="http://s3.amazonaws.com/doc/">')
    assert expected == error_of(named)
    assert ErrorDocument(code="X", region="eu-west-1") == error_of(
        b"<Error><Code>X</Code><Region>eu-west-1</Region></Error>"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>404 Not Found</body></html>",
        b"<html><br>",
        b"{}",
        b"\xff\xfe",
        BOMB,
        FILE,
        BOMB.decode().encode("utf-16"),
        BOMB.decode().encode("utf-16-be"),
        BOMB.replace(b'"1.0"', b'"1.0" encoding="utf-7"').replace(b"<!", b"+ADwAIQ-"),
        b"<Error><Code>NoSuchKey</Code></Error>" + b" " * MAX_ERROR_BYTES,
    ],
)
def test_what_is_no_error_says_nothing(body: bytes) -> None:
    """A proxy's page, and XML that defines entities, in whichever encoding: not read."""
    assert error_of(body) is None


def test_a_listing() -> None:
    """Keys decoded as the store says they are encoded, etags without quotes."""
    found = listing_of(LISTING, "mnist")

    assert (
        Listed(
            ref=ObjectRef(
                bucket="mnist", key="a b+ü\x01.png", etag="ebed21f6f77b0a64673a3c96b0c623ba"
            ),
            size=324,
            modified="2026-11-21T07:02:22.518Z",
        ),
        Listed(
            ref=ObjectRef(bucket="mnist", key="dir/b.png", etag="d41d-2"),
            size=0,
            modified="2026-11-21T07:02:22Z",
        ),
    ) == found.objects
    assert (True, "YStiW21pbmlv") == (found.truncated, found.token)


def test_a_store_that_does_not_encode_keys() -> None:
    """Their percent signs and pluses are their own."""
    plain = LISTING.replace(b"<EncodingType>url</EncodingType>", b"")

    assert "a+b%2B%C3%BC%01.png" == listing_of(plain, "mnist").objects[0].ref.key


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (NO_SUCH_KEY, "expected ListBucketResult"),
        (b"<ListBucketResult>", "expected XML"),
        (BOMB.replace(b"Error", b"ListBucketResult"), "without a DOCTYPE"),
        (LISTING.replace(b"<Size>324</Size>", b""), "Key and Size"),
        (LISTING.replace(b"<Size>324", b"<Size>-1"), "Key and Size"),
        (LISTING.replace(b"<Key>dir/b.png", b"<Key>"), "Key and Size"),
        (LISTING.replace(b"%C3%BC", b"%FF"), "keys of UTF-8"),
        (LISTING.replace(b"a+b", b"a\x01"), "expected XML"),
    ],
)
def test_what_is_no_listing_is_told(body: bytes, said: str) -> None:
    """Half a listing would be an object that is never found."""
    with pytest.raises(BadDocument, match=said):
        listing_of(body, "mnist")


def test_the_answer_to_a_copy() -> None:
    """Its etag; an error in its place is none, status 200 or not."""
    done = b'<CopyObjectResult><ETag>"7-2"</ETag></CopyObjectResult>'

    assert "7-2" == copied_etag(done)
    for other in (NO_SUCH_KEY, b"", b"<CopyObjectResult/>"):
        with pytest.raises(BadDocument):
            copied_etag(other)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Nothing but BadDocument comes out."""
    assert error_of(body) is None
    with pytest.raises(BadDocument):
        listing_of(body, "mnist")
