"""Faults under a broker: by the ids, every event that was taken is answered, or is a dead letter.

sender ══▶ local broker ══▶ bridge run ══▶ model          all of them processes or servers of
               ║    ▲          │                          their own, on real sockets
               ║    └──────────┘ replies
               ╠══▶ responses                             the manifests are those of deploy/knative
               ╚══▶ dead letters
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import signal
import sys
import urllib.request
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from tests.fakes_delivery import Sender, held_model, sending
from tests.services.bridge import Bridge, iris, pipelines_running
from tests.services.local_broker import TRIGGER, LocalBroker, broker_running
from tests.services.process import POLL_SECONDS, Process, answers, free_port
from tests.services.receiver import Receiver, receiving

#: Ample for everything but the outage; processes are slow where many run.
SECONDS = 60.0

#: How long the model is down.
OUTAGE_SECONDS = 20.0

#: What nobody took, as a sender sees it.
REFUSED = (aiohttp.ClientConnectionError, ConnectionError)

#: A model that answers with what it was asked: a response names its request. What is below
#: zero it refuses.
ECHO = """
class Echo:
    def predict(self, X, names):
        if X[0][0] < 0:
            raise ValueError(f"row {X[0][0]} is poison")
        return X
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What stands around a bridge: the broker, and who gets responses and dead letters."""

    broker: LocalBroker
    responses: Receiver
    letters: Receiver

    def answered(self) -> dict[int, set[str]]:
        """Return the ids of the responses to each request that was answered."""
        found: dict[int, set[str]] = defaultdict(set)
        for response in list(self.responses.received):
            found[number_in(response.body)].add(response.headers["ce-id"])
        return dict(found)

    async def all_answered(self, numbers: Iterable[int]) -> None:
        """Return when there is a response to each of *numbers*; none may be a dead letter."""
        wanted = set(numbers)

        def there() -> bool:
            letters = {number_in(letter.body) for letter in list(self.letters.received)}
            assert not wanted & letters, f"dead letters: {sorted(wanted & letters)}"
            return wanted <= self.answered().keys()

        try:
            await until(there)
        except TimeoutError:
            missing = sorted(wanted - self.answered().keys())
            raise AssertionError(
                f"never answered: {missing}\n{self.broker.process.tail()}"
            ) from None

    def check_nothing_lost(self, sent: Iterable[int]) -> None:
        """Check that each of *sent* was answered, always by the same id, and is no dead letter."""
        found = self.answered()
        assert set(sent) == found.keys()
        assert dict.fromkeys(sent, 1) == {n: len(ids) for n, ids in found.items()}
        assert len(found) == len(set.union(*found.values()))
        assert [] == self.letters.received
        check_ends(self.broker, delivered=len(found), dead_lettered=0)


@asynccontextmanager
async def world(folder: Path, *, subscriber: str) -> AsyncIterator[World]:
    """Yield a broker that delivers to *subscriber*, by the manifests."""
    async with receiving() as responses, receiving() as letters:
        with broker_running(
            folder, subscriber=subscriber, responses=responses.url, dead_letters=letters.url
        ) as broker:
            yield World(broker=broker, responses=responses, letters=letters)


@contextmanager
def echo_running(folder: Path, port: int) -> Iterator[str]:
    """Yield the URL of `bridge component` with the model that echoes."""
    file = folder / "Echo.py"
    file.write_text(ECHO)
    command = [sys.executable, "-m", "bridge", "component", f"{file}:Echo"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with Process(command, output=folder / "model.log", folder=folder) as process:
        process.wait_until(lambda: answers(f"{url}/ready"), seconds=SECONDS)
        yield url


async def test_no_event_is_lost_while_the_model_is_down(tmp_path: Path) -> None:
    """Twenty seconds without a model cost no event: its broker holds each until it is back.

    The metrics tell of the outage, and of its end.
    """
    port, model_port = free_port(), free_port()
    before, meanwhile, late = range(20), range(20, 60), range(60, 80)
    pipelines = {"iris": iris(f"http://127.0.0.1:{model_port}")}
    with pipelines_running(pipelines, tmp_path, port=port) as bridge:
        async with world(tmp_path, subscriber=bridge.url) as around:
            async with sending(around.broker.url) as sender:
                with echo_running(tmp_path, model_port):
                    await send(sender, before)
                    await around.all_answered(before)
                    up = await pinged(sender, bridge)
                begin = asyncio.get_running_loop().time()
                await send(sender, meanwhile)
                await until(lambda: metric(bridge, *UNAVAILABLE) >= len(meanwhile))
                down = await pinged(sender, bridge)
                # The outage lasts as long as it lasts: this is what is tested.
                await asyncio.sleep(OUTAGE_SECONDS - 1 - elapsed(begin))
                await send(sender, late)
                await asyncio.sleep(OUTAGE_SECONDS - elapsed(begin))
                during = around.answered().keys()
                with echo_running(tmp_path, model_port):
                    await around.all_answered((*before, *meanwhile, *late))
                    again = await pinged(sender, bridge)
                    await broker_idle(around.broker)
                    around.check_nothing_lost((*before, *meanwhile, *late))

    assert (1.0, 0.0, 1.0) == (up, down, again)
    assert set(before) == during


async def test_poison_goes_to_the_dead_letter_and_the_others_are_answered(tmp_path: Path) -> None:
    """Each bad event is refused once and for good, says why, and delays none of the good ones."""
    model_port = free_port()
    good = [number for number in range(60) if number % 10]
    bad = [-number for number in range(1, 7)]
    mixed = [number for pair in zip(good, [*bad, *good], strict=False) for number in pair]
    sent = list(dict.fromkeys((*mixed, *good)))
    with echo_running(tmp_path, model_port) as url:
        with pipelines_running({"iris": iris(url)}, tmp_path) as bridge:
            async with world(tmp_path, subscriber=bridge.url) as around:
                async with sending(around.broker.url) as sender:
                    await send(sender, sent)
                    await around.all_answered(good)
                    await around.letters.wait_for(len(bad), seconds=SECONDS)
                    await broker_idle(around.broker)
                refused = metric(bridge, "bridge_refusals_total", 'reason="rejected"', "failed")
                check_ends(around.broker, delivered=len(good), dead_lettered=len(bad))
                retried = metric(around.broker, "bridge_broker_retried_total", TRIGGER)

    letters = {number_in(letter.body): letter.headers for letter in around.letters.received}
    assert set(good) == around.answered().keys()
    assert set(bad) == letters.keys()
    assert (len(bad), 0) == (refused, retried)
    for number, headers in letters.items():
        assert "422" == headers["ce-knativeerrorcode"]
        assert "rejected" == headers["ce-bridgereason"]
        assert f"row {number}" in base64.b64decode(headers["ce-knativeerrordata"]).decode()


async def test_what_is_beyond_the_limit_comes_again_until_all_is_answered(tmp_path: Path) -> None:
    """A full bridge answers 429 with Retry-After, holds no more than its limit, and loses none."""
    sent = range(12)
    async with held_model() as model:
        pipelines = {"iris": iris(model.url, source={"max_in_flight": 4})}
        with pipelines_running(pipelines, tmp_path) as bridge:
            async with world(tmp_path, subscriber=bridge.url) as around:
                async with sending(around.broker.url) as sender:
                    await send(sender, sent)
                    await until(lambda: metric(bridge, *OVERLOADED) >= 8)
                    await until(lambda: len(model.requests) >= 4)  # on their way until then
                    full = metric(bridge, "bridge_in_flight", "iris")
                    limit = metric(bridge, "bridge_in_flight_limit", "iris")
                    held = len(model.requests)
                    async with sending(bridge.url) as direct:
                        told = await direct.post(id="one more")
                    model.go.set()
                    await around.all_answered(sent)
                    await broker_idle(around.broker)
                around.check_nothing_lost(sent)

    assert (4, 4, 4) == (held, full, limit)
    assert (429, "1") == (told.status, told.headers["retry-after"])


async def test_a_kill_and_a_restart_lose_nothing(tmp_path: Path) -> None:
    """What the killed process had taken it had not acknowledged: the broker delivers it again."""
    port, sent = free_port(), range(300)
    async with held_model() as model:
        pipelines = {"iris": iris(model.url)}
        async with world(tmp_path, subscriber=f"http://127.0.0.1:{port}/") as around:
            async with sending(around.broker.url, connections=20) as sender:
                with pipelines_running(pipelines, tmp_path, port=port) as bridge:
                    sends = asyncio.create_task(send(sender, sent))
                    await model.wait_for(20)
                    status = await asyncio.to_thread(bridge.process.interrupt, signal.SIGKILL)
                cut = len(model.requests)
                model.go.set()
                with pipelines_running(pipelines, tmp_path, port=port):
                    await sends
                    await around.all_answered(sent)
                    await broker_idle(around.broker)
                around.check_nothing_lost(sent)

    assert -signal.SIGKILL == status
    assert len(model.requests) >= len(sent) + cut  # what was cut was asked for again


async def test_a_stop_under_load_loses_and_cuts_nothing(tmp_path: Path) -> None:
    """Some hundred connections, kept alive or a broker's: each request is answered, or not taken.

    The process leaves with status 0 within its own times; what comes after it is answered by
    the one that takes its place.
    """
    port, sent, clients = free_port(), range(300), 200
    delay, drain = 1.0, 10.0
    async with held_model() as model:
        model.go.set()
        pipelines = {"iris": iris(model.url)}
        async with world(tmp_path, subscriber=f"http://127.0.0.1:{port}/") as around:
            async with sending(around.broker.url, connections=20) as sender:
                with pipelines_running(
                    pipelines,
                    tmp_path,
                    port=port,
                    shutdown_delay_seconds=delay,
                    drain_seconds=drain,
                ) as bridge:
                    async with sending(bridge.url, connections=clients) as direct:
                        async with asyncio.TaskGroup() as group:
                            sends = group.create_task(send(sender, sent))
                            kept = [
                                group.create_task(until_refused(direct, f"{client}"))
                                for client in range(clients)
                            ]
                            await model.wait_for(2 * clients)
                            begin = asyncio.get_running_loop().time()
                            stopping = asyncio.to_thread(bridge.process.interrupt)
                            status = await asyncio.wait_for(stopping, SECONDS)
                            took = elapsed(begin)
                    with pipelines_running(pipelines, tmp_path, port=port):
                        await sends
                        await around.all_answered(sent)
                        await broker_idle(around.broker)
                    around.check_nothing_lost(sent)

    statuses = {status for client in kept for status in client.result().answers.values()}
    taken = {request.header(b"seldon-puid") for request in model.requests}
    cut = {client.result().refused.encode() for client in kept} & taken
    assert 0 == status
    assert delay <= took < delay + drain
    assert {200} == statuses
    assert all(len(client.result().answers) > 1 for client in kept)
    assert set() == cut


async def test_a_rollout_loses_nothing(tmp_path: Path) -> None:
    """The address moves from the old process to the new one while both are under load."""
    async with held_model() as model, service() as address:
        model.go.set()
        pipelines = {"iris": iris(model.url)}
        old_folder, new_folder = tmp_path / "old", tmp_path / "new"
        old_folder.mkdir()
        new_folder.mkdir()
        async with world(tmp_path, subscriber=address.url) as around:
            async with sending(around.broker.url, connections=10) as sender:
                with (
                    pipelines_running(
                        pipelines, old_folder, shutdown_delay_seconds=1, drain_seconds=10
                    ) as old,
                    pipelines_running(pipelines, new_folder) as new,
                ):
                    address.move_to(old.url)
                    async with asyncio.TaskGroup() as group:
                        flow = Flow()
                        flowing = group.create_task(flow.run(sender))
                        await until(lambda: metric(old, *REPLIED) >= 100)
                        stopping = group.create_task(asyncio.to_thread(old.process.interrupt))
                        await until(lambda: not answers(f"{old.url}readyz"))
                        address.move_to(new.url)
                        status = await stopping
                        await until(lambda: metric(new, *REPLIED) >= 100)
                        flow.stop()
                        await flowing
                    await around.all_answered(flow.sent)
                    await broker_idle(around.broker)
                    failed = metric(new, "bridge_events_total", 'outcome="failed"')
            around.check_nothing_lost(flow.sent)
            log = old.process.output.read_text()

    assert 0 == status
    assert '"drained": true' in log
    assert 0 == failed


UNAVAILABLE = ("bridge_refusals_total", 'reason="unavailable"', 'outcome="failed"')
OVERLOADED = ("bridge_deliveries_refused_total", 'reason="overloaded"')
REPLIED = ("bridge_events_total", 'outcome="replied"')


async def send(sender: Sender, numbers: Iterable[int]) -> None:
    """Send an event for each of *numbers*, all at once; the broker takes each."""

    async def one(number: int) -> None:
        answer = await sender.post(data(number), id=str(number))
        assert answer.status == 202, answer.text

    await asyncio.gather(*map(one, numbers))


def data(number: int) -> bytes:
    """Return the Seldon message that is about *number*."""
    return json.dumps({"data": {"ndarray": [[number]]}}).encode()


def number_in(body: bytes) -> int:
    """Return what the Seldon message *body* is about."""
    return int(json.loads(body)["data"]["ndarray"][0][0])


@dataclass(slots=True)
class Kept:
    """One client's requests: how each was answered, and the one that was not."""

    answers: dict[str, int]
    refused: str = ""


