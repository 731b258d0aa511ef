"""The MinIO source on real sockets, with a real MinIO, and as a process that is killed.

Its webhook is posted to by hand and by MinIO; MinIO and moto's S3 are listed.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from bridge.core.clock import SystemClock
from bridge.core.errors import Unavailable
from bridge.core.event import Event, Invalid
from bridge.core.ports import Handler
from bridge.observe.ledger import Deliveries, Events
from bridge.sources.minio import MinioSource
from bridge.sources.minio_options import MinioSourceOptions
from tests.fakes_http import SECONDS
from tests.fakes_notifications import BEGINNING_NS, notification, record, told
from tests.fakes_seldon import Exchange, ask
from tests.services.minio import Minio, ObjectServer
from tests.services.process import Process, answers, free_port
from tests.services.receiver import Receiver, receiving

_ROOT = Path(__file__).parents[2]
MS = 1_000_000

KEYS = ["0.png", "a+b.png", "50%.png", "a b.png", "dir/ü.png", "日本.png", "..%2F.png"]


class Handled:
    """A handler that keeps events, each settled when its gate is open."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.began: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.failures: list[Exception] = []
        self._changed = asyncio.Condition()

    async def __call__(self, event: Event) -> None:
        await self._note(lambda: self.began.append(event.subject or ""))
        if self.failures:
            raise self.failures[0]
        gate = self.gates.get(event.subject or "")
        if gate is not None:
            await gate.wait()
        assert event.origin.delivery is not None
        await event.origin.delivery.turn()
        await self._note(lambda: self.events.append(event))

    async def _note(self, what: Callable[[], None]) -> None:
        async with self._changed:
            what()
            self._changed.notify_all()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(holds)

    @property
    def keys(self) -> list[str]:
        return [event.subject or "" for event in self.events]


