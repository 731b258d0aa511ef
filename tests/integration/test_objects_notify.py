"""`bridge objects notify` on a real MinIO: what it sets up, what it leaves, what it says."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.services.kafka import Kafka, fresh
from tests.services.minio import Minio

CREATED = [f"s3:ObjectCreated:{how}" for how in ("Put", "Post", "Copy", "CompleteMultipartUpload")]
PIPELINE = {
    "source": {"type": "http", "port": 0},
    "sinks": [{"type": "log"}],
}


def written(folder: Path, minio: Minio, *entries: dict[str, Any]) -> Path:
    """Return a file with these entries, each for *minio*."""
    file = folder / "bridge.yaml"
    stores = [{"store": minio.options, **entry} for entry in entries]
    file.write_text(yaml.safe_dump({"pipelines": {"x": PIPELINE}, "notifications": stores}))
    return file


async def bridge(*arguments: str) -> tuple[int, str, str]:
    """Return status, output and errors of `bridge objects notify`."""

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bridge", "objects", "notify", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    done = await asyncio.to_thread(run)
    return done.returncode, done.stdout, done.stderr


async def rules(minio: Minio, bucket: str) -> list[tuple[str, list[str], str, str]]:
    """Return what *bucket* notifies of, asked by MinIO's own client."""
    found = await asyncio.to_thread(minio.client.get_bucket_notification, bucket_name=bucket)
    return [
        (
            str(rule.queue),
            sorted(rule.events),
            rule.prefix_filter_rule.value if rule.prefix_filter_rule else "",
            rule.suffix_filter_rule.value if rule.suffix_filter_rule else "",
        )
        for rule in found.queue_config_list
    ]


async def test_what_is_set_up_notifies(minio: Minio, kafka: Kafka, tmp_path: Path) -> None:
    """The bucket is made, MinIO tells Kafka of its objects, and a second run has nothing to do."""
    target, bucket = await minio.kafka_target(), fresh("mnist")
    entry = {"bucket": bucket, "target": target.arn, "suffix": ".png", "create_bucket": True}
    file = written(tmp_path, minio, entry)

    status, said, _ = await bridge(str(file))
    again, said_again, _ = await bridge(str(file))

    assert (0, 0) == (status, again), (said, said_again, _, file.read_text())
    await minio.put(bucket, "0.png", b"0")
    (record,) = await kafka.read(target.topic, at_least=1)
    assert (0, 0) == (status, again)
    assert "bucket made; added: " in said
    assert "1 of 1 changed" in said
    assert "nothing to do: " in said_again
    assert "nothing had to be changed" in said_again
    assert [(target.arn, sorted(CREATED), "", ".png")] == await rules(minio, bucket)
    assert f"{bucket}/0.png".encode() == record.key
