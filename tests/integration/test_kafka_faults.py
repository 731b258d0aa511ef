"""Faults around a bridge between two Kafka topics, judged by the ids (`tests.kafka_oracle`).

All parts are real: the broker, `bridge run` as processes, a model on a socket. What is here
leaves the broker alone; `test_kafka_outages.py` does not. `make soak SOAK=kafka` is the long run.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.config.kafka import KafkaClientOptions
from bridge.transports.kafka.consumer import KafkaConsumer
from bridge.transports.kafka.port import Partition
from tests.kafka_oracle import Mark, disorder
from tests.services.kafka import Kafka, fresh
from tests.services.kafka_bridge import POLL_SECONDS, SECONDS, WINDOW, marks, record, world
from tests.services.kafka_records import Record
from tests.services.stub_model import Behaviour, well


async def test_all_is_answered_once_where_nothing_happens(kafka: Kafka, tmp_path: Path) -> None:
    """The oracle's own zero: no fault, no duplicate, and what is committed is what is booked."""
    async with world(kafka, tmp_path) as around:
        await around.give(marks(1000, keys=50))
        member = await around.member()
        verdict = await around.finished()
        committed = await kafka.committed(around.group)

    assert (1000, 0) == (verdict.answered, verdict.duplicates)
    assert 1000 == member.ledgers.taken == member.ledgers.settled == sum(committed.values())


async def test_kills_lose_nothing_and_repeat_no_more_than_their_windows(
    kafka: Kafka, tmp_path: Path
) -> None:
    """SIGKILL mid-flight, three times: lost 0, order kept, duplicates at most kills × window."""
    async with world(kafka, tmp_path) as around:
        await around.give(marks(1500, keys=100))
        for asked in (200, 500, 800):
            member = await around.member()
            await around.model.wait_for(asked)
            await member.kill()
            around.kills += 1
        await around.member()
        verdict = await around.finished()

    assert 1500 == verdict.answered
    assert 3 * WINDOW == verdict.allowed_duplicates


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_what_hangs_at_the_end_comes_again_and_what_is_behind_it_too(
    kafka: Kafka, tmp_path: Path, end: signal.Signals
) -> None:
    """No commit passes an event that is not settled, however the process ends beside it."""
    async with world(kafka, tmp_path) as around:
        around.model.behave(lambda key, number: "hang" if key == 3 else "answer")
        await around.give(marks(400, keys=20))
        member = await around.member(lifecycle={"drain_seconds": 0.5})
        ends = await kafka.end_offsets(around.topic)
        between: dict[int, int] = {}
        async with asyncio.timeout(SECONDS):
            while len(between.items() & ends.items()) < 3:  # every other partition is done
                await asyncio.sleep(POLL_SECONDS)
                between = await around.committed()
        await (member.kill() if end is signal.SIGKILL else member.end())
        around.kills += 1
        around.model.behave(well)
        await around.member()
        verdict = await around.finished()

    assert sum(between.values()) < 400
    assert 400 == verdict.answered


async def test_a_model_that_is_done_out_of_order_is_heard_in_order(
    kafka: Kafka, tmp_path: Path
) -> None:
    """The first of each key is answered last, and leaves first."""
    async with world(kafka, tmp_path) as around:
        around.model.behave(lambda key, number: "hang" if number == 0 else "answer")
        await around.give(marks(60, keys=20))
        await around.member()
        await around.model.wait_for(40)
        around.model.behave(well)
        verdict = await around.finished()

    assert (60, 0) == (verdict.answered, verdict.duplicates)


async def test_a_stop_under_load_repeats_nothing(kafka: Kafka, tmp_path: Path) -> None:
    """SIGTERM settles and commits what runs: exit status 0, and not one duplicate after it."""
    async with world(kafka, tmp_path) as around:
        await around.give(marks(1000, keys=50))
        member = await around.member()
        await around.model.wait_for(300)
        status = await member.end()
        between = await kafka.committed(around.group)
        out = len(await around.marks(around.out))
        await around.member()
        verdict = await around.finished()

    assert 0 == status
    assert out == sum(between.values()) < 1000
    assert (1000, 0) == (verdict.answered, verdict.duplicates)
    assert '"drained": true' in member.log()


async def test_a_process_that_stood_still_goes_on_without_harm(
    kafka: Kafka, tmp_path: Path
) -> None:
    """SIGSTOP beyond the session time-out: another member took over, and order is kept.

    What the first one had under way both answer: as after a kill, a window at most.
    """
    async with world(kafka, tmp_path) as around:
        await around.give(marks(600, keys=50))
        first = await around.member()
        await around.model.wait_for(200)
        first.freeze()
        around.kills += 1
        second = await around.member()
        await around.until(lambda: second.metric("bridge_deliveries_taken_total") > 0)
        first.thaw()
        await around.give(marks(600, keys=50, begin=12))
        verdict = await around.finished()

    assert 1200 == verdict.answered


