"""The objects sink on real stores: MinIO, and moto's stand-in for S3."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bridge import Event, Filtered, Rejected, Unavailable
from bridge.codecs import http as codec
from bridge.config.objects import ObjectStoreOptions
from bridge.core.event import Letter
from bridge.sinks.objects import ObjectsSink, ObjectsSinkOptions
from bridge.transports.objects import ObjectRef, ObjectStore, StoredObject
from tests.fakes_delivery import sending
from tests.services.bridge import bridge_running
from tests.services.kafka import fresh
from tests.services.minio import ObjectServer


@pytest.fixture(params=["minio", "moto"])
def server(request: pytest.FixtureRequest) -> ObjectServer:
    """Each store that there is."""
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]  # pytest's


def sink(server: ObjectServer, **given: Any) -> ObjectsSink:
    return ObjectsSink(ObjectsSinkOptions.model_validate({"store": server.options, **given}))


async def read(server: ObjectServer, bucket: str, key: str) -> StoredObject:
    async with ObjectStore(ObjectStoreOptions.model_validate(server.options)) as store:
        return await store.get(ObjectRef(bucket=bucket, key=key))


def read_back(found: StoredObject) -> Event:
    """Return the event of an object, read as an HTTP receiver would read its headers."""
    headers = [(name.encode(), value.encode()) for name, value in found.head.metadata.items()]
    headers.append((b"content-type", (found.head.content_type or "").encode()))
    return codec.decode(headers, found.data)


def event(data: bytes | None = b'{"digit": 7}', **attributes: str) -> Event:
    given = {"id": "1", "source": "tests", "type": "t", "datacontenttype": "application/json"}
    return Event.of(data=data, **{**given, **attributes})


@pytest.mark.parametrize("content", ["data", "event"])
async def test_any_attribute_comes_back_whole(server: ObjectServer, content: str) -> None:
    """Non-ASCII, quotes, doubled spaces in a media type: signed, sent, stored, and the same."""
    bucket = await server.bucket("sink")
    sent = event(
        b"\x00\xff",
        subject='é "1"  %.png',
        datacontenttype='image/png; name="a  b"',
        time="2026-01-31T12:00:00.123456789Z",
        partitionkey="a+b&c=d/../e",
    )

    async with sink(server, bucket=bucket, content=content) as made:
        await made.send(sent)

    assert sent == read_back(await read(server, bucket, "1"))


@pytest.mark.parametrize("id", ["a b", "a+b", "a%2Fb", "é/ü.png", "a&b=c?d#e", "~'()*!$,;:@\\"])
async def test_any_id_is_a_key(server: ObjectServer, id: str) -> None:
    """What a path or a query would read as something else stays part of the key."""
    bucket = await server.bucket("sink")

    async with sink(server, bucket=bucket) as made:
        await made.send(event(id=id))

    assert [id] == await server.keys(bucket)


@pytest.mark.parametrize("id", ["../other/1", "..", "a/./b", "a//b", "/a"])
async def test_an_id_that_leads_elsewhere_is_refused(server: ObjectServer, id: str) -> None:
    """No event reaches a bucket, or an object, that the file has not chosen."""
    bucket = await server.bucket("sink")

    async with sink(server, bucket=bucket) as made:
        with pytest.raises(Rejected, match="expected a key of"):
            await made.send(event(id=id))

    assert [] == await server.keys(bucket)


@pytest.mark.parametrize("id", ["../other/1", "a//b", "x" * 300, "x" * 2000, "a" * 250 + "/é"])
async def test_a_letter_of_any_id_is_kept(server: ObjectServer, id: str) -> None:
    """A dead letter has no other place: a real store takes the key that it gets instead."""
    bucket = await server.bucket("letters")
    refused = Letter({**event().attributes, "id": id}, b"no json", error=Rejected("no"))

    async with sink(server, bucket=bucket, content="event") as made:
        await made.send(refused)

    (key,) = await server.keys(bucket)
    assert Event(refused.attributes, refused.data) == read_back(await read(server, bucket, key))


async def test_buckets_are_made_when_many_events_need_them(server: ObjectServer) -> None:
    """Two bridges write to the same new buckets at once: every event arrives, none is refused."""
    name = fresh("digit")
    events = [event(b'{"digit": %d}' % (n % 5), id=str(n)) for n in range(50)]
    given = {"bucket": f"{name}-{{data.digit}}", "create_buckets": True}

    async with sink(server, **given) as one, sink(server, **given) as other:
        await asyncio.gather(*map(one.send, events[::2]), *map(other.send, events[1::2]))

    found = {bucket: await server.keys(bucket) for bucket in await server.buckets(name)}
    expected = {f"{name}-{d}": sorted(str(n) for n in range(50) if n % 5 == d) for d in range(5)}
    assert expected == found


async def test_check_tells_of_a_bucket_that_is_not_there_before_events_are_refused_for_it(
    server: ObjectServer,
) -> None:
    """`--connect` and `/readyz?verbose` name it: the sink's own, and the one that is copied of."""
    bucket, absent = await server.bucket("sink"), fresh("absent")
    copied = {"content": "copy", "copy": {"bucket": absent}}

    async with sink(server, bucket=bucket) as good, sink(server, bucket=absent) as bad:
        await good.ping()
        with pytest.raises(Unavailable, match=f"{absent}.* NoSuchBucket.* or `create_buckets"):
            await bad.ping()
    async with sink(server, bucket=bucket, **copied) as made:
        with pytest.raises(Unavailable, match=f"{absent}.* NoSuchBucket"):
            await made.ping()