class Running:
    """A source that runs, and what it books."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.deliveries = Deliveries()
        self.events = Events()
        self.stop = asyncio.Event()
        self.is_ready = True
        self.source = MinioSource(
            MinioSourceOptions.model_validate({"hold_initial_seconds": 0.01, **options}),
            name="mnist",
            deliveries=self.deliveries,
            events=self.events,
            clock=SystemClock(),
            chance=Random(7),
            ready=lambda: self.is_ready,
        )

    @property
    def port(self) -> int:
        return self.source.port

    async def post(self, body: bytes, *headers: str, path: str = "/") -> Exchange:
        async with asyncio.timeout(SECONDS):
            return await ask(self.port, f"POST {path}", body, headers)


@asynccontextmanager
async def running(handled: Handler, **options: Any) -> AsyncIterator[Running]:
    """Yield a source that runs; stop it softly at the end."""
    served = Running(options)
    async with served.source:
        task = asyncio.create_task(served.source.run(handled, served.stop))
        await asyncio.sleep(0)
        try:
            yield served
        finally:
            served.stop.set()
            async with asyncio.timeout(SECONDS):
                await task
    assert served.deliveries.balanced()
    assert served.events.balanced()
    assert 0 == served.deliveries.open


@asynccontextmanager
async def webhook(handled: Handler, **options: Any) -> AsyncIterator[Running]:
    """Yield a source with a webhook on a free port, which *options* of the section change."""
    source = options.pop("source", {})
    listens = {"host": "127.0.0.1", "port": 0, **options}
    async with running(handled, **{"buckets": ["mnist"], "webhook": listens, **source}) as served:
        yield served


def listing(store: ObjectServer, **options: Any) -> dict[str, Any]:
    return {
        "store": store.options,
        "cursor": {"bucket": "cursors", "key": f"{id(options)}-{Random().random()}"},
        "interval_seconds": 0.05,
        "commit_interval_seconds": 0.01,
        **options,
    }


# The webhook


async def test_every_record_is_an_event_and_200_means_all_are_settled() -> None:
    """Two records: the answer waits for the slower one."""
    handled = Handled()
    handled.gates["b"] = asyncio.Event()
    async with webhook(handled) as source:
        posting = asyncio.create_task(source.post(notification(record("a"), record("b"))))
        await handled.until(lambda: handled.keys == ["a"])
        before = posting.done()
        handled.gates["b"].set()
        answer = await posting

    assert (False, 200, b"") == (before, answer.status, answer.body)
    assert ["a", "b"] == handled.keys


async def test_the_files_region_is_in_the_source() -> None:
    """As in that of a listed object, which no store tells the region of."""
    handled = Handled()
    async with webhook(handled, source={"region": "eu-central-1"}) as source:
        await source.post(told("a"))

    assert ["minio:s3.eu-central-1.mnist"] == [event.source for event in handled.events]


async def test_a_doubled_notification_is_one_event() -> None:
    """While the first is under way it joins it; afterwards there is nothing left to do."""
    handled = Handled()
    handled.gates["a"] = asyncio.Event()
    async with webhook(handled) as source:
        both = [asyncio.create_task(source.post(told("a"))) for _ in range(2)]
        await handled.until(lambda: handled.began == ["a"])
        handled.gates["a"].set()
        statuses = [(await one).status for one in both]
        late = await source.post(told("a"))

    assert ([200, 200], 200) == (statuses, late.status)
    assert ["a"] == handled.keys
    assert {"duplicate": 1} == source.events.filtered_for
    assert 3 == source.deliveries.settled_total


async def test_an_older_state_never_follows_a_newer_one() -> None:
    """Out of order it is filtered as superseded, while the newer runs and afterwards."""
    handled = Handled()
    handled.gates["a"] = asyncio.Event()
    newer, older = told("a", ns=BEGINNING_NS + MS, etag="new"), told("a", etag="old")
    async with webhook(handled) as source:
        first = asyncio.create_task(source.post(newer))
        await handled.until(lambda: handled.began == ["a"])
        during = await source.post(older)
        handled.gates["a"].set()
        await first
        after = await source.post(older)

    assert (200, 200) == (during.status, after.status)
    assert [newer] == [event.data for event in handled.events]
    assert {"superseded": 2} == source.events.filtered_for


async def test_states_of_one_object_leave_in_their_order() -> None:
    """The newer one is worked on at once, and waits for the older before it leaves."""
    order: list[bytes | None] = []
    release = asyncio.Event()

    async def handle(event: Event) -> None:
        delivery = event.origin.delivery
        assert delivery is not None
        if b'"old"' in (event.data or b""):
            await release.wait()
        else:
            release.set()
        await delivery.turn()
        order.append(event.data)

    old, new = told("a", etag="old"), told("a", etag="new", ns=BEGINNING_NS + MS)
    async with webhook(handle) as source:
        posts = [asyncio.create_task(source.post(old))]
        while not source.deliveries.open:
            await asyncio.sleep(0)
        posts.append(asyncio.create_task(source.post(new)))
        await asyncio.gather(*posts)

    assert [old, new] == order


@pytest.mark.parametrize("body", [b"", b" \n", b'{"Event":"s3:TestEvent"}', b'{"Records":null}'])
async def test_a_sign_of_life_is_answered_and_is_no_event(body: bytes) -> None:
    """Test events of S3's kind, and empty bodies."""
    async with webhook(Handled()) as source:
        answer = await source.post(body)

    assert (200, 0) == (answer.status, source.events.accepted_total)


@pytest.mark.parametrize("body", [b"no", b"{}", b'{"specversion":"1.0"}', b"\x00\xff"])
async def test_what_is_no_notification_is_answered_400(body: bytes) -> None:
    """Says what was expected; MinIO never sends it."""
    async with webhook(Handled()) as source:
        answer = await source.post(body)

    assert 400 == answer.status
    assert b"notification" in answer.body
    assert {"decode": 1} == source.deliveries.refusals


async def test_a_record_that_can_be_no_event_goes_to_the_dead_letter() -> None:
    """And is settled by that: answered otherwise it would block MinIO's queue for ever."""
    handled = Handled()
    async with webhook(handled) as source:
        answer = await source.post(told("tab\tnew\nline"))

    assert 200 == answer.status
    (event,) = handled.events
    assert isinstance(event, Invalid)
    assert "U+0009" in str(event.error)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"bucket": "other"}, "bucket"),
        ({"key": "out/a.png"}, "key"),
        ({"key": "in/a.txt"}, "key"),
        ({"name": "ObjectCreated:PutTagging"}, "event_name"),
        ({"name": "ObjectRemoved:Delete"}, "event_name"),
    ],
)
async def test_what_was_not_asked_for_is_settled_and_counted(
    facts: dict[str, str], reason: str
) -> None:
    """Refused, MinIO would send it for ever; the metric says why there is no event."""
    handled = Handled()
    async with webhook(handled, source={"prefix": "in/", "suffix": ".png"}) as source:
        answer = await source.post(told(**{"key": "in/a.png", **facts}))

    assert (200, []) == (answer.status, handled.events)
    assert {reason: 1} == source.events.filtered_for


