"""Images that source `minio` hears of by webhook or finds by listing, judged in Kafka and MinIO.

All parts are real, as in `test_mnist_faults.py`; MinIO's webhook target has no queue, so what it
tells while nobody listens is lost, and only the listing finds it.
"""

from __future__ import annotations

import asyncio
import urllib.request
from pathlib import Path
from typing import Any

from tests.services.kafka import Kafka
from tests.services.line import line
from tests.services.minio import Minio, WebhookTarget
from tests.services.mnist import PUBLISHED, PUBLISHED_ETAG, WINDOW, MnistWorld, drawn, mnist_world

#: So often a bucket is listed where that is to be the way things are found.
OFTEN = 0.2

#: And where nothing but the first look is to find anything.
ONCE = 3600.0

#: Objects, and those of one page of the listing: the last page is a full one.
COUNT, PAGE = 200, 50


async def test_what_nobody_was_told_of_is_found_page_by_page(
    kafka: Kafka, minio: Minio, digits: str, tmp_path: Path
) -> None:
    """Put while nobody listened, and killed on the way: placed once, repeats within the window."""
    target = minio.webhook_target()
    async with (
        line(minio.url) as to_store,
        mnist_world(kafka, minio, digits, tmp_path, store=to_store.url) as world,
    ):
        await minio.notify(world.bucket, target)
        images = drawn(COUNT)
        await world.put_all(images)
        source = _source(world, target, OFTEN)
        # In the second page one hangs when MinIO has copied it: so much is under way then.
        to_store.hold(f"PUT /{world.digits}\\d/{sorted(images)[70]} 200")
        first = await world.member({"source": source})
        await to_store.wait_for_held()
        await first.kill()
        published = len(await world.responses())
        await to_store.release()
        second = await world.member({"source": source})
        await world.published()
        # Passed once more, from the first page to the last.
        listed = to_store.count(_listing(world))
        await to_store.wait_for(_listing(world), listed + 2 * (COUNT // PAGE + 1))
        await second.end()
        outcome = await world.outcome(repeats=WINDOW)

    assert 70 - WINDOW < published < 70 + WINDOW
    assert [] == outcome.failures
    assert COUNT == len({response.id for response in outcome.responses})


async def test_what_is_told_and_found_is_one_event(
    kafka: Kafka, minio: Minio, digits: str, tmp_path: Path
) -> None:
    """Heard by the webhook, then listed by the next process: published once, under one id."""
    target = minio.webhook_target()
    async with (
        line(minio.url) as to_store,
        mnist_world(kafka, minio, digits, tmp_path, store=to_store.url) as world,
    ):
        await minio.notify(world.bucket, target)
        source = _source(world, target, ONCE)
        first = await world.member({"source": source})
        await to_store.wait_for(_listing(world))
        (unheard,) = drawn(1).values()
        await world.put_all(drawn(10, "zürich +%/"))
        await world.published()
        status = await first.end()
        await world.put("unheard.png", unheard)
        listed = to_store.count(_listing(world))
        second = await world.member({"source": source})
        await world.published()
        await second.end()
        outcome = await world.outcome()

    assert (0, 1) == (status, listed)
    assert [] == outcome.failures
    assert 11 == len(outcome.responses)


async def test_the_published_notification_is_taken_by_webhook(
    kafka: Kafka, own_minio: Minio, digits: str, tmp_path: Path
) -> None:
    """The sample of 2019 posted word for word: its object is read, placed and published."""
    target = own_minio.webhook_target()
    (image,) = drawn(1).values()
    if not await asyncio.to_thread(own_minio.client.bucket_exists, bucket_name="mnist"):
        await asyncio.to_thread(own_minio.client.make_bucket, bucket_name="mnist")
    async with mnist_world(kafka, own_minio, digits, tmp_path, bucket="mnist") as world:
        await own_minio.replicate("mnist", "0.png", image, PUBLISHED_ETAG)
        await world.expect("0.png", image, PUBLISHED_ETAG)
        source = _source(world, target, ONCE)
        del source["listing"]
        await world.member({"source": source})

        status = await asyncio.to_thread(_posted, target, PUBLISHED)
        outcome = await world.outcome()

    (response,) = outcome.responses
    assert 200 == status
    assert [] == outcome.letters
    assert ("0.png", outcome.expected["0.png"].digit) == (response.key, response.digit)
    assert [response.digit] == [digit for digit, objects in outcome.placed.items() if objects]


def _source(world: MnistWorld, target: WebhookTarget, interval_seconds: float) -> dict[str, Any]:
    """Return a source `minio` that listens where *target* posts to, and lists."""
    return {
        "type": "minio",
        "buckets": [world.bucket],
        "max_in_flight": WINDOW,
        "hold_initial_seconds": 0.05,
        "webhook": {"host": "127.0.0.1", "port": target.port, "auth": {"tokens": [target.token]}},
        "listing": {
            "store": world.store,
            "cursor": {"bucket": f"{world.bucket}-cursor", "key": "mnist"},
            "interval_seconds": interval_seconds,
            "page_size": PAGE,
        },
    }


def _listing(world: MnistWorld) -> str:
    """Return what requests for a page of the bucket match."""
    return f"GET /{world.bucket}\\?.*list-type"


def _posted(target: WebhookTarget, body: bytes) -> int:
    """Return the status that a POST of *body* is answered with."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{target.port}{target.path}",
        data=body,
        headers={"authorization": f"Bearer {target.token}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30.0) as response:
        return int(response.status)