async def test_a_bucket_that_is_made_when_it_is_needed_may_be_missing(server: ObjectServer) -> None:
    """Nor is one missing whose name comes with the events."""
    absent = fresh("absent")

    async with (
        sink(server, bucket=absent, create_buckets=True) as made,
        sink(server, bucket=absent + "-{data.digit}") as named,
    ):
        await made.ping()
        await named.ping()

    assert [] == await server.buckets(absent)


async def test_a_bucket_that_is_missing_is_refused(server: ObjectServer) -> None:
    """For good, with its name, and it is not made: the file does not allow that."""
    bucket = fresh("absent")

    async with sink(server, bucket=bucket) as made:
        with pytest.raises(Rejected, match=f"{bucket}.*NoSuchBucket"):
            await made.send(event())

    assert [] == await server.buckets(bucket)


async def test_a_copy_is_the_object_and_the_content_that_was_told(server: ObjectServer) -> None:
    """Bytes, media type and metadata; where there is none any more, the event is filtered."""
    images, name = await server.bucket("images"), fresh("digit")
    put = {"content_type": "image/png", "metadata": {"who": "me"}}
    etag = await server.put(images, "é 1+%.png", b"image", **put)
    given = {
        "bucket": f"{name}-{{data.digit}}",
        "key": "{subject}",
        "content": "copy",
        "copy": {"bucket": images, "key": "{subject}", "etag": "{data.etag}"},
        "create_buckets": True,
    }
    data = b'{"digit": 7, "etag": "%b"}' % etag.encode()

    async with sink(server, **given) as made:
        for _ in range(2):  # a redelivery is the same object
            await made.send(event(data, subject="é 1+%.png"))
        with pytest.raises(Filtered) as gone:
            await made.send(event(data, subject="gone.png"))

    found = await read(server, f"{name}-7", "é 1+%.png")
    assert (b"image", "image/png") == (found.data, found.head.content_type)
    assert "me" == found.head.metadata["who"]
    assert ["é 1+%.png"] == await server.keys(f"{name}-7")
    assert "gone" == gone.value.reason