async def test_a_notification_in_gzip_is_unpacked() -> None:
    """As every body: a proxy on the way may have packed it."""
    handled = Handled()
    async with webhook(handled) as source:
        answer = await source.post(gzip.compress(told("a")), "Content-Encoding: gzip")

    assert (200, ["a"]) == (answer.status, handled.keys)


async def test_a_probe_hears_that_the_bridge_is_not_ready() -> None:
    """On `/readyz` alone: MinIO's own question is whether anybody is there."""
    async with webhook(Handled()) as source:
        source.is_ready = False
        answers = [(await ask(source.port, f"GET {path}")).status for path in ("/readyz", "/")]

    assert [503, 200] == answers


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_whoever_asks_whether_somebody_is_there_is_answered(method: str) -> None:
    """Older MinIO asks with HEAD when it starts, on the very path, with or without a token."""
    async with webhook(Handled(), path="/hook", auth={"tokens": ["t" * 16]}) as source:
        answer = await ask(source.port, f"{method} /hook")

    assert 200 == answer.status
    assert 0 == source.deliveries.taken_total


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((), 401),
        (("Authorization: Bearer another-token-here",), 401),
        (("Authorization: Bearer the-very-good-token",), 200),
        (("Authorization: bearer the-very-good-token",), 200),
    ],
)
async def test_only_who_has_the_token_may_post(headers: tuple[str, ...], status: int) -> None:
    """MinIO sends it as a bearer token; nobody else's notification is looked at."""
    handled = Handled()
    async with webhook(handled, auth={"tokens": ["the-very-good-token"]}) as source:
        answer = await source.post(told("a"), *headers)

    assert status == answer.status
    assert (["a"] if status == 200 else []) == handled.keys
    assert all("token" not in str(event.origin.headers) for event in handled.events)


@pytest.mark.parametrize(("line", "status"), [("POST /other", 404), ("PUT /", 405)])
async def test_other_paths_and_methods_are_told(line: str, status: int) -> None:
    """And are no delivery."""
    async with webhook(Handled()) as source:
        answer = await ask(source.port, line, told("a"))

    assert (status, 0) == (answer.status, source.deliveries.taken_total)


async def test_what_waits_too_long_is_given_back_and_processed_when_it_comes_again() -> None:
    """503 with the cause, so that MinIO keeps it; nothing of it runs on behind its back."""
    handled = Handled()
    handled.failures = [Unavailable("model: no connection")]
    async with webhook(handled, answer_seconds=0.05) as source:
        refused = await source.post(told("a"))
        tries = len(handled.began)
        handled.failures = []
        again = await source.post(told("a"))

    assert (503, 200) == (refused.status, again.status)
    assert "model: no connection" in refused.body.decode()
    assert "1" == refused.headers["retry-after"]
    assert (["a"], tries + 1) == (handled.keys, len(handled.began))


async def test_what_was_answered_503_goes_on_no_more() -> None:
    """It would be done behind MinIO's back, which sends it again."""
    handled = Handled()
    handled.gates["a"] = asyncio.Event()
    async with webhook(handled, answer_seconds=0.05) as source:
        refused = await source.post(told("a"))
        handled.gates["a"].set()
        for _ in range(10):  # turns of the loop, in which it could go on
            await asyncio.sleep(0)
        by_then = handled.keys
        again = await source.post(told("a"))

    assert (503, 200) == (refused.status, again.status)
    assert ([], ["a"]) == (by_then, handled.keys)


async def test_a_stop_answers_what_is_held_with_503() -> None:
    """Softly: what runs is settled, what only waits is MinIO's again, at once."""
    handled = Handled()
    handled.gates["b"] = asyncio.Event()
    pauses = {"hold_initial_seconds": 60, "hold_max_seconds": 60}
    async with webhook(handled, source=pauses) as source:
        running_one = asyncio.create_task(source.post(told("b")))
        await handled.until(lambda: handled.began == ["b"])
        handled.failures = [Unavailable("model: no connection")]
        held = asyncio.create_task(source.post(told("a")))
        await handled.until(lambda: "a" in handled.began)
        source.stop.set()
        given_back = await held
        handled.gates["b"].set()
        settled = await running_one

    assert (503, 200) == (given_back.status, settled.status)
    assert ["b"] == handled.keys


# With the stores


@pytest.fixture(params=["minio", "moto"])
def store(request: pytest.FixtureRequest) -> ObjectServer:
    """Each store that can be listed."""
    found: ObjectServer = request.getfixturevalue(request.param)
    return found


