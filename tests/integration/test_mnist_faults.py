"""Faults around the digit pipeline, judged by what lies in Kafka and MinIO.

All parts are real: MinIO, Kafka, the example's model and transformer, `bridge run` as processes.
What needs no fault of a process shares one bridge, and keys that begin with the test's own name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.services.kafka import Kafka
from tests.services.kafka_bridge import POLL_SECONDS
from tests.services.line import Line, line
from tests.services.minio import Minio
from tests.services.mnist import WINDOW, MnistWorld, drawn, mnist_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1 << 20

#: Above the least that a part of a multipart upload may have.
MAX_OBJECT_BYTES = 6 * MIB

REASONS = ('reason="gone"', 'reason="superseded"')

#: Keys that a path, a URL or a form would take for something else.
KEYS = (
    "a b.png",
    "a+b.png",
    "100%.png",
    "%2e%2e%2fpasswd",
    "..hidden/..a/x..png",
    "q?x=1#f&y=2",
    "back\\slash",
    "zürich/七😀.png",
    "e\u0301.png",
    "\u00e9.png",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    kafka: Kafka, minio: Minio, digits: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[MnistWorld, Line]]:
    """One bridge, and the line between it and MinIO."""
    target = await minio.kafka_target()
    folder = tmp_path_factory.mktemp("mnist")
    async with (
        line(minio.url) as to_store,
        mnist_world(kafka, minio, digits, folder, store=to_store.url, told=target) as world,
    ):
        world.store["max_object_bytes"] = MAX_OBJECT_BYTES
        await minio.notify(world.bucket, target)
        await world.member()
        yield world, to_store
        world.check_ledgers()


async def test_whatever_is_in_a_key_is_found_copied_and_named(
    shared: tuple[MnistWorld, Line],
) -> None:
    """Spaces, `+`, `%`, dots, `?`, `#`, other scripts: each in one bucket, under its own name."""
    world, _ = shared
    images = drawn(len(KEYS)).values()

    for key, data in zip(KEYS, images, strict=True):
        await world.put(f"keys/{key}", data)
    await world.give(*await world.tellings(len(KEYS)))
    await world.done()

    outcome = await world.outcome("keys/")
    assert [] == outcome.failures
    assert len(KEYS) == len(outcome.responses)


async def test_what_is_no_image_delays_nobody(shared: tuple[MnistWorld, Line]) -> None:
    """Text, nothing at all, half an image: dead letter, and the images among them are placed."""
    world, _ = shared
    first, second = drawn(2).values()

    await world.put("bad/text.png", b"no image", expected=False)
    await world.put("bad/first.png", first)
    await world.put("bad/empty.png", b"", expected=False)
    await world.put("bad/half.png", first[: len(first) // 2], expected=False)
    await world.put("bad/second.png", second)
    await world.give(*await world.tellings(5))
    await world.done()

    outcome = await world.outcome("bad/", refused={"bad/text.png", "bad/empty.png", "bad/half.png"})
    assert [] == outcome.failures
    assert 3 == len(outcome.letters)


async def test_an_object_over_the_cap_is_refused_before_it_is_fetched(
    shared: tuple[MnistWorld, Line],
) -> None:
    """8 MiB where 6 are allowed: a dead letter for the price of what tells its size."""
    world, to_store = shared
    (image,) = drawn(1).values()

    await world.put("large/0.png", image + bytes(8 * MIB), expected=False)
    before = to_store.answered_bytes
    await world.give(*await world.tellings(1))
    await world.done()

    outcome = await world.outcome("large/", refused={"large/0.png"})
    assert [] == outcome.failures
    assert to_store.answered_bytes - before < 1.2 * MIB


async def test_an_image_that_came_in_parts_is_one_image(
    shared: tuple[MnistWorld, Line], minio: Minio
) -> None:
    """A multipart upload: told once when it is complete, its etag is no hash of its bytes."""
    world, _ = shared
    (image,) = drawn(1).values()
    parts = image.ljust(5 * MIB, b"\0"), b"the end"

    etag = await minio.put_in_parts(world.bucket, "parts/0.png", *parts)
    await world.expect("parts/0.png", b"".join(parts), etag)
    (record,) = await world.tellings(1)
    await world.give(record)
    await world.done()

    assert b"s3:ObjectCreated:CompleteMultipartUpload" in (record.value or b"")
    assert etag.endswith("-2")
    # A copy is put at once, so its etag is the hash: that it has the same bytes is asked.
    placed = await world.placed()
    (digit,) = [digit for digit, objects in placed.items() if "parts/0.png" in objects]
    copied = await minio.get(f"{world.digits}{digit}", "parts/0.png")
    assert (world.images["parts/0.png"].digit, b"".join(parts)) == (digit, copied)
    assert ["parts/0.png"] == [
        response.key for response in await world.responses() if response.key == "parts/0.png"
    ]


async def test_what_is_gone_or_superseded_is_filtered_and_counted(
    shared: tuple[MnistWorld, Line], minio: Minio
) -> None:
    """Deleted and overwritten between notification and read: what is there now is placed, once."""
    world, _ = shared
    old, new, kept = drawn(3).values()
    (member,) = world.members
    before = [member.metric("bridge_filtered_total", reason) for reason in REASONS]

    await world.put("gone/deleted.png", old, expected=False)
    await minio.delete(world.bucket, "gone/deleted.png")
    await world.put("gone/overwritten.png", old, expected=False)
    await world.put("gone/overwritten.png", new)
    await world.put("gone/kept.png", kept)
    await world.give(*await world.tellings(4))
    await world.done()

    outcome = await world.outcome("gone/")
    after = [member.metric("bridge_filtered_total", reason) for reason in REASONS]
    assert [] == outcome.failures
    assert 2 == len(outcome.responses)
    assert [1, 1] == [now - then for now, then in zip(after, before, strict=True)]


async def test_what_is_overwritten_or_deleted_before_it_is_copied_is_not_copied(
    shared: tuple[MnistWorld, Line], minio: Minio
) -> None:
    """The copy is pinned to what the model saw: nothing else lands in the bucket of its digit."""
    world, to_store = shared
    old, new, deleted = drawn(3).values()
    (member,) = world.members
    before = [member.metric("bridge_filtered_total", reason) for reason in REASONS]

    await world.put("seen/overwritten.png", old, expected=False)
    await world.put("seen/deleted.png", deleted, expected=False)
    to_store.hold(f"GET /{world.bucket}/seen/.* 206")
    await world.give(*await world.tellings(2))
    await to_store.wait_for_held(2)
    await world.put("seen/overwritten.png", new)
    await minio.delete(world.bucket, "seen/deleted.png")
    await to_store.release()
    await world.done()
    await world.give(*await world.tellings(1))
    await world.done()

    outcome = await world.outcome("seen/")
    after = [member.metric("bridge_filtered_total", reason) for reason in REASONS]
    assert [] == outcome.failures
    assert 1 == len(outcome.responses)
    assert [1, 1] == [now - then for now, then in zip(after, before, strict=True)]


async def test_doubled_notifications_place_once_and_are_published_under_one_id(
    shared: tuple[MnistWorld, Line],
) -> None:
    """MinIO tells at least once: the second changes nothing, and can be told by its id."""
    world, _ = shared

    await world.put_all(drawn(3, "twice/"))
    records = await world.tellings(3)
    await world.give(*records, *reversed(records))
    await world.done()

    outcome = await world.outcome("twice/", repeats=3)
    assert [] == outcome.failures
    assert 3 == outcome.repeats


async def test_out_of_order_the_last_content_wins(shared: tuple[MnistWorld, Line]) -> None:
    """The overwriting is told first: the older notification finds its content superseded."""
    world, _ = shared
    # Two of the same digit, so that the older one would lie in the same bucket.
    old, new = [data for key, data in drawn(60).items() if "-3." in key][:2]

    await world.put("late/0.png", old, expected=False)
    await world.put("late/0.png", new)
    first, second = await world.tellings(2)
    await world.give(second, first)
    await world.done()

    outcome = await world.outcome("late/")
    assert [] == outcome.failures
    assert 1 == len(outcome.responses)


async def test_killed_between_copy_and_commit_all_of_it_is_done_again_and_once(
    kafka: Kafka, minio: Minio, digits: str, tmp_path: Path
) -> None:
    """SIGKILL while MinIO has copied and the bridge does not know: repeats, and one bucket each."""
    target = await minio.kafka_target()
    async with (
        line(minio.url) as to_store,
        mnist_world(kafka, minio, digits, tmp_path, store=to_store.url, told=target) as world,
    ):
        await minio.notify(world.bucket, target)
        images = drawn(20)
        for key, data in images.items():  # in this order
            await world.put(key, data)
        keys = list(images)
        to_store.hold(f"PUT /{world.digits}\\d/{keys[0]} 200")
        first = await world.member()
        await world.give(*await world.tellings(20))
        # The first one hangs, so all the others that the window has room for go through.
        await to_store.wait_for_held()
        await kafka.read(world.out, at_least=WINDOW - 1)
        copied = [key for objects in (await world.placed()).values() for key in objects]
        await first.kill()
        published, committed = await world.responses(), await world.committed()
        await to_store.release()
        await world.member()
        await world.done()
        outcome = await world.outcome(repeats=WINDOW)

    assert 0 == sum(committed.values())
    assert set(keys[:WINDOW]) == set(copied)
    assert set(keys[1:WINDOW]) == {each.key for each in published}
    assert [] == outcome.failures
    assert WINDOW - 1 == outcome.repeats


async def test_a_store_that_is_down_holds_up_and_loses_nothing(
    kafka: Kafka, own_minio: Minio, digits: str, tmp_path: Path
) -> None:
    """MinIO killed under way: nothing in the dead letter, and all is placed once it is back."""
    target = await own_minio.kafka_target()
    async with (
        line(own_minio.url) as to_store,
        mnist_world(kafka, own_minio, digits, tmp_path, store=to_store.url, told=target) as world,
    ):
        await own_minio.notify(world.bucket, target)
        images = drawn(20)
        for key, data in images.items():  # in this order
            await world.put(key, data)
        await world.give(*await world.tellings(20))
        to_store.hold(f"GET /{world.bucket}/{list(images)[5]} 206")
        member = await world.member()
        await to_store.wait_for_held()
        await own_minio.kill()
        await to_store.release()
        # More attempts than there are in the window: the first ones are made again and again.
        await to_store.wait_for_refused(3 * WINDOW)
        between = len(await world.responses()), await world.letters()
        assert member.alive
        await own_minio.start()
        await world.done()
        outcome = await world.outcome()

    assert between[0] < 20
    assert [] == between[1]
    assert [] == outcome.failures
    assert 20 == len(outcome.responses)


async def test_a_slow_store_and_one_that_hangs_cost_time_and_nothing_else(
    kafka: Kafka, minio: Minio, digits: str, tmp_path: Path
) -> None:
    """Late answers are waited for; answers beyond the time-out are asked for again."""
    target = await minio.kafka_target()
    async with (
        line(minio.url) as to_store,
        mnist_world(kafka, minio, digits, tmp_path, store=to_store.url, told=target) as world,
    ):
        world.store["timeout_seconds"] = 1
        await minio.notify(world.bucket, target)
        images = drawn(2 * WINDOW)
        await world.put_all(images)
        hanging = f"GET /{world.bucket}/{list(images)[3]}"
        to_store.hold(f"{hanging} 206")
        to_store.delay_seconds = 0.1
        await world.member()
        await world.give(*await world.tellings(2 * WINDOW))
        await to_store.wait_for(hanging, 3)
        between = await world.letters()
        await to_store.release()
        await world.done()
        outcome = await world.outcome()

    assert [] == between
    assert [] == outcome.failures


async def test_a_store_that_does_not_let_us_in_is_waited_for(
    kafka: Kafka, minio: Minio, digits: str, tmp_path: Path
) -> None:
    """403 to a wrong secret: held; once the file is mended all is placed, without a restart."""
    target = await minio.kafka_target()
    async with (
        line(minio.url) as to_store,
        mnist_world(kafka, minio, digits, tmp_path, store=to_store.url, told=target) as world,
    ):
        secret = tmp_path / "secret"
        secret.write_text(minio.secret_key)
        del world.store["secret_key"]
        world.store["secret_key_file"] = str(secret)
        await minio.notify(world.bucket, target)
        member = await world.member()
        secret.write_text("not the secret")
        images = iter(drawn(200).items())
        while 403 not in to_store.statuses:  # the file is looked at once a second
            await world.put(*next(images))
            await world.give(*await world.tellings(1))
            await asyncio.sleep(POLL_SECONDS)
        await to_store.wait_for_statuses(403, 3)
        between = len(await world.responses()), await world.letters()
        assert member.alive
        secret.write_text(minio.secret_key)
        await world.done()
        outcome = await world.outcome()

    assert between[0] < len(outcome.expected)
    assert [] == between[1]
    assert [] == outcome.failures
