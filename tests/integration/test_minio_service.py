"""The MinIO of the tests is a real one: what it sends is what the bridge was written for."""

from __future__ import annotations

import json

from tests.services.kafka import Kafka
from tests.services.minio import Minio, ObjectServer


async def test_a_put_is_told_to_kafka_as_it_was_recorded(kafka: Kafka, minio: Minio) -> None:
    """Key, headers and every member of the record are those the codec was written against."""
    target = await minio.kafka_target()
    bucket = await minio.bucket("inbox")
    await minio.notify(bucket, target)

    etag = await minio.put(bucket, "a.json", b"{}", content_type="application/json")
    (record,) = await kafka.read(target.topic, at_least=1)

    assert f"{bucket}/a.json".encode() == record.key
    assert () == record.headers
    told = json.loads(record.value or b"")["Records"][0]["s3"]["object"]
    assert (etag, "a.json") == (told["eTag"], told["key"])


async def test_a_stand_in_keeps_objects(moto: ObjectServer) -> None:
    """Its client, buckets and keys are used as MinIO's are."""
    bucket = await moto.bucket("stand-in")

    etag = await moto.put(bucket, "a b+%/ü.png", b"data", metadata={"x": "1"})

    assert ["a b+%/ü.png"] == await moto.keys(bucket)
    assert b"data" == await moto.get(bucket, "a b+%/ü.png")
    assert len(etag) == 32


async def test_a_server_that_is_taken_away_keeps_its_objects(own_minio: Minio) -> None:
    """Killed, frozen and stopped, it serves again at the same address with the same data."""
    bucket = await own_minio.bucket("kept")
    await own_minio.put(bucket, "a", b"1")

    for take in (own_minio.kill, own_minio.freeze, own_minio.stop):
        await take()
        await own_minio.start()

        assert b"1" == await own_minio.get(bucket, "a")