async def test_objects_are_found_by_listing(store: ObjectServer) -> None:
    """Whatever their keys are, over several pages, once; and those that come later."""
    bucket, handled = await store.bucket("listed"), Handled()
    for key in KEYS:
        await store.put(bucket, key, b"x")

    async with running(handled, buckets=[bucket], listing=listing(store, page_size=3)) as source:
        await handled.until(lambda: len(handled.events) == len(KEYS))
        await store.put(bucket, "later.png", b"y")
        await handled.until(lambda: "later.png" in handled.keys)

    assert sorted([*KEYS, "later.png"]) == sorted(handled.keys)
    assert len(KEYS) + 1 == source.deliveries.settled_total
    assert all(json.loads(event.data or b"")["FoundBy"] == "listing" for event in handled.events)


async def test_a_restart_goes_on_where_the_cursor_is(store: ObjectServer) -> None:
    """In a bucket that is made when it is missing; nothing is taken twice."""
    bucket, handled = await store.bucket("listed"), Handled()
    await store.put(bucket, "a", b"x")
    found = listing(store)
    found["cursor"] = {"bucket": f"{bucket}-cursors", "key": "mnist/cursor.json"}

    async with running(handled, buckets=[bucket], listing=found):
        await handled.until(lambda: handled.keys == ["a"])
    await store.put(bucket, "b", b"x")
    async with running(handled, buckets=[bucket], listing=found):
        await handled.until(lambda: len(handled.keys) == 2)

    assert ["a", "b"] == handled.keys
    cursor = json.loads(await store.get(f"{bucket}-cursors", "mnist/cursor.json"))
    assert (None, []) == (cursor["owner"], cursor["buckets"][bucket]["open"])


async def test_a_cursor_longer_than_any_object_that_is_read_is_read_after_a_restart(
    store: ObjectServer,
) -> None:
    """`max_object_bytes` is about images; the cursor remembers thousands of them, and is longer."""
    bucket, handled = await store.bucket("listed"), Handled()
    for number in range(20):
        await store.put(bucket, f"{number}", b"x")
    found = listing(store)
    found["store"] = {**store.options, "max_object_bytes": 1000}

    async with running(handled, buckets=[bucket], listing=found):
        await handled.until(lambda: len(handled.keys) == 20)
    assert 1000 < len(await store.get("cursors", found["cursor"]["key"]))
    await store.put(bucket, "later", b"x")
    async with running(handled, buckets=[bucket], listing=found):
        await handled.until(lambda: len(handled.keys) == 21)

    assert "later" == handled.keys[-1]


async def test_check_tells_of_a_bucket_that_cannot_be_listed(store: ObjectServer) -> None:
    """`--connect` and `/readyz?verbose` name it; until it is there no event comes of it."""
    bucket = await store.bucket("listed")

    async with Running({"buckets": [bucket], "listing": listing(store)}).source as good:
        await good.ping()
    async with Running({"buckets": [bucket, "absent"], "listing": listing(store)}).source as bad:
        with pytest.raises(Unavailable, match=r"'absent'.* NoSuchBucket"):
            await bad.ping()


async def test_minio_told_and_listed_are_one_event(minio: Minio) -> None:
    """Puts, copies, multipart uploads, odd keys: same ids, sources, types, and each just once."""
    target, bucket = minio.webhook_target(), await minio.bucket("told")
    await minio.notify(bucket, target)
    hook = {
        "host": "127.0.0.1",
        "port": target.port,
        "path": target.path,
        "auth": {"tokens": [target.token]},
    }
    by_webhook, by_listing = Handled(), Handled()
    async with running(by_webhook, buckets=[bucket], webhook=hook) as source:
        for key in KEYS:
            await minio.put(bucket, key, b"x")
        await minio.put_in_parts(bucket, "parts.png", b"x" * (5 << 20), b"y")
        await by_webhook.until(lambda: len(by_webhook.events) == len(KEYS) + 1)
    async with running(by_listing, buckets=[bucket], listing=listing(minio)):
        await by_listing.until(lambda: len(by_listing.events) == len(KEYS) + 1)

    def identities(handled: Handled) -> set[tuple[str, str, str, str]]:
        return {
            (event.id, event.source, event.type, event.subject or "") for event in handled.events
        }

    assert identities(by_webhook) == identities(by_listing)
    assert sorted([*KEYS, "parts.png"]) == sorted(by_webhook.keys)
    assert {} == source.events.filtered_for


