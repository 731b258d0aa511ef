"""Sends cases to a running listener, each on a connection of its own, many at once.

    case ─▶ connect ─▶ pieces ─▶ end of stream ─▶ read to the end ─▶ judge
    every hundred: one valid request, its answer compared with the first

Mostly the end of the stream follows a case's bytes, so that a listener which waits for more
knows that none will come: the connection ends by itself, at once. Where a rule says that an
answer is due, half of the senders wait for it, and few of the others leave at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from tests.fuzz.answers import Answer, Broken, judge, read
from tests.fuzz.cases import Case, Ending

#: Longest time until a connection has ended.
SECONDS = 10.0

#: Connections at once, and cases between two valid requests.
AT_ONCE = 32
BLOCK = 100

#: After so many failures the rest would only say the same.
MAX_FAILURES = 10


@dataclass(slots=True)
class Outcome:
    """What became of the cases: how many, in how long, the answers by status, what failed."""

    count: int = 0
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def a_second(self) -> float:
        return self.count / max(self.seconds, 1e-9)


class Sender:
    """Sends to *port* of this machine; *probe* is a valid request, sent again and again.

    A case that fails is written into *folder*, and named in the outcome.
    """

    def __init__(self, port: int, probe: bytes, folder: Path) -> None:
        self._port = port
        self._probe = probe
        self._folder = folder
        self.outcome = Outcome()

    async def send(
        self,
        case: Callable[[int], Case],
        numbers: Iterable[int],
        *,
        told: Callable[[Outcome], None] = lambda outcome: None,
    ) -> Outcome:
        """Send case after case, and return what became of them; *told* is called now and then."""
        outcome = self.outcome
        begin = time.perf_counter() - outcome.seconds
        first = await self._probed()
        remaining = iter(numbers)
        while block := [n for _, n in zip(range(BLOCK), remaining, strict=False)]:
            todo = iter(block)

            async def work(todo: Iterable[int] = todo) -> None:
                for number in todo:
                    await self._one(number, case(number))

            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(work())
            outcome.seconds = time.perf_counter() - begin
            found = await self._probed()
            if found != first:
                numbers_said = f"{block[0]} to {block[-1]}"
                outcome.failures.append(
                    f"after cases {numbers_said} the valid request: {found}, before: {first}"
                )
            told(outcome)
            if len(outcome.failures) >= MAX_FAILURES:
                break
        return outcome

    async def _one(self, number: int, case: Case) -> None:
        wrong, answers = "", []
        try:
            received = await exchange(
                self._port, case.pieces, ending=case.ending, due=case.before + 1
            )
            if case.ending != "abort":
                answers = read(received)
                wrong = judge(case, answers)
        except Broken as error:
            wrong = f"answered what is no HTTP: {error}"
        except TimeoutError:
            wrong = f"neither answered nor closed in {SECONDS:g} s"
        except OSError as error:
            wrong = f"cannot be reached: {error}"
        outcome = self.outcome
        outcome.count += 1
        outcome.statuses.update([answer.status for answer in answers] or [0])
        if wrong:
            file = self._folder / f"case-{number}.bin"
            file.write_bytes(case.data)
            outcome.failures.append(f"case {number} ({case.name}): {wrong}; its bytes: {file}")

    async def _probed(self) -> tuple[int, dict[bytes, bytes], bytes] | str:
        """Return what the valid request is answered, without what differs every time."""
        try:
            answers = read(await exchange(self._port, [self._probe]))
        except (Broken, TimeoutError, OSError) as error:
            return repr(error)
        if len(answers) != 1:
            return f"{len(answers)} answers"
        return _constant(answers[0])


class Exchange(asyncio.Protocol):
    """One connection: *pieces* out, everything that comes back kept.

    *ended* is what came back, when the other side ended it, *due* answers have come (where
    *ending* is to wait for them), or everything was sent (where it is to leave then).
    """

    def __init__(self, pieces: list[bytes], ending: Ending, due: int) -> None:
        self._pieces = pieces
        self._ending = ending
        self._due = due
        self._received = b""
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._write()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._ending == "wait":
            with suppress(Broken):
                if len(read(self._received)) >= self._due:
                    self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def _end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(self._received)

    def _write(self) -> None:
        """Write one piece a turn of the loop, so that the other side reads it by itself."""
        if self.transport.is_closing():
            return
        self.transport.write(self._pieces.pop(0))
        if self._pieces:
            asyncio.get_running_loop().call_soon(self._write)
        elif self._ending == "half-close":
            self.transport.write_eof()
        elif self._ending == "abort":
            self._end()


async def exchange(
    port: int, pieces: list[bytes], *, ending: Ending = "half-close", due: int = 1
) -> bytes:
    """Return what comes back for *pieces*, until the other side ends the connection.

    With another *ending*, until *due* answers have come, or not at all. Raise TimeoutError if
    that takes longer than SECONDS. A connection that is reset has ended.
    """
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(
        lambda: Exchange([*pieces], ending, due), "127.0.0.1", port
    )
    try:
        async with asyncio.timeout(SECONDS):
            return cast(bytes, await protocol.ended)
    finally:
        protocol.transport.abort()


def _constant(answer: Answer) -> tuple[int, dict[bytes, bytes], bytes]:
    headers = {name: value for name, value in answer.headers.items() if name not in _OF_THE_HOUR}
    return answer.status, headers, answer.body


_OF_THE_HOUR = (b"date", b"ce-time")
