"""The MinIO of the tests is a real one: what it sends is what the bridge was written for."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from minio.commonconfig import ENABLED, CopySource, Tags
from minio.versioningconfig import VersioningConfig

from bridge.codecs.notification import decode
from bridge.core.errors import DecodeError
from tests.services.cache import Missing
from tests.services.kafka import Kafka
from tests.services.minio import ADDRESS, KafkaTarget, Minio, ObjectServer
from tests.services.minio import minio as component
from tests.services.receiver import Answer, Received, receiving

ALL = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")

#: Keys that a path, a URL or a form would take for something else; MinIO keeps them as they are.
KEYS = (
    "a b.png",
    "a+b.png",
    "100%.png",
    "%2e%2e%2fpasswd",
    "..hidden",
    "dir/..a/x..png",
    "q?x=1#f&y",
    "back\\slash",
    "zürich/७😀.png",
    "e\u0301.png",  # é of two characters is another key than é of one
    "\u00e9.png",
)

#: What MinIO of 2026-02-12 told Kafka of `inbox/a.json`, word for word.
RECORDED = json.loads(
    '{"EventName":"s3:ObjectCreated:Put","Key":"inbox/a.json","Records":[{"eventVersion":"2.0",'
    '"eventSource":"minio:s3","awsRegion":"","eventTime":"2026-11-21T07:02:22.508Z","eventName":'
    '"s3:ObjectCreated:Put","userIdentity":{"principalId":"minioadmin"},"requestParameters":{'
    '"principalId":"minioadmin","region":"","sourceIPAddress":"127.0.0.1"},"responseElements":{'
    '"x-amz-id-2":"ecd3fcddeab9ffe6b95ace57f7f1eed5c99e8fbb31b23bf1937776c6fb6e37e9",'
    '"x-amz-request-id":"18E9FD66590A20F3","x-minio-deployment-id":'
    '"f62d6dcc-1650-4872-9fac-6ba3d4b5fb11","x-minio-origin-endpoint":"http://127.0.0.1:23600"},'
    '"s3":{"s3SchemaVersion":"1.0","configurationId":"Config","bucket":{"name":"inbox",'
    '"ownerIdentity":{"principalId":"minioadmin"},"arn":"arn:aws:s3:::inbox"},"object":{"key":'
    '"a.json","size":7,"eTag":"ac3ef48caa08fa3ed5e025da69edc645","contentType":'
    '"application/json","userMetadata":{"X-Amz-Meta-Ce-Id":"7","content-type":'
    '"application/json"},"sequencer":"18E9FD665915D416"}},"source":{"host":"127.0.0.1","port":"",'
    '"userAgent":"MinIO (Linux; x86_64) minio-py/7.2.20"}}]}'
)


async def test_a_put_is_told_to_kafka_as_it_was_recorded(kafka: Kafka, minio: Minio) -> None:
    """Key, headers and every member are those that the codec was written against."""
    bucket, target = await _watched(minio)

    etag = await minio.put(
        bucket, "a.json", b'{"a":1}', content_type="application/json", metadata={"ce-id": "7"}
    )
    (record,) = await kafka.read(target.topic, at_least=1)

    told = json.loads(record.value or b"")
    assert (f"{bucket}/a.json".encode(), ()) == (record.key, record.headers)
    assert _outline(RECORDED) == _outline(told)
    assert f"{bucket}/a.json" == told["Key"]
    assert {
        **RECORDED["Records"][0]["s3"]["object"],
        "eTag": etag,
        "sequencer": told["Records"][0]["s3"]["object"]["sequencer"],
    } == told["Records"][0]["s3"]["object"]


async def test_every_way_to_change_an_object_is_told(kafka: Kafka, minio: Minio) -> None:
    """Multipart, copies, tags, deletions, versions: by name, and by what each says of it.

    Tags come under ObjectCreated too, with the sequencer that the content came with: who asks
    for all of ObjectCreated hears of content that is not new.
    """
    bucket, target = await _watched(minio, events=ALL)
    client = minio.client
    tags = Tags.new_object_tags()
    tags["checked"] = "yes"

    def change() -> str:
        source = CopySource(bucket_name=bucket, object_name="a")
        client.copy_object(bucket_name=bucket, object_name="copy", source=source)
        client.set_object_tags(bucket_name=bucket, object_name="a", tags=tags)
        client.remove_object(bucket_name=bucket, object_name="a")
        client.set_bucket_versioning(bucket_name=bucket, config=VersioningConfig(ENABLED))
        written = client.fput_object(bucket_name=bucket, object_name="v", file_path=__file__)
        return str(written.version_id)

    await minio.put(bucket, "a", b"1")
    etag = await minio.put_in_parts(bucket, "parts", b"x" * (5 << 20), b"y")
    version = await asyncio.to_thread(change)
    await minio.delete(bucket, "v")
    records = await kafka.read(target.topic, at_least=7)

    told = {}
    for record in records:
        ((attributes, data),) = decode(record.value or b"")
        named = json.loads(data)["Records"][0]["s3"]["object"]
        told[attributes["type"].removeprefix("com.amazonaws.s3."), attributes["subject"]] = named
    assert {
        ("ObjectCreated:Put", "a"),
        ("ObjectCreated:CompleteMultipartUpload", "parts"),
        ("ObjectCreated:Copy", "copy"),
        ("ObjectCreated:PutTagging", "a"),
        ("ObjectRemoved:Delete", "a"),
        ("ObjectCreated:Put", "v"),
        ("ObjectRemoved:DeleteMarkerCreated", "v"),
    } == set(told)
    assert etag.endswith("-2")
    assert etag == told["ObjectCreated:CompleteMultipartUpload", "parts"]["eTag"]
    assert version == told["ObjectCreated:Put", "v"]["versionId"]
    assert {"key", "sequencer"} == set(told["ObjectRemoved:Delete", "a"])
    put, tagged = told["ObjectCreated:Put", "a"], told["ObjectCreated:PutTagging", "a"]
    assert put == tagged


async def test_keys_come_as_they_were_given(kafka: Kafka, minio: Minio) -> None:
    """Whatever is in a key: encoded in the record, raw in Kafka's key, itself once decoded."""
    bucket, target = await _watched(minio)

    for key in KEYS:
        await minio.put(bucket, key, b"1")
    records = await kafka.read(target.topic, at_least=len(KEYS))

    decoded = [decode(record.value or b"")[0][0] for record in records]
    assert sorted(KEYS) == sorted(attributes["subject"] for attributes in decoded)
    assert {f"{bucket}/{key}".encode() for key in KEYS} == {record.key for record in records}
    assert len(KEYS) == len({attributes["id"] for attributes in decoded})
    assert sorted(KEYS) == await minio.keys(bucket)