async def test_what_was_answered_503_minio_sends_again(minio: Minio) -> None:
    """From its queue, and nothing is lost by the outage: the event is settled once."""
    target, bucket = minio.webhook_target(kept=True), await minio.bucket("kept")
    await minio.notify(bucket, target)
    hook = {"host": "127.0.0.1", "port": target.port, "auth": {"tokens": [target.token]}}
    handled = Handled()
    handled.failures = [Unavailable("model: no connection")]
    async with running(
        handled, buckets=[bucket], webhook={**hook, "answer_seconds": 0.05}
    ) as source:
        await minio.put(bucket, "a.png", b"x")
        async with asyncio.timeout(30):
            while not source.deliveries.refused_total:
                await asyncio.sleep(0.01)
        handled.failures = []
        await handled.until(lambda: handled.keys == ["a.png"])

    assert {"unavailable"} == set(source.deliveries.refusals)
    assert 1 == source.deliveries.settled_total


async def test_what_minio_could_not_tell_is_found_and_what_it_told_is_not_found_again(
    minio: Minio,
) -> None:
    """A notification is lost while nobody listens; webhook and listing in one source."""
    target, bucket = minio.webhook_target(), await minio.bucket("lost")
    await minio.notify(bucket, target)
    hook = {
        "host": "127.0.0.1",
        "port": target.port,
        "path": target.path,
        "auth": {"tokens": [target.token]},
    }
    await minio.put(bucket, "lost.png", b"x")
    handled = Handled()
    async with running(handled, buckets=[bucket], webhook=hook, listing=listing(minio)):
        await handled.until(lambda: "lost.png" in handled.keys)
        for number in range(20):
            await minio.put(bucket, f"{number}.png", b"x")
        await handled.until(lambda: len(handled.events) == 21)

    assert {1} == set(Counter(event.id for event in handled.events).values())
    assert 21 == len(set(handled.keys))


# The process


@contextmanager
def bridge(folder: Path, number: int, source: dict[str, Any], sink_url: str) -> Iterator[Process]:
    """Yield `bridge run` from objects to *sink_url*, ready."""
    admin_port = free_port()
    file = folder / f"bridge-{number}.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "admin": {"host": "127.0.0.1", "port": admin_port},
                "lifecycle": {"shutdown_delay_seconds": 0},
                "pipelines": {
                    "mnist": {
                        "source": {"type": "minio", "on_dead_letter": "hold", **source},
                        "response": {"type": "org.mnist.found", "source": "bridge.mnist"},
                        "sinks": [{"type": "http", "url": sink_url}],
                    }
                },
            }
        )
    )
    with Process(
        [sys.executable, "-m", "bridge", "run", str(file)],
        output=folder / f"bridge-{number}.log",
        folder=_ROOT,
        environment={"PORT": "", "K_SINK": ""},
    ) as process:
        url = f"http://127.0.0.1:{admin_port}/readyz"
        process.wait_until(lambda: answers(url), seconds=30)
        yield process


async def test_a_killed_process_loses_nothing_and_repeats_no_more_than_its_window(
    moto: ObjectServer, tmp_path: Path
) -> None:
    """SIGKILL twice while 60 objects go through: each is answered, duplicates by the same ids."""
    bucket = await moto.bucket("killed")
    keys = [f"{number:03d} ü+%.png" for number in range(60)]
    for key in keys[:40]:
        await moto.put(bucket, key, key.encode())
    window = 8
    source = {
        "buckets": [bucket],
        "max_in_flight": window,
        "listing": {**listing(moto, page_size=7), "cursor": {"bucket": "cursors", "key": bucket}},
    }

    async with receiving() as receiver:
        for number, so_many in enumerate((10, 25)):
            with bridge(tmp_path, number, source, receiver.url) as process:
                await receiver.wait_for(so_many, seconds=30)
                await asyncio.to_thread(process.interrupt, signal.SIGKILL)
        for key in keys[40:]:
            await moto.put(bucket, key, key.encode())
        with bridge(tmp_path, 2, source, receiver.url) as process:
            async with asyncio.timeout(30):
                while len(_ids(receiver)) < 60:
                    await receiver.wait_for(len(receiver.received) + 1, seconds=30)
            status = await asyncio.to_thread(process.interrupt, signal.SIGTERM)

    subjects = {json.loads(one.body)["Key"] for one in receiver.received}
    assert {f"{bucket}/{key}" for key in keys} == subjects
    assert (60, 0) == (len(_ids(receiver)), status)
    assert len(receiver.received) - 60 <= 2 * window


def _ids(receiver: Receiver) -> set[str]:
    return {one.headers["ce-id"] for one in receiver.received}