async def test_members_come_and_go_without_a_repeat(kafka: Kafka, tmp_path: Path) -> None:
    """Rebalance 1 → 3 → 1 under load: partitions move when what runs in them is committed."""
    async with world(kafka, tmp_path) as around:
        await around.give(marks(400, keys=50))
        stay = await around.member()
        others = [await around.member(), await around.member()]
        begin = 8
        async with asyncio.timeout(SECONDS):
            for other in others:  # a share of the partitions for each
                while other.metric("bridge_deliveries_taken_total") == 0:
                    await around.give(marks(100, keys=50, begin=begin))
                    begin += 2
        await around.give(marks(400, keys=50, begin=begin))
        statuses = [await other.end() for other in others]
        await around.give(marks(400, keys=50, begin=begin + 8))
        verdict = await around.finished()

    assert [0, 0] == statuses
    assert len(around.given) == verdict.answered
    assert 0 == verdict.duplicates
    assert '"given_back": 0' in stay.log()


async def test_poison_is_refused_in_its_place(kafka: Kafka, tmp_path: Path) -> None:
    """Bad events among good ones of their key: dead letters once each, order kept around them."""
    poison = {mark for mark in marks(1000, keys=50) if mark.number % 7 == 3}
    async with world(kafka, tmp_path) as around:
        around.model.behave(lambda key, number: "refuse" if number % 7 == 3 else "answer")
        await around.give(marks(1000, keys=50))
        await around.member()
        verdict = await around.finished(refused=poison)

    assert (1000 - len(poison), len(poison), 0) == (
        verdict.answered,
        verdict.letters,
        verdict.duplicates,
    )


async def test_garbage_for_one_key_goes_to_the_dead_letter(kafka: Kafka, tmp_path: Path) -> None:
    """And nothing else does."""
    async with world(kafka, tmp_path) as around:
        around.model.behave(lambda key, number: "garbage" if key == 3 else "answer")
        await around.give(marks(500, keys=50))
        await around.member()
        verdict = await around.finished(refused=[mark for mark in around.given if mark.key == "k3"])

    assert (490, 10) == (verdict.answered, verdict.letters)


async def test_a_model_that_refuses_everything_empties_the_topic_where_nobody_holds_it(
    kafka: Kafka, tmp_path: Path
) -> None:
    """By default a refusal is a verdict, however many there are."""
    async with world(kafka, tmp_path) as around:
        around.model.behave(lambda key, number: "refuse")
        await around.give(marks(200, keys=20))
        await around.member()
        verdict = await around.finished(refused=around.given)

    assert (0, 200) == (verdict.answered, verdict.letters)


async def test_a_run_of_refusals_holds_the_source(kafka: Kafka, tmp_path: Path) -> None:
    """A model rolled out badly costs as many events as the option says, and no topic."""
    limit = 10
    async with world(kafka, tmp_path) as around:
        around.model.behave(lambda key, number: "refuse")
        await around.give(marks(300, keys=30))
        member = await around.member({"hold_after_refusals": limit})
        await around.model.wait_for(2 * WINDOW)
        letters = await around.marks(around.dead)
        around.model.behave(well)
        verdict = await around.finished(refused=letters)

    assert limit - 1 == len(letters)
    assert 300 - len(letters) == verdict.answered
    assert "refusals in a row" in member.log()


