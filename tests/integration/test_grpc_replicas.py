"""Replicas of a model behind gRPC: shares, kills, hangs, and names whose addresses change."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest

from bridge.core.errors import DeadlineExceeded, Unavailable
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.models.grpc import GrpcModel, GrpcModelOptions
from bridge.protocols.proto import message
from bridge.transports.names import Target, lookup
from tests.fakes_grpc import Answer, FakeGrpcServer, echo, never, saying, status
from tests.services import grpc_echo

IRIS = b'{"data":{"ndarray":[[1,2,3,4]]}}'


def request() -> Request:
    return Request(payload=Body(IRIS), id="a41b")


def model(target: str, *replicas: str, **options: Any) -> GrpcModel:
    return GrpcModel(GrpcModelOptions(target=target, replicas=replicas, **options))


async def outcomes(asked: GrpcModel, count: int, *, at_once: int) -> list[str]:
    """Return what *count* calls, *at_once* of them under way, came to."""
    left = iter(range(count))
    found: list[str] = []

    async def some() -> None:
        for _ in left:
            try:
                await asked.predict(request())
            except Unavailable as error:
                found.append(type(error).__name__)
            else:
                found.append("answered")

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(some())
    return found


@pytest.mark.parametrize("at_once", [1, 30])
async def test_equal_replicas_get_equal_shares(at_once: int) -> None:
    """Over three servers each gets a third of the calls, to a twentieth, one at a time or many."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(FakeGrpcServer(echo)) for _ in range(3)]
        asked = await stack.enter_async_context(model(*[server.target for server in servers]))

        await outcomes(asked, 900, at_once=at_once)

    shares = [len(server.calls) for server in servers]
    assert 900 == sum(shares)
    assert all(285 <= share <= 315 for share in shares), shares


@pytest.fixture
def echoes(tmp_path: Path) -> Iterator[list[tuple[str, int]]]:
    """Three servers in processes of their own: target and process id."""
    with ExitStack() as stack:
        yield [stack.enter_context(grpc_echo.running(tmp_path)) for _ in range(3)]


async def test_one_of_three_hangs_under_load(echoes: list[tuple[str, int]]) -> None:
    """A stopped replica costs each call one deadline at most, and then nobody any."""
    targets = [target for target, _ in echoes]
    async with model(*targets, timeout_seconds=1.0, breaker={"probe_seconds": 0.2}) as asked:
        assert {"answered"} == set(await outcomes(asked, 60, at_once=6))

        os.kill(echoes[0][1], signal.SIGSTOP)
        started = time.monotonic()
        first = await outcomes(asked, 300, at_once=6)
        took = time.monotonic() - started
        second = await outcomes(asked, 300, at_once=6)

        os.kill(echoes[0][1], signal.SIGCONT)
        async with asyncio.timeout(20):
            while not all(member.is_well for member in asked.servers.members):
                await asked.predict(request())
        before = asked.servers.members[0].calls
        third = await outcomes(asked, 60, at_once=6)

        assert asked.servers.members[0].calls > before
    hung = first.count("DeadlineExceeded")
    assert 1 <= hung <= 2  # its share of six calls at once, each for one deadline
    assert 300 - hung == first.count("answered")
    assert took < 4
    assert {"answered"} == set(second) == set(third)


async def test_one_of_three_is_killed_under_load(
    tmp_path: Path, echoes: list[tuple[str, int]]
) -> None:
    """A killed replica fails the calls it had, and no others; started again, it is found again."""
    targets = [target for target, _ in echoes]
    async with model(*targets, breaker={"probe_seconds": 0.2}) as asked:
        load = asyncio.create_task(outcomes(asked, 1500, at_once=6))
        async with asyncio.timeout(20):
            while sum(member.calls for member in asked.servers.members) < 300:
                await asyncio.sleep(0)

        os.kill(echoes[1][1], signal.SIGKILL)
        found = await load

        with grpc_echo.running(tmp_path, int(targets[1].rpartition(":")[2])):
            async with asyncio.timeout(20):
                while not all(member.is_well for member in asked.servers.members):
                    await asked.predict(request())
            assert {"answered"} == set(await outcomes(asked, 60, at_once=6))

    assert 1500 == len(found)
    assert found.count("Unavailable") <= 6
    assert 0 == found.count("DeadlineExceeded")


class Names:
    """Looks names up in *known*, which a test may change; *looked* is set by each lookup."""

    def __init__(self, *known: Target) -> None:
        self.known = known
        self.lookups = 0
        self.looked = asyncio.Event()

    async def __call__(self, target: Target) -> tuple[Target, ...]:
        self.lookups += 1
        self.looked.set()
        if not self.known:
            raise OSError(-2, "Name or service not known")
        return self.known

    async def change(self, *known: Target) -> None:
        """Have other addresses known, and return when they have been looked up."""
        self.known = known
        for _ in range(2):  # the first may have begun before
            self.looked.clear()
            await asyncio.wait_for(self.looked.wait(), 10)


def at(server: FakeGrpcServer) -> Target:
    return Target("127.0.0.1", server.port)


def named(names: Names, **options: Any) -> GrpcModel:
    fast = {"target": "dns:///iris-headless:9000", "resolve_seconds": 0.02, **options}
    return GrpcModel(GrpcModelOptions(**fast), lookup=names)