async def until_refused(sender: Sender, client: str) -> Kept:
    """Post one event after the other, each when the one before it is answered, until refused."""
    kept = Kept({})
    while True:
        name = f"{client}-{len(kept.answers)}"
        try:
            answer = await sender.post(id=name, seldon_puid=name)
        except REFUSED:
            kept.refused = name
            return kept
        kept.answers[name] = answer.status


class Flow:
    """Events to a broker, one after the other, until it is stopped."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True

    async def run(self, sender: Sender) -> None:
        while not self._stopped:
            batch = range(len(self.sent), len(self.sent) + 10)
            await send(sender, batch)
            self.sent += batch


class Service:
    """An address that stays while who is behind it changes, as that of a Kubernetes Service.

    A connection stays with whom it was made to; a new one goes to whoever is there then.
    """

    def __init__(self) -> None:
        self.url = ""
        self._to = ("", 0)

    def move_to(self, url: str) -> None:
        """Connect to *url* from here on."""
        parts = urlsplit(url)
        self._to = (parts.hostname or "", parts.port or 0)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._to)
        except OSError:
            writer.close()
            return
        try:
            await asyncio.gather(_piped(reader, far_writer), _piped(far_reader, writer))
        finally:
            far_writer.close()
            writer.close()


async def _piped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand on everything until the end of it, the end included."""
    with suppress(ConnectionError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def service() -> AsyncIterator[Service]:
    """Yield a service on a free port, with nobody behind it yet."""
    found = Service()
    server = await asyncio.start_server(found._connected, "127.0.0.1", 0)
    async with server:
        found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        yield found


def elapsed(begin: float) -> float:
    """Return the seconds since *begin*."""
    return asyncio.get_running_loop().time() - begin


async def until(true: Callable[[], bool]) -> None:
    """Return when *true* says so; it may block for a moment."""
    async with asyncio.timeout(SECONDS):
        while not await asyncio.to_thread(true):
            await asyncio.sleep(POLL_SECONDS)


async def pinged(sender: Sender, bridge: Bridge) -> float:
    """Have the far ends asked now; return what the gauge says of the model then."""
    page = await sender.get(f"{bridge.admin_url}readyz?verbose")
    assert page.status == 200  # readiness never depends on a far end
    return await asyncio.to_thread(metric, bridge, "bridge_component_up", 'component="model"')


async def broker_idle(broker: LocalBroker) -> None:
    """Return when nothing waits at the broker, responses included, and nothing is under way."""
    await until(
        lambda: (
            metric(broker, "bridge_broker_queued") + metric(broker, "bridge_broker_in_flight") == 0
        )
    )


def check_ends(broker: LocalBroker, *, delivered: int, dead_lettered: int) -> None:
    """Check what the broker says of its events, none of which is lost."""
    ends = {
        outcome: metric(broker, "bridge_broker_events_total", TRIGGER, f'outcome="{outcome}"')
        for outcome in ("delivered", "dead_lettered", "dropped", "lost")
    }
    expected = {"delivered": delivered, "dead_lettered": dead_lettered, "dropped": 0, "lost": 0}
    assert expected == ends


def metric(process: Bridge | LocalBroker, name: str, *labels: str) -> float:
    """Return the sum of *name* over all samples whose labels hold each of *labels*."""
    url = process.admin_url if isinstance(process, Bridge) else process.url
    with urllib.request.urlopen(f"{url}metrics", timeout=5.0) as response:
        text = str(response.read(), "utf-8")
    found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", text, re.MULTILINE)
    return sum(float(value) for held, value in found if all(label in held for label in labels))
