"""`bridge objects notify` on a real MinIO: what it sets up, what it leaves, what it says."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.app.notifications import Done, entries, set_up
from bridge.transports.http import HttpRequest, HttpResponse, HttpServer
from tests.services.kafka import Kafka, fresh
from tests.services.minio import Minio, WebhookTarget

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


def webhook(minio: Minio) -> WebhookTarget:
    """Return a target that *minio* knows: nothing is sent there."""
    if minio.webhook is None:
        pytest.skip("a MinIO whose targets are ours")
    return minio.webhook


async def run(file: Path, *, remove: bool = False) -> list[Done]:
    """Return what the command does, without its process."""
    return [one async for one in set_up(entries(file, {}), remove=remove)]


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

    await minio.put(bucket, "0.txt", b"0")
    await minio.put(bucket, "0.png", b"0")
    (record,) = await kafka.read(target.topic, at_least=1)
    assert (0, 0) == (status, again)
    assert f"{minio.url}/{bucket}: bucket made; added: s3:ObjectCreated:Put, " in said
    assert f" of keys '*.png' to {target.arn} ('bridge-" in said
    assert f"{file}: 1 of 1 changed\n" in said
    assert f"{minio.url}/{bucket}: nothing to do: s3:ObjectCreated:Put, " in said_again
    assert f"{file}: nothing had to be changed\n" in said_again
    assert [(target.arn, sorted(CREATED), "", ".png")] == await rules(minio, bucket)
    assert f"{bucket}/0.png".encode() == record.key


async def test_a_webhook_is_told_as_well(minio: Minio, tmp_path: Path) -> None:
    """The other kind of target, set up in the same way."""
    target, bucket = webhook(minio), await minio.bucket("mnist")
    file = written(tmp_path, minio, {"bucket": bucket, "target": target.arn})

    (done,) = await run(file)

    assert ("added", False) == (done.outcome, done.bucket_made)
    assert [(target.arn, sorted(CREATED), "", "")] == await rules(minio, bucket)


async def test_what_is_taken_away_of_a_bucket_that_is_missing_is_nothing(
    minio: Minio, tmp_path: Path
) -> None:
    """It is not made for that, and nothing has changed."""
    bucket = fresh("absent")
    entry = {"bucket": bucket, "target": webhook(minio).arn, "create_bucket": True}

    (done,) = await run(written(tmp_path, minio, entry), remove=True)

    assert ("absent", None, False) == (done.outcome, done.error, done.has_changed)
    assert not await asyncio.to_thread(minio.client.bucket_exists, bucket_name=bucket)


async def test_what_others_have_set_up_stays(minio: Minio, tmp_path: Path) -> None:
    """Through adding, changing and taking away: their rules are there, as they were."""
    target, other = webhook(minio), minio.primary
    bucket = await minio.bucket("mnist")
    assert other is not None
    await minio.notify(bucket, other, events=["s3:ObjectRemoved:*"], prefix="a&b/", suffix="é")
    theirs = await rules(minio, bucket)
    entry = {"bucket": bucket, "target": target.arn, "prefix": "in/"}
    file = written(tmp_path, minio, entry)

    (added,) = await run(file)
    after_adding = await rules(minio, bucket)
    written(tmp_path, minio, {**entry, "events": ["s3:ObjectCreated:*"]})
    (changed,) = await run(file)
    after_changing = await rules(minio, bucket)
    (removed,) = await run(file, remove=True)
    after_removing = await rules(minio, bucket)
    (absent,) = await run(file, remove=True)

    outcomes = [one.outcome for one in (added, changed, removed, absent)]
    assert ["added", "changed", "removed", "absent"] == outcomes
    assert [1, 1, 1, 1] == [one.others for one in (added, changed, removed, absent)]
    assert [*theirs, (target.arn, sorted(CREATED), "in/", "")] == after_adding
    assert [*theirs, (target.arn, ["s3:ObjectCreated:*"], "in/", "")] == after_changing
    assert [tuple(CREATED)] == [rule.events for rule in changed.replaced]
    assert theirs == after_removing


async def test_what_another_file_has_set_up_stays(minio: Minio, tmp_path: Path) -> None:
    """Rules of ours, too, that tell of other events or other keys."""
    target, bucket = webhook(minio), await minio.bucket("mnist")
    one = {"bucket": bucket, "target": target.arn}
    others = [{**one, "prefix": "a"}, {**one, "events": ["s3:ObjectRemoved:*"]}]
    for entry in others:
        await run(written(tmp_path, minio, entry))
    before = await rules(minio, bucket)

    (added,) = await run(written(tmp_path, minio, one))
    (removed,) = await run(written(tmp_path, minio, one), remove=True)

    assert ("added", "removed") == (added.outcome, removed.outcome)
    assert before == await rules(minio, bucket)


async def test_a_rule_that_says_the_same_is_enough(minio: Minio, tmp_path: Path) -> None:
    """Set up by hand before: nothing is doubled, and it is not ours to take away."""
    target, bucket = webhook(minio), await minio.bucket("mnist")
    await minio.notify(bucket, target, events=CREATED)
    before = await rules(minio, bucket)
    file = written(tmp_path, minio, {"bucket": bucket, "target": target.arn})

    (present,) = await run(file)
    (absent,) = await run(file, remove=True)

    assert ("present", "absent") == (present.outcome, absent.outcome)
    assert before == await rules(minio, bucket)
    assert present.known_as is not None


async def test_a_dry_run_only_says_what_would_be_done(minio: Minio, tmp_path: Path) -> None:
    """No bucket is made, no rule written; the words are those of the real run."""
    target, missing, there = webhook(minio), fresh("absent"), await minio.bucket("mnist")
    file = written(
        tmp_path,
        minio,
        {"bucket": missing, "target": target.arn, "create_bucket": True},
        {"bucket": there, "target": target.arn},
    )

    status, said, _ = await bridge(str(file), "--dry-run")
    _, as_json, _ = await bridge(str(file), "--dry-run", "--output", "json")

    assert 0 == status
    assert f"/{missing}: bucket would be made; would be added: " in said
    assert f"/{there}: would be added: " in said
    assert f"{file}: 2 of 2 would be changed\n" in said
    told = json.loads(as_json)
    assert (str(file), True) == (told["file"], told["dry_run"])
    assert ["added", "added"] == [one["outcome"] for one in told["notifications"]]
    assert [True, False] == [one["bucket_made"] for one in told["notifications"]]
    assert [] == await minio.buckets(missing)
    assert [] == await rules(minio, there)


async def test_what_a_store_refuses_is_told_and_the_rest_is_done(
    minio: Minio, tmp_path: Path
) -> None:
    """Status 1, with what to check; an entry that can be set up is."""
    target, bucket = webhook(minio), await minio.bucket("mnist")
    missing, new = fresh("absent"), fresh("new")
    unknown_target = "arn:minio:sqs::NOBODY:kafka"
    file = written(
        tmp_path,
        minio,
        {"bucket": new, "target": unknown_target, "create_bucket": True},
        {"bucket": missing, "target": target.arn},
        {"bucket": bucket, "target": target.arn},
    )

    status, said, _ = await bridge(str(file))

    unknown, absent, added, summary = said.splitlines()
    assert 1 == status
    assert f"/{new}: bucket made; failed: " in unknown
    assert "destination ARN" in unknown
    assert "started with MINIO_NOTIFY_KAFKA_ENABLE_NOBODY=on" in unknown
    assert f"/{missing}: failed: " in absent
    assert "NoSuchBucket" in absent
    assert absent.endswith("expected the bucket, or `create_bucket: true`")
    assert f"/{bucket}: added: " in added
    assert summary.endswith(": 2 of 3 changed, 2 failed")
    assert [(target.arn, sorted(CREATED), "", "")] == await rules(minio, bucket)


async def test_a_store_that_is_down_and_a_file_that_is_wrong(minio: Minio, tmp_path: Path) -> None:
    """Status 1 for what may pass, 2 for what somebody has to write; no secret in either."""
    entry = {"bucket": "mnist", "target": "arn:minio:sqs::PRIMARY:kafka"}
    down = {"store": {**minio.options, "url": "http://127.0.0.1:9"}, **entry}
    status, said, _ = await bridge(str(written(tmp_path, minio, down)))
    nothing, _, told = await bridge(str(written(tmp_path, minio)))
    wrong, _, problem = await bridge(str(written(tmp_path, minio, {**entry, "bucket": "M"})))

    assert (1, 2, 2) == (status, nothing, wrong)
    assert "127.0.0.1:9" in said
    assert "expected a section 'notifications'" in told
    assert "notifications[0].bucket: 'M' is no bucket's name" in problem
    assert minio.secret_key not in said + told + problem


async def test_a_store_that_was_just_started_is_waited_for(minio: Minio, tmp_path: Path) -> None:
    """It does not know its target at first; what is done already is not done again."""
    empty = b"<NotificationConfiguration></NotificationConfiguration>"
    unknown = (
        b"<Error><Code>InvalidArgument</Code><Message>A specified destination ARN does not exist "
        b"or is not well-formed.</Message></Error>"
    )
    written_to: dict[str, int] = {}

    async def answer(request: HttpRequest) -> HttpResponse:
        if request.method == "GET":
            return HttpResponse(200, (), empty)
        count = written_to[request.path] = written_to.get(request.path, 0) + 1
        ready = request.path != "/late" or count == 3
        return HttpResponse(200 if ready else 400, (), b"" if ready else unknown)

    server = HttpServer(answer)
    await server.start("127.0.0.1", 0)
    try:
        store = {"url": f"http://127.0.0.1:{server.port}"}
        target = "arn:minio:sqs::PRIMARY:kafka"
        buckets = ({"store": store, "bucket": name, "target": target} for name in ("late", "good"))
        file = written(tmp_path, minio, *buckets)
        status, said, _ = await bridge(str(file), "--wait", "20")
    finally:
        await server.close()

    assert (0, {"/late": 3, "/good": 1}) == (status, written_to)
    assert f"{file}: 2 of 2 changed\n" in said


async def test_rules_that_overlap_are_both_told(minio: Minio, tmp_path: Path) -> None:
    """S3 of Amazon refuses a second rule for the same event; MinIO would take it."""
    there = (
        b"<NotificationConfiguration><QueueConfiguration><Id>theirs</Id>"
        b"<Queue>arn:aws:sqs:eu-west-1:1:q</Queue><Event>s3:ObjectCreated:*</Event>"
        b"</QueueConfiguration></NotificationConfiguration>"
    )
    refused = (
        b"<Error><Code>InvalidArgument</Code><Message>Configurations overlap. Configurations on "
        b"the same bucket cannot share a common event type.</Message></Error>"
    )

    async def answer(request: HttpRequest) -> HttpResponse:
        if request.method == "GET":
            return HttpResponse(200, (), there)
        return HttpResponse(400, (), refused)

    server = HttpServer(answer)
    await server.start("127.0.0.1", 0)
    try:
        store = {"url": f"http://127.0.0.1:{server.port}"}
        entry = {"store": store, "bucket": "mnist", "target": "arn:aws:sqs:eu-west-1:1:mine"}
        (failed,) = await run(written(tmp_path, minio, entry))
    finally:
        await server.close()

    assert "failed" == failed.outcome
    assert "wanted: s3:ObjectCreated:Put, " in str(failed.error)
    assert (
        "there already: s3:ObjectCreated:* of all keys to arn:aws:sqs:eu-west-1:1:q ('theirs')"
        in str(failed.error)
    )


@pytest.mark.parametrize("body", [b"<html/>", b"", b"<ListBucketResult/>"])
async def test_what_is_no_store_is_never_written_to(
    minio: Minio, tmp_path: Path, body: bytes
) -> None:
    """A proxy that answers 200 to everything: not taken for a bucket that notifies nobody."""
    methods = []

    async def answer(request: HttpRequest) -> HttpResponse:
        methods.append(request.method)
        return HttpResponse(200, (), body)

    server = HttpServer(answer)
    await server.start("127.0.0.1", 0)
    try:
        store = {"url": f"http://127.0.0.1:{server.port}"}
        entry = {"store": store, "bucket": "mnist", "target": "arn:minio:sqs::PRIMARY:kafka"}
        (failed,) = await run(written(tmp_path, minio, entry))
    finally:
        await server.close()

    assert "failed" == failed.outcome
    assert ["GET"] == methods