async def test_a_growing_set_is_found_again() -> None:
    """New addresses of the name are asked as well, and those that are gone are not."""
    async with FakeGrpcServer(echo) as one, FakeGrpcServer(echo) as two:
        names = Names(at(one))
        async with named(names) as asked:
            await outcomes(asked, 10, at_once=2)
            assert (10, 0) == (len(one.calls), len(two.calls))

            await names.change(at(one), at(two))
            await outcomes(asked, 10, at_once=1)
            assert (15, 5) == (len(one.calls), len(two.calls))

            await names.change(at(two))
            await outcomes(asked, 10, at_once=2)
            assert (15, 15) == (len(one.calls), len(two.calls))


async def test_calls_under_way_end_at_a_server_that_is_gone() -> None:
    """An address that leaves the name keeps the calls it has until they are answered."""
    go_on = asyncio.Event()

    async def slow(asked: Any) -> bytes:
        await go_on.wait()
        return bytes(asked.message)

    async with FakeGrpcServer(slow) as one, FakeGrpcServer(echo) as two:
        names = Names(at(one))
        async with named(names) as asked:
            under_way = asyncio.create_task(asked.predict(request()))
            await asyncio.wait_for(one.arrived.wait(), 10)
            await names.change(at(two))
            await asked.predict(request())
            go_on.set()

            assert b"ndarray" in (await under_way).data

    assert (1, 1) == (len(one.calls), len(two.calls))


async def test_a_name_that_is_lost_keeps_its_servers() -> None:
    """Names that cannot be looked up for now take away nothing that works."""
    async with FakeGrpcServer(echo) as server:
        names = Names(at(server))
        async with named(names) as asked:
            await asked.predict(request())
            await names.change()
            await asked.predict(request())

    assert 2 == len(server.calls)


async def test_a_name_that_comes_late_is_found() -> None:
    """Until a name has addresses every call is an outage; then it is asked."""
    names = Names()
    async with FakeGrpcServer(echo) as server, named(names) as asked:
        with pytest.raises(Unavailable, match=r"iris-headless:9000: the name was not found"):
            await asked.predict(request())
        with pytest.raises(Unavailable, match=r"iris-headless:9000: the name was not found"):
            await asked.ping()
        await names.change(at(server))
        await asked.predict(request())


@pytest.mark.parametrize(
    ("answer", "told"), [(status("UNAVAILABLE", "leaving"), "leaving"), (never, "no answer")]
)
async def test_a_failure_has_the_name_looked_up_at_once(answer: Answer, told: str) -> None:
    """A server that does not answer may have moved: nobody waits half a minute to find out."""
    async with FakeGrpcServer(answer) as one, FakeGrpcServer(echo) as two:
        names = Names(at(one))
        async with named(names, resolve_seconds=600, timeout_seconds=0.5) as asked:
            with pytest.raises(Unavailable, match=told):
                await asked.predict(request())
            names.known = (at(two),)
            names.looked.clear()
            await asyncio.wait_for(names.looked.wait(), 10)
            await asyncio.sleep(0)
            await asked.predict(request())

    assert 1 == len(two.calls)


async def test_the_systems_own_names() -> None:
    """The name of this machine itself is looked up by the operating system, IPv4 alone."""
    assert (Target("127.0.0.1", 9000),) == await lookup(Target("localhost", 9000))
    async with FakeGrpcServer(echo) as server:
        async with model(f"dns:///localhost:{server.port}") as asked:
            await asked.predict(request())

    assert 1 == len(server.calls)


async def test_a_hung_lookup_ends_with_the_deadline() -> None:
    """A name server that never answers costs the call's time and no more."""

    async def hung(target: Target) -> tuple[Target, ...]:
        await asyncio.Event().wait()
        return ()

    options = GrpcModelOptions(target="iris:9000", timeout_seconds=0.1)
    async with GrpcModel(options, lookup=hung) as asked:
        with pytest.raises(DeadlineExceeded, match="not found in time"):
            await asked.predict(request())


async def test_a_silent_connection_is_given_up(echoes: list[tuple[str, int]]) -> None:
    """A server that hangs is noticed by its silence, long before the call's own deadline."""
    target, pid = echoes[0]
    keepalive = {"keepalive_seconds": 1.0, "keepalive_timeout_seconds": 0.5}
    async with model(target, timeout_seconds=60.0, **keepalive) as asked:
        await asked.predict(request())
        os.kill(pid, signal.SIGSTOP)
        started = time.monotonic()
        try:
            with pytest.raises(Unavailable, match="UNAVAILABLE"):
                await asked.predict(request())
        finally:
            os.kill(pid, signal.SIGCONT)

    assert time.monotonic() - started < 20


async def test_metadata_of_a_model_whose_first_server_is_gone() -> None:
    """Any of its servers can tell; `bridge check` said that nobody answered."""
    told = message("inference.ModelMetadataResponse")(name="iris").SerializeToString()
    async with FakeGrpcServer(saying(told)) as server:
        asked = model("127.0.0.1:1", server.target, protocol="oip", name="iris")
        async with asked:
            said = await asked.metadata()

    assert said is not None
    assert "iris" == said.name
