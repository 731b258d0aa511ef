"""Dead letters put back where they came from, each once, never round and round.

    group's offset ─▶ letters up to the end ─▶ selected? allowed? ─▶ written ─▶ committed
                                                    └ no: passed by, or left and named

Progress is the offset of a group: a second run begins where the first ended, and what was
written and not yet committed at a kill, one batch at most, is written again. Letters of one
key stay in their order.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from bridge.app.letters import BATCH, Batch, Found, Reading, read, selected
from bridge.app.selection import Selection
from bridge.codecs import letters as codec
from bridge.core.clock import Clock
from bridge.core.errors import Rejected, Unavailable
from bridge.transports.kafka.port import Partition, Producer

#: How many letters that were left are named; beyond it they are only counted.
MAX_NAMED = 1000


class Progress(Reading, Protocol):
    """A member of the group that keeps the progress."""

    async def commit(self, positions: Mapping[Partition, int]) -> None:
        """Return when the group has *positions*."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is put back. *topics*: those that may be written to without being named.

    *to*: a topic for all of them instead. *rate*: letters a second, None for no limit.
    *limit*: how many at most. *own*: the topic of the letters, which is never written to.
    """

    selection: Selection
    own: str
    topics: frozenset[str]
    max_redrives: int
    to: str | None = None
    rate: float | None = None
    limit: int | None = None


class Outgoing(NamedTuple):
    """A record on its way to *topic*."""

    topic: str
    written: codec.Written


@dataclass(slots=True)
class Tally:
    """What became of the letters that were looked at.

    *left*: those that were meant and stay where they are, by why; *named*: the same one by
    one. *stopped*: why it ended before the end.
    """

    read: int = 0
    put_back: int = 0
    passed: int = 0
    left: Counter[str] = field(default_factory=Counter)
    named: list[tuple[Found, str]] = field(default_factory=list)
    stopped: str | None = None

    def leave(self, letter: Found, why: str, text: str) -> None:
        """Count *letter* as left because of *why*, and keep the whole *text*."""
        self.left[why] += 1
        if len(self.named) < MAX_NAMED:
            self.named.append((letter, text))


async def plan(
    reading: Reading,
    spans: Mapping[Partition, tuple[int, int]],
    rules: Rules,
    *,
    clock: Clock,
    tell: Callable[[Found, str], None] = lambda *_: None,
) -> Tally:
    """Return what `replay` would do; *tell* hears each letter with the topic it would go to."""
    tally = Tally()
    async for batch in read(reading, spans, clock=clock):
        for letter in batch.letters:
            outgoing = _judge(letter, rules, tally)
            if outgoing is not None:
                tally.put_back += 1
                tell(letter, outgoing.topic)
                if tally.put_back == rules.limit:
                    return tally
    return tally


async def replay(
    reading: Progress,
    producer: Producer,
    spans: Mapping[Partition, tuple[int, int]],
    rules: Rules,
    *,
    clock: Clock,
    stopping: Callable[[], bool] = lambda: False,
    tell: Callable[[Tally], None] = lambda _: None,
) -> Tally:
    """Put back what *rules* want, and return what became of it.

    An outage ends it, as *stopping* does between two batches: the tally says so, and what was
    answered until then is committed. Raise Fenced where another run has taken over.
    """
    tally, pace = Tally(), _Pace(rules.rate, clock)
    async for batch in read(reading, spans, clock=clock, batch=pace.batch):
        done = await _put_back(batch, producer, rules, tally, pace)
        await reading.commit({batch.partition: done})
        tell(tally)
        if tally.stopped is None and stopping():
            tally.stopped = "stopped by a signal"
        cut = done < batch.next  # by the limit: what is behind is the next run's
        if tally.stopped is not None or cut or tally.put_back == rules.limit:
            break
    return tally


async def _put_back(
    batch: Batch, producer: Producer, rules: Rules, tally: Tally, pace: _Pace
) -> int:
    """Write what is meant of *batch*; return the offset up to which everything is answered."""
    wanted: list[tuple[Found, Outgoing]] = []
    room = None if rules.limit is None else rules.limit - tally.put_back
    done = batch.next
    for letter in batch.letters:
        outgoing = _judge(letter, rules, tally)
        if outgoing is not None:
            wanted.append((letter, outgoing))
            if len(wanted) == room:
                done = letter.record.offset + 1
                break
    if not wanted:
        return done
    await pace.wait(len(wanted))
    answers = await _write([outgoing for _, outgoing in wanted], producer)
    for (letter, outgoing), answer in zip(wanted, answers, strict=True):
        if answer is None:
            tally.put_back += 1
        elif isinstance(answer, Rejected):
            tally.leave(letter, "refused", str(answer))
        elif tally.stopped is None:
            # Nobody knows of this one: the next run begins with it, whatever came behind.
            tally.stopped = f"{letter.place} to {outgoing.topic}: {answer}"
            done = letter.record.offset
    return done


async def _write(
    records: Sequence[Outgoing], producer: Producer
) -> list[Rejected | Unavailable | None]:
    """Write *records*, each key in its order; return an answer for each, None where it is there."""
    answers: list[Rejected | Unavailable | None] = [None] * len(records)
    lanes: dict[object, list[int]] = {}
    for place, record in enumerate(records):
        key = record.written.key
        lanes.setdefault((record.topic, place if key is None else key), []).append(place)

    async def write(lane: Sequence[int]) -> None:
        outage: Unavailable | None = None
        for place in lane:
            topic, written = records[place]
            try:
                if outage is None:
                    await producer.send(
                        topic, key=written.key, value=written.value, headers=written.headers
                    )
            except Rejected as error:
                answers[place] = error
            except Unavailable as error:
                outage = error  # what is behind it would overtake it
            answers[place] = outage or answers[place]

    async with asyncio.TaskGroup() as group:
        for lane in lanes.values():
            group.create_task(write(lane))
    return answers


def _judge(letter: Found, rules: Rules, tally: Tally) -> Outgoing | None:
    """Return the record that *letter* is to be again, or count why there is none."""
    tally.read += 1
    told = letter.told
    if told is None or not selected(letter, rules.selection):
        tally.passed += 1
        return None
    topic = rules.to or told.topic
    if told.redrives >= rules.max_redrives:
        tally.leave(letter, "max_redrives", f"was put back {told.redrives} times already")
    elif told.value_bytes is not None:
        text = f"its value of {told.value_bytes} bytes was too large for the dead letter"
        tally.leave(letter, "no_value", text)
    elif topic is None:
        tally.leave(letter, "no_topic", "came from no topic: expected --to")
    elif topic == rules.own or (rules.to is None and topic not in rules.topics):
        text = f"came from topic {topic}, which no source of the file reads: expected --to"
        tally.leave(letter, "other_topic", text)
    else:
        return Outgoing(topic, codec.original(letter.record))
    return None


class _Pace:
    """So many letters a second, in steps of about one second."""

    def __init__(self, rate: float | None, clock: Clock) -> None:
        self.batch = BATCH if rate is None else max(1, min(BATCH, round(rate)))
        self._rate = rate
        self._clock = clock
        self._next = clock.monotonic()

    async def wait(self, count: int) -> None:
        """Return when *count* more may go."""
        if self._rate is None:
            return
        now = self._clock.monotonic()
        if self._next > now:
            await self._clock.sleep(self._next - now)
        self._next = max(self._next, now) + count / self._rate