async def test_an_object_that_was_overwritten_is_not_copied(minio: ObjectServer) -> None:
    """The newer content has a notification of its own; moto copies whatever is there."""
    images, out = await minio.bucket("images"), await minio.bucket("out")
    etag = await minio.put(images, "1", b"older")
    await minio.put(images, "1", b"newer")
    given = {"content": "copy", "copy": {"bucket": images, "key": "{id}", "etag": "{data.etag}"}}

    async with sink(minio, bucket=out, **given) as made:
        with pytest.raises(Filtered) as changed:
            await made.send(event(b'{"etag": "%b"}' % etag.encode()))

    assert "superseded" == changed.value.reason
    assert [] == await minio.keys(out)


async def test_a_copy_from_a_missing_bucket_is_refused(server: ObjectServer) -> None:
    """It does not make the bucket again and again that is there."""
    out = await server.bucket("out")
    given = {"content": "copy", "copy": {"bucket": fresh("absent"), "key": "{id}"}}

    async with sink(server, bucket=out, create_buckets=True, **given) as made:
        with pytest.raises(Rejected, match="NoSuchBucket"):
            await made.send(event())


async def test_a_version_is_copied_though_a_newer_one_is_there(server: ObjectServer) -> None:
    """Where the bucket keeps versions, the one that was told of is still to be had."""
    from minio.versioningconfig import VersioningConfig

    images, out = await server.bucket("images"), await server.bucket("out")
    config = VersioningConfig(status="Enabled")
    await asyncio.to_thread(server.client.set_bucket_versioning, bucket_name=images, config=config)
    async with ObjectStore(ObjectStoreOptions.model_validate(server.options)) as store:
        older = await store.put(images, "1", b"older")
        await store.put(images, "1", b"newer")
    given = {"content": "copy", "copy": {"bucket": images, "key": "{id}", "version": "{data.v}"}}

    async with sink(server, bucket=out, **given) as made:
        await made.send(event(b'{"v": "%b"}' % (older.version or "").encode()))

    assert b"older" == await server.get(out, "1")


async def test_credentials_that_are_not_taken_hold_the_event(minio: ObjectServer) -> None:
    """It says nothing of the event: no dead letter, and no password in the text."""
    bucket = await minio.bucket("sink")
    given = {"bucket": bucket, "store": {**minio.options, "secret_key": "not the secret"}}

    async with sink(minio, **given) as made:
        with pytest.raises(Unavailable, match="SignatureDoesNotMatch") as caught:
            await made.send(event())

    assert "not the secret" not in str(caught.value)


async def test_a_pipeline_sorts_its_events_into_buckets(
    minio: ObjectServer, tmp_path: Path
) -> None:
    """`bridge run`: an object in the bucket that the data names, else in the dead letter's."""
    name, letters = fresh("digit"), await minio.bucket("letters")
    out = {
        "type": "objects",
        "store": minio.options,
        "bucket": f"{name}-{{data.digit}}",
        "content": "event",
        "create_buckets": True,
    }
    dead = {"type": "objects", "store": minio.options, "bucket": letters, "content": "event"}

    with bridge_running({"sinks": [out], "dead_letter": dead}, tmp_path) as bridge:
        async with sending(bridge.url) as sender:
            answers = [
                await sender.post(b'{"digit": %b}' % digit, ce_id=f"id-{number}")
                for number, digit in enumerate([b"1", b"2", b'"../2"', b"1"])
            ]

    letter = read_back(await read(minio, letters, "id-2"))
    assert [202] * 4 == [answer.status for answer in answers]
    assert ["id-0", "id-3"] == await minio.keys(f"{name}-1")
    assert ["id-1"] == await minio.keys(f"{name}-2")
    assert ["id-2"] == await minio.keys(letters)
    assert (b'{"digit": "../2"}', "rejected") == (letter.data, letter.get("bridgeerrortype"))
    assert "expected a-z, 0-9 and '-'" in str(letter.get("bridgeerrortext"))
