"""The load on Kafka: a topic filled at once, and the answers read from another.

    N events, written as fast as Kafka takes them ──▶ input ──▶ contender
      ◀── every answer checked (`bench.answers`) ──── output ◀──┘

The clock runs from the first event written to the last answer read. Events are encoded before
that: what the generator does meanwhile is small, for it shares its core with Kafka.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import asdict
from time import perf_counter, process_time
from typing import Any

import orjson
import uvloop

from bench.answers import Answers, key_of
from bench.load import Result

#: Partitions of every topic.
PARTITIONS = 4

#: Size of an event's data, unless it is told otherwise.
EVENT_BYTES = 1000

#: How long is waited for one more answer before the rest is called lost.
LAST_ANSWER_SECONDS = 20.0

#: How long is looked for answers that nobody is owed.
EXTRA_SECONDS = 0.2

_BATCH_BYTES = 256 * 1024
_HEADERS = (
    ("ce_specversion", b"1.0"),
    ("ce_type", b"seldon.simple-iris-deployment.request"),
    ("ce_source", b"seldon.examples.streaming.kafka"),
    ("content-type", b"application/json"),
)


def body(size: int) -> bytes:
    """Return a request of one row in about *size* bytes, never more."""
    begin, end = b'{"data": {"ndarray": [[', b"]]}}"
    number = b"0.1234567890123456, "
    count = max(1, (size - len(begin) - len(end)) // len(number))
    return begin + (number * count)[:-2] + end


async def drain(
    bootstrap: str, source: str, target: str, *, events: int, run: int, exact: bool
) -> Result:
    """Write *events* events to *source*; return when *target* has their answers, or never will."""
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

    partitions = [TopicPartition(target, number) for number in range(PARTITIONS)]
    answers = Answers(events, lambda number: _id(run, number), exact=exact)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=_BATCH_BYTES)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="latest"
    )
    await producer.start()
    try:
        await consumer.start()
        try:
            consumer.assign(partitions)
            await consumer.seek_to_end(*partitions)
            for partition in partitions:
                await consumer.position(partition)
            batches = _batches(producer, range(events), run, body(EVENT_BYTES))
            cpu, begin = process_time(), perf_counter()
            writing = asyncio.create_task(_write(producer, source, batches))
            last = await _read(consumer, answers, begin)
            await writing
            busy = (process_time() - cpu) / (perf_counter() - begin)
            if answers.complete:
                await _take(consumer, answers, EXTRA_SECONDS)
        finally:
            await consumer.stop()
    finally:
        await producer.stop()
    return Result(
        sent=events,
        right=answers.right,
        wrong=answers.wrong,
        lost=max(0, events - answers.right - answers.wrong),
        seconds=last - begin,
        busy=busy,
        complaints=answers.complaints,
    )


async def fill(bootstrap: str, topic: str, *, events: int, size: int) -> None:
    """Return when *topic* has *events* more events of *size* bytes each."""
    from aiokafka import AIOKafkaProducer

    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=_BATCH_BYTES + size)
    await producer.start()
    try:
        data, step = body(size), max(1, 32_000_000 // size)
        for first in range(0, events, step):
            numbers = range(first, min(first + step, events))
            await _write(producer, topic, _batches(producer, numbers, 0, data))
    finally:
        await producer.stop()


def _id(run: int, number: int) -> bytes:
    return b"%d-%d" % (run, number)


def _batches(producer: Any, numbers: range, run: int, data: bytes) -> list[tuple[int, Any]]:
    """Return the events of *numbers*, encoded; those of a key go to one partition."""
    made: list[tuple[int, Any]] = []
    open_: dict[int, Any] = {}
    for number in numbers:
        key, requestid = key_of(number), _id(run, number)
        partition = number % PARTITIONS  # KEYS is a multiple of it: a key's events stay together
        headers = [*_HEADERS, ("ce_id", requestid), ("ce_requestid", requestid)]
        batch = open_.get(partition)
        while (
            batch is None
            or batch.append(key=key, value=data, timestamp=None, headers=headers) is None
        ):
            batch = open_[partition] = producer.create_batch()
            made.append((partition, batch))
    return made


async def _write(producer: Any, topic: str, batches: list[tuple[int, Any]]) -> None:
    """Return when *topic* has all of *batches*."""
    sent = []
    for partition, batch in batches:
        batch.close()
        sent.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*sent)


async def _read(consumer: Any, answers: Answers, begin: float) -> float:
    """Return when the last answer was read; none are left, or none has come for too long."""
    last = begin
    while not answers.complete and perf_counter() < last + LAST_ANSWER_SECONDS:
        if await _take(consumer, answers, 1.0):
            last = perf_counter()
    return last


async def _take(consumer: Any, answers: Answers, seconds: float) -> bool:
    """Judge what comes within *seconds*; return whether something did."""
    found = await consumer.getmany(timeout_ms=round(seconds * 1000), max_records=5000)
    for records in found.values():
        for record in records:
            answers.take(record.key, record.value, record.headers)
    return bool(found)


def main() -> None:
    """Print what was seen as JSON; nothing where the topic is only filled."""
    arguments = argparse.ArgumentParser(prog="python -m bench.kafka_load")
    arguments.add_argument("bootstrap")
    arguments.add_argument("source")
    arguments.add_argument("target", nargs="?", help="none: the source is only filled")
    arguments.add_argument("--events", type=int, required=True)
    arguments.add_argument("--run", type=int, default=0)
    arguments.add_argument("--exact", action="store_true")
    arguments.add_argument("--bytes", type=int, default=EVENT_BYTES, help="only where filled")
    told = arguments.parse_args()
    if told.target is None:
        uvloop.run(fill(told.bootstrap, told.source, events=told.events, size=told.bytes))
        return
    seen = uvloop.run(
        drain(
            told.bootstrap,
            told.source,
            told.target,
            events=told.events,
            run=told.run,
            exact=told.exact,
        )
    )
    sys.stdout.buffer.write(orjson.dumps(asdict(seen)))


if __name__ == "__main__":
    main()