async def test_a_hung_model_is_an_outage_for_all(kafka: Kafka, tmp_path: Path) -> None:
    """Nothing is in the dead letter, though each event ran out of time more often than it may.

    Not even while records that no model is asked about go there: from another partition, as
    this one's window is full.
    """
    async with world(kafka, tmp_path, partitions=2) as around:
        around.model.behave(lambda key, number: "answer" if number < 2 else "hang")
        around.given += marks(400, keys=20)
        good = (replace(record(mark), partition=0) for mark in around.given)
        await kafka.produce(around.topic, *good)
        member = await around.member(
            {"max_attempts": 2, "decode": "cloudevents"}, deadline_seconds=0.4
        )
        for bad in range(6):
            await kafka.produce(around.topic, Record(value=b"no event", partition=1))
            await around.until(
                lambda: member.metric("bridge_events_total", "dead_lettered") > bad  # noqa: B023
            )
            await around.model.wait_for(around.model.asked + WINDOW // 2)
        around.model.behave(well)
        verdict = await around.finished()
        letters = await kafka.read(around.dead)

    assert (400, 0, 0) == (verdict.answered, verdict.letters, verdict.duplicates)
    assert [b"no event"] * 6 == [letter.value for letter in letters]


async def test_a_key_that_hangs_alone_is_poison_by_time(kafka: Kafka, tmp_path: Path) -> None:
    """Others are answered meanwhile, so it is refused; nobody waits longer than its own key."""
    poison = {Mark("k3", number) for number in (2, 3, 4)}

    def behave(key: int, number: int) -> Behaviour:
        return "hang" if Mark(f"k{key}", number) in poison else "answer"

    async with world(kafka, tmp_path) as around:
        around.model.behave(behave)
        await around.give(marks(300, keys=20))
        member = await around.member({"max_attempts": 2}, deadline_seconds=0.5)
        async with asyncio.timeout(SECONDS):
            begin = 0
            while member.metric("bridge_events_total", "dead_lettered") < len(poison):
                # Somebody must be answered while it hangs.
                await around.give([Mark(f"k{key}", begin) for key in range(100, 110)])
                begin += 1
        verdict = await around.finished(refused=poison)
        answers, letters = await kafka.read(around.out), await kafka.read(around.dead)

    assert 3 == verdict.letters
    last_letter = max(letter.timestamp or 0 for letter in letters)
    before = [mark for mark in marks(300, keys=20) if mark.key != "k3"]
    late = {record.value for record in answers if (record.timestamp or 0) > last_letter + 500}
    assert not [mark for mark in before if record(mark).value in late]


async def test_a_model_that_is_down_holds_everything(kafka: Kafka, tmp_path: Path) -> None:
    """Refused connections, then 503: nothing in the dead letter, nothing lost, none twice."""
    async with world(kafka, tmp_path) as around:
        await around.model.down()
        await around.give(marks(400, keys=40))
        member = await around.member()
        await around.until(lambda: '"reason": "unavailable"' in member.log())
        around.model.behave(lambda key, number: "busy")
        await around.model.up()
        await around.model.wait_for(WINDOW)
        around.model.behave(well)
        verdict = await around.finished()

    assert (400, 0, 0) == (verdict.answered, verdict.letters, verdict.duplicates)


@pytest.mark.parametrize("missing", ["out", "dead"])
async def test_a_topic_of_ours_that_is_missing_holds_its_events(
    kafka: Kafka, tmp_path: Path, missing: str
) -> None:
    """Made later, it gets each of them, once."""
    kept = ("topic", "dead" if missing == "out" else "out")
    poison = {mark for mark in marks(400, keys=40) if mark.number == 5}
    async with world(kafka, tmp_path, create=kept) as around:
        around.model.behave(lambda key, number: "refuse" if number == 5 else "answer")
        await around.give(marks(400, keys=40))
        member = await around.member()
        await around.until(lambda: '"refused"' in member.log())
        await around.create(getattr(around, missing))
        verdict = await around.finished(refused=poison)

    assert (360, 40, 0) == (verdict.answered, verdict.letters, verdict.duplicates)


async def test_aborted_transactions_are_never_answered_and_hold_nothing_up(
    kafka: Kafka, tmp_path: Path
) -> None:
    """Between good ones and at the end of the topic: the end is committed all the same."""
    async with world(kafka, tmp_path, partitions=2) as around:
        first, second = marks(100, keys=10), marks(100, keys=10, begin=10)
        aborted = [record(mark) for mark in marks(50, keys=10, begin=100)]
        await around.give(first)
        await kafka.produce(around.topic, *aborted, transaction="aborted")
        around.given += second
        await kafka.produce(around.topic, *map(record, second), transaction="committed")
        await kafka.produce(around.topic, *aborted, transaction="aborted")
        await around.member()
        verdict = await around.finished()

    assert (200, 0) == (verdict.answered, verdict.duplicates)


async def test_a_compacted_topic_has_holes_and_no_gaps(kafka: Kafka, tmp_path: Path) -> None:
    """What compaction took is not missed; what it left is answered in order."""
    async with world(kafka, tmp_path, partitions=1, create=("out", "dead")) as around:
        await around.create(
            around.topic,
            cleanup_policy="compact",
            segment_ms=200,
            min_cleanable_dirty_ratio=0.01,
            max_compaction_lag_ms=200,
        )
        written = marks(300, keys=10)
        for at in range(0, 300, 100):
            await kafka.produce(around.topic, *map(record, written[at : at + 100]))
        async with asyncio.timeout(30):
            while len(await kafka.read(around.topic)) > 250:  # compaction comes when it comes
                await kafka.produce(around.topic, record(Mark("k99", 0)))
        await around.member()
        await around.done()
        answers = await around.marks(around.out)
        left = set(await around.marks(around.topic))

    assert set() == left - set(answers)
    assert set(answers) <= {*written, Mark("k99", 0)}
    assert [] == disorder(answers)
    assert len(answers) < 300


async def test_retention_that_overtakes_a_held_partition_stops_the_source(
    kafka: Kafka, tmp_path: Path
) -> None:
    """Exit status 1, and a text that names the offsets; going on is an operator's choice."""
    async with world(kafka, tmp_path, partitions=1) as around:
        await around.give(marks(400, keys=20))
        around.model.behave(lambda key, number: "busy")
        held = await around.member({"max_fetch_bytes": 2000})
        await around.model.wait_for(2 * WINDOW)
        await kafka.delete_records(around.topic, 0, before=350)
        around.model.behave(well)
        status = await held.ended()
        told = held.log()
        on = await around.member({"on_out_of_range": "earliest"})
        await around.done()
        answered = set(await around.marks(around.out))
        committed = await kafka.committed(around.group)

    given = around.given
    assert 1 == status
    assert "is not there, only 350 to 400" in told
    assert "Traceback" not in told
    assert set(given[:WINDOW]) | set(given[350:]) <= answered
    assert {(around.topic, 0): 400} == committed
    assert '"records are lost' in on.log()
    assert '"going_on_at": 350' in on.log()


async def test_odd_records_are_letters_and_the_others_are_answered(
    kafka: Kafka, tmp_path: Path
) -> None:
    """Null values, repeated headers, bytes that are no text: refused as they came, or taken."""
    good = record(Mark("k1", 0)).headers
    odd = [
        Record(key=b"k1", value=None, headers=(("ce_specversion", b"9.9"),)),
        Record(key=b"\xff\xfe", value=b"\xff", headers=(*good[:1], ("ce_id", b"\xff\xfe"))),
        Record(key=b"k1", value=b"{", headers=(("content-type", b"application/cloudevents+json"),)),
        Record(key=None, value=b"x", headers=(*good, ("ce_id", b"again"), ("ce_id", None))),
        Record(key=None, value=None),
    ]
    async with world(kafka, tmp_path) as around:
        for begin in range(0, 20, 4):
            await around.give(marks(80, keys=20, begin=begin))
            await kafka.produce(around.topic, odd[begin // 4])
        await around.member({"decode": "cloudevents"})
        verdict = await around.finished()
        letters = await kafka.read(around.dead)

    assert (400, 0) == (verdict.answered, verdict.duplicates)
    assert {(each.key, each.value) for each in odd} == {(each.key, each.value) for each in letters}


class _Told:
    """Keeps the partitions that a consumer is given."""

    def __init__(self) -> None:
        self.assigned_to = asyncio.Event()

    async def assigned(self, partitions: Sequence[Partition]) -> None:
        if partitions:
            self.assigned_to.set()

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        """Nothing was taken."""


async def test_a_topic_that_is_made_later_is_found(kafka: Kafka) -> None:
    """A consumer is up without it, and has its partitions soon after it is there."""
    topic, told = fresh("later"), _Told()
    consumer = KafkaConsumer(
        KafkaClientOptions(bootstrap_servers=kafka.bootstrap),
        topics=(topic,),
        group_id=fresh("later"),
        session_timeout_seconds=5,
        rebalance_timeout_seconds=5,
        max_fetch_bytes=1024,
        isolation_level="read_committed",
        metadata_seconds=0.5,
    )

    try:
        async with asyncio.timeout(30):
            await consumer.start(told)
            consumer.check()
            await kafka.create_topic(topic)
            await told.assigned_to.wait()
            consumer.check()
    finally:
        await consumer.stop()


async def test_a_hung_model_costs_no_memory(kafka: Kafka, tmp_path: Path) -> None:
    """Large records wait in the topic, and not in the process."""
    async with world(kafka, tmp_path, partitions=2) as around:
        around.model.behave(lambda key, number: "hang")
        row = b'{"data": {"ndarray": [[%d, 0]]}, "padding": "' + b"x" * 1_000_000 + b'"}'
        headers = record(Mark("k0", 0)).headers
        for at in range(0, 120, 20):
            large = (
                Record(key=b"%d" % n, value=row % n, headers=headers) for n in range(at, at + 20)
            )
            await kafka.produce(around.topic, *large)
        member = await around.member()
        await around.model.wait_for(8)
        sizes = []
        for _ in range(10):
            await asyncio.sleep(0.2)  # what would grow, grows while it waits
            sizes.append(member.metric("process_resident_memory_bytes"))

    assert max(sizes) < 120 * 1024 * 1024, sizes