async def test_a_key_with_control_characters_is_refused(kafka: Kafka, minio: Minio) -> None:
    """MinIO stores and tells it; no attribute of an event may hold it (spec.md, Type System)."""
    bucket, target = await _watched(minio)

    await minio.put(bucket, "tab\tnew\nline", b"1")
    (record,) = await kafka.read(target.topic, at_least=1)

    with pytest.raises(DecodeError, match="subject"):
        decode(record.value or b"")


async def test_only_what_was_asked_for_is_told(kafka: Kafka, minio: Minio) -> None:
    """Prefix and suffix of a bucket's notification, as the reference sets them up."""
    bucket, target = await _watched(minio, prefix="in/", suffix=".png")

    for key in ("in/0.txt", "0.png", "in/0.png"):
        await minio.put(bucket, key, b"1")
    (record,) = await kafka.read(target.topic, at_least=1)

    assert f"{bucket}/in/0.png".encode() == record.key


async def test_a_webhook_is_posted_the_same_record_with_its_token(minio: Minio) -> None:
    """POST of one JSON body, `Authorization: Bearer`, once."""
    target = minio.webhook_target()
    bucket = await minio.bucket("hooked")
    await minio.notify(bucket, target)

    async with receiving(port=target.port) as receiver:
        await minio.put(bucket, "a b.png", b"1")
        (posted,) = await receiver.wait_for(1)

    assert f"Bearer {target.token}" == posted.headers["authorization"]
    assert "application/json" == posted.headers["content-type"]
    assert _outline(RECORDED, without={"X-Amz-Meta-Ce-Id"}) == _outline(json.loads(posted.body))
    assert ["a b.png"] == [attributes["subject"] for attributes, _ in decode(posted.body)]


