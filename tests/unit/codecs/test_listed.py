"""A listed object reads like a notification of its creation."""

from __future__ import annotations

import orjson
import pytest

from bridge.codecs.listed import listed_notification, rfc3339_ms
from bridge.codecs.notification import Told, decode, object_of

MS = 1_795_244_542_508


@pytest.mark.parametrize("key", ["0.png", "a b+c", "50%", "dir/ü ß.png", "..", "a&b=c?d#e", "日本"])
def test_it_is_read_back_by_the_codec_of_notifications(key: str) -> None:
    """Whoever reads notifications finds bucket, key, eTag, size and time, decoded once."""
    body = listed_notification("mnist", key, etag="abc", size=7, ms=MS)

    ((attributes, data),) = decode(body)

    assert key == attributes["subject"]
    assert object_of(data) == Told(
        bucket="mnist",
        key=key,
        etag="abc",
        size=7,
        event_name="ObjectCreated:Put",
        sequencer=f"{MS * 1_000_000:X}",
    )
    assert "com.amazonaws.s3.ObjectCreated:Put" == attributes["type"]
    assert "2026-11-21T07:02:22.508Z" == attributes["time"]


def test_it_says_that_it_was_found_and_not_told() -> None:
    """And the names at its top are those of MinIO's own notifications."""
    found = orjson.loads(listed_notification("mnist", "a b.png", etag=None, size=0, ms=MS))

    assert "listing" == found["FoundBy"]
    assert ("s3:ObjectCreated:Put", "mnist/a b.png") == (found["EventName"], found["Key"])
    assert "eTag" not in found["Records"][0]["s3"]["object"]


def test_its_sequencer_is_the_time_in_nanoseconds() -> None:
    """Hexadecimal and of sixteen digits, as MinIO's; what a listing cannot know is zero."""
    found = orjson.loads(listed_notification("mnist", "a", etag="x", size=1, ms=MS))

    sequencer = found["Records"][0]["s3"]["object"]["sequencer"]

    assert (16, MS * 1_000_000) == (len(sequencer), int(sequencer, 16))


def test_a_time_is_written_as_minio_writes_it() -> None:
    """UTC with three digits of a second, also where they are zero."""
    assert "1970-01-01T00:00:00.000Z" == rfc3339_ms(0)
    assert "2026-11-21T07:02:22.508Z" == rfc3339_ms(MS)
