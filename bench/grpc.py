"""Our client of gRPC beside bare grpc.aio: the same calls, on the same server, in turns.

    echo (a process of its own) ◀── GrpcModel                             calls a second
                                ◀── grpc.aio: one channel, one message    calls a second

Rounds alternate, so that what disturbs one disturbs the other; each figure is the median of
its rounds. The bare client serializes nothing and reads nothing: what ours does with a
payload is within its rate.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.models.grpc import GrpcModel, GrpcModelOptions
from tests.services import grpc_echo

#: Least share of the bare client's rate that ours keeps.
FLOOR = 0.8

#: Most that a replica's share of the calls may differ from an equal one.
SHARES = 0.05

_IRIS = b'{"data":{"ndarray":[[1,2,3,4]]}}'
_AT_ONCE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was measured: calls a second of each client, and *shares* of three replicas."""

    ours: float
    bare: float
    shares: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Our rate as a share of the bare client's."""
        return self.ours / self.bare

    @property
    def kept(self) -> bool:
        """Whether both promises are kept."""
        return self.ratio >= FLOOR and all(
            abs(share * len(self.shares) - 1) <= SHARES for share in self.shares
        )


def measure(*, calls: int = 6000, rounds: int = 5) -> Found:
    """Return what *rounds* of *calls* each come to, on uvloop as the bridge itself."""
    import uvloop

    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as stack:
        targets = [stack.enter_context(grpc_echo.running(Path(folder)))[0] for _ in range(3)]
        return uvloop.run(_measured(targets, calls, rounds))


async def _measured(targets: list[str], calls: int, rounds: int) -> Found:
    import grpc.aio

    request = Request(payload=Body(_IRIS), id="bench")
    ours, bare = [], []
    async with (
        GrpcModel(GrpcModelOptions(target=targets[0])) as model,
        grpc.aio.insecure_channel(targets[0]) as channel,
    ):
        said = model.protocol.call(request, request.payload)
        ask = channel.unary_unary(model.protocol.method, None, None)

        async def call() -> None:
            await ask(said, timeout=30.0)

        async def predict() -> None:
            await model.predict(request)

        for one in (predict, call):
            await _rate(one, calls // 4)
        for _ in range(rounds):
            ours.append(await _rate(predict, calls))
            bare.append(await _rate(call, calls))
    async with GrpcModel(GrpcModelOptions(target=targets[0], replicas=targets[1:])) as spread:

        async def each() -> None:
            await spread.predict(request)

        # One at a time: of several, a server that answers sooner is given more, as it should be.
        await _rate(each, calls // 4, at_once=1)
        counts = [member.calls for member in spread.servers.members]
    shares = tuple([count / sum(counts) for count in counts])
    return Found(ours=median(ours), bare=median(bare), shares=shares)


async def _rate(
    one: Callable[[], Awaitable[None]], calls: int, *, at_once: int = _AT_ONCE
) -> float:
    """Return how many of *calls*, *at_once* of them under way, are answered in a second."""
    left = iter(range(calls))

    async def some() -> None:
        for _ in left:
            await one()

    started = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(at_once)))
    return calls / (time.perf_counter() - started)


if __name__ == "__main__":
    found = measure()
    print(f"ours {found.ours:.0f}/s, grpc.aio {found.bare:.0f}/s, ratio {found.ratio:.2f}")
    print("shares", " ".join(f"{share:.3f}" for share in found.shares))
    raise SystemExit(0 if found.kept else 1)