async def test_a_queue_keeps_what_nobody_took_and_a_target_without_one_forgets_it(
    minio: Minio,
) -> None:
    """Put while nobody listens: told later with a queue_dir, never without. Why lists are read."""
    forgets, keeps = minio.webhook_target(), minio.webhook_target(kept=True)
    forgotten, kept = await minio.bucket("forgotten"), await minio.bucket("kept")
    await minio.notify(forgotten, forgets)
    await minio.notify(kept, keeps)

    await minio.put(forgotten, "unheard", b"1")
    await minio.put(kept, "unheard", b"1")
    async with receiving(port=forgets.port) as first, receiving(port=keeps.port) as second:
        late = await second.wait_for(1)
        await minio.put(forgotten, "heard", b"1")
        prompt = await first.wait_for(1)

    assert ["unheard"] == _subjects(late)
    assert ["heard"] == _subjects(prompt)


async def test_a_refused_webhook_is_posted_again_from_its_queue(minio: Minio) -> None:
    """503 keeps it in the queue: at least once, the same id both times."""
    target = minio.webhook_target(kept=True)
    bucket = await minio.bucket("refused")
    await minio.notify(bucket, target)

    async with receiving(Answer(status=503), Answer(), port=target.port) as receiver:
        await minio.put(bucket, "a", b"1")
        posted = await receiver.wait_for(2)

    first, second = (decode(each.body)[0][0] for each in posted)
    assert first == second


async def test_a_server_that_is_taken_away_keeps_its_objects(own_minio: Minio) -> None:
    """Killed, frozen and stopped, it serves again at the same address with the same data."""
    bucket = await own_minio.bucket("kept")
    await own_minio.put(bucket, "a", b"1")

    for take in (own_minio.kill, own_minio.freeze, own_minio.stop):
        await take()
        await own_minio.start()

        assert b"1" == await own_minio.get(bucket, "a")


async def test_a_stand_in_keeps_objects(moto: ObjectServer) -> None:
    """Moto's client, buckets and keys are used as MinIO's are."""
    bucket = await moto.bucket("stand-in")

    etag = await moto.put(bucket, "a b+%/ü.png", b"data", metadata={"x": "1"})

    assert ["a b+%/ü.png"] == await moto.keys(bucket)
    assert b"data" == await moto.get(bucket, "a b+%/ü.png")
    assert 32 == len(etag)


async def test_a_server_of_the_environment_is_used_and_never_broken(
    minio: Minio, kafka: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its address carries its keys; it cannot be stopped, and has no targets of ours."""
    address = minio.url.replace("://", f"://{minio.access_key}:{minio.secret_key}@")
    monkeypatch.setenv(ADDRESS, address)

    with component(output=tmp_path / "minio.log", kafka=kafka) as found:
        assert (minio.url, minio.access_key) == (found.url, found.access_key)
        with pytest.raises(Missing, match="not stopped"):
            await found.stop()
        with pytest.raises(Missing, match="has none"):
            await found.kafka_target()


async def _watched(minio: Minio, **notification: Any) -> tuple[str, KafkaTarget]:
    """Return a bucket of the test's own, and the target that is told of it."""
    bucket, target = await minio.bucket("inbox"), await minio.kafka_target()
    await minio.notify(bucket, target, **notification)
    return bucket, target


def _subjects(posted: list[Received]) -> list[str]:
    return [attributes["subject"] for each in posted for attributes, _ in decode(each.body)]


def _outline(told: Any, *, without: frozenset[str] | set[str] = frozenset()) -> Any:
    """Return *told* with each value replaced by its type: names and shape."""
    if isinstance(told, dict):
        return {
            name: _outline(value, without=without)
            for name, value in told.items()
            if name not in without
        }
    if isinstance(told, list):
        return [_outline(each, without=without) for each in told]
    return type(told).__name__
