"""`bridge dead` on a real Kafka: listed, shown, and put back once, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.fakes_cli import COMMAND, Ended, bridge, serving
from tests.fakes_kafka import event_headers
from tests.fakes_letters import file_with, letter
from tests.services.kafka import Kafka, fresh
from tests.services.kafka_records import Record
from tests.services.process import Process
from tests.services.receiver import Answer, receiving

SECONDS = 60.0


class Topics:
    """A topic of orders, that of its dead letters, and the file that names both."""

    def __init__(self, kafka: Kafka, folder: Path) -> None:
        self.kafka = kafka
        self.orders, self.dead = fresh("orders"), fresh("orders.dead")
        self.file = file_with(folder, kafka.bootstrap, topic=self.orders, dead=self.dead)

    async def create(self, *letters: Record, partitions: int = 1) -> None:
        await self.kafka.create_topic(self.orders, 3)
        await self.kafka.create_topic(self.dead, partitions)
        await self.kafka.produce(self.dead, *letters)

    async def run(self, command: str, *argv: object) -> Ended:
        """Return how `bridge dead` ended."""
        return await asyncio.to_thread(bridge, "dead", command, self.file, *argv)

    async def replay(self, *argv: object) -> dict[str, Any]:
        """Return what a replay told, with its exit status."""
        ended = await self.run("replay", "--yes", "--output", "json", *argv)
        return {"status": ended.status, **json.loads(ended.out or "{}"), "said": ended.err}

    async def numbers(self) -> list[int]:
        """Return the number of each order there is, sorted."""
        return sorted(json.loads(each.value)["number"] for each in await self.back())

    async def back(self) -> list[Record]:
        """Return each order there is."""
        return await self.kafka.read(self.orders)


def thirty(topic: str) -> list[Record]:
    """Return thirty letters of three errors, in three partitions."""
    return [letter(number, topic, partition=number % 3) for number in range(30)]


async def test_letters_are_listed_filtered_and_shown(kafka: Kafka, tmp_path: Path) -> None:
    """What a person and a program are told is what the headers say."""
    made = Topics(kafka, tmp_path)
    await made.create(*thirty(made.orders), Record(value=b"no letter", partition=0), partitions=3)

    text = await made.run("list")
    lines = await made.run("list", "--output", "json", "--limit", 4)
    odd = await made.run("list", "--output", "json", "--error", "rejected", "--text", "IS ODD")
    window = await made.run(
        *("list", "--output", "json", "--since", "2026-01-31T12:10:00Z"),
        *("--until", "2026-01-31T13:15:00+01:00", "--key", "k2"),
    )
    nothing = await made.run("list", "--pipeline", "orders", "--since", "1s")
    shown = await made.run("show", "1/3")
    program = await made.run("show", "1/3", "--output", "json")
    beyond = await made.run("show", "1/10")

    assert (0, "") == (text.status, text.err)
    assert f"{made.dead}: 30 dead letters" in text.out
    assert "1  records that are no dead letters" in text.out
    assert f"{made.orders}/0/29" in text.out
    assert 4 == len(lines.out.splitlines())
    assert ["3", "9", "15", "21", "27"] == [
        str(json.loads(line)["from"]["offset"]) for line in odd.out.splitlines()
    ]
    assert [12] == [json.loads(line)["from"]["offset"] for line in window.out.splitlines()]
    assert f"{made.dead}: 0 dead letters" in nothing.out
    assert '  "number": 10\n' in shown.out
    assert "bridge-error-text: model: no" in shown.out
    assert '{"number": 10}' == json.loads(program.out)["value"]
    assert (1, f"{made.dead}/1/10: no record there\n") == (beyond.status, beyond.err)


async def test_a_dry_run_changes_nothing(kafka: Kafka, tmp_path: Path) -> None:
    """It says what would go where; no order is written and no progress is kept."""
    made = Topics(kafka, tmp_path)
    await made.create(*thirty(made.orders), partitions=3)

    ended = await made.run("replay", "--dry-run", "--error", "decode")
    unasked = await made.run("replay")

    assert (0, "") == (ended.status, ended.err)
    assert 10 == ended.out.count(f"to {made.orders}")
    assert "30 letters looked at: 10 would be put back, 0 left, 20 passed by" in ended.out
    assert (2, "nobody can be asked here: expected --yes, or --dry-run\n") == (
        unasked.status,
        unasked.err,
    )
    assert [] == await made.back()
    assert {} == await kafka.committed(f"{made.dead}.replay")


async def test_what_matches_is_put_back_once_as_it_was(kafka: Kafka, tmp_path: Path) -> None:
    """A second replay finds nothing; key, value and headers are those of the original."""
    made = Topics(kafka, tmp_path)
    await made.create(*thirty(made.orders), partitions=3)

    first = await made.replay("--error", "transform")
    again = await made.replay("--error", "transform")
    everything = await made.replay()
    anew = await made.replay("--from-start", "--error", "decode", "--limit", 2)

    assert (0, 10, 20) == (first["status"], first["put_back"], first["passed"]), first
    assert (0, 0, 0) == (again["status"], again["put_back"], again["read"]), again
    assert (0, 0, 0) == (everything["status"], everything["put_back"], everything["read"])
    assert (0, 2) == (anew["status"], anew["put_back"]), anew
    back = {json.loads(each.value)["number"]: each for each in await made.back()}
    assert [1, 2, 4, 5, 7, 10, 13, 16, 19, 22, 25, 28] == sorted(back)
    assert (b"k3", b'{"number": 13}') == (back[13].key, back[13].value)
    assert (("trace", b"t13"), ("empty", None), ("bridge-redrives", b"1")) == back[13].headers
    ends = {(made.dead, at): end for at, end in (await kafka.end_offsets(made.dead)).items()}
    group = await kafka.committed(f"{made.dead}.replay")
    assert group.keys() == ends.keys()


async def test_a_replay_that_is_killed_goes_on_where_it_was(kafka: Kafka, tmp_path: Path) -> None:
    """After SIGKILL nothing is missing, and no more is there twice than was under way."""
    made = Topics(kafka, tmp_path)
    await made.create(*(letter(number, made.orders) for number in range(100)))

    command = [*COMMAND, "dead", "replay", str(made.file), "--yes", "--rate", "10"]
    with Process(command, output=tmp_path / "killed.log") as process:
        while len(await made.back()) < 20:
            assert process.ended(0) is None, process.tail()
        process.interrupt(9)
    killed_at = len(await made.back())
    rest = await made.replay()

    counts = Counter(await made.numbers())
    assert killed_at < 100
    assert 0 == rest["status"], rest
    assert set(range(100)) == counts.keys()
    assert counts.total() - 100 <= 10, counts


async def test_order_of_a_key_stays(kafka: Kafka, tmp_path: Path) -> None:
    """Letters of one partition are put back in their order, key by key."""
    made = Topics(kafka, tmp_path)
    await made.create(*(letter(number, made.orders) for number in range(300)))

    told = await made.replay()

    by_key: dict[bytes | None, list[int]] = {}
    for each in await made.back():
        by_key.setdefault(each.key, []).append(json.loads(each.value)["number"])
    assert 300 == told["put_back"], told
    assert 5 == len(by_key)
    assert all(numbers == sorted(numbers) for numbers in by_key.values())


async def test_letters_that_arrive_meanwhile_are_not_taken(kafka: Kafka, tmp_path: Path) -> None:
    """A replay ends where the topic ended when it began, even if each order fails at once."""
    made = Topics(kafka, tmp_path)
    await made.create(*(letter(number, made.orders) for number in range(20)))

    command = [*COMMAND, "dead", "replay", str(made.file), "--yes", "--rate", "10"]
    with Process(command, output=tmp_path / "replay.log") as process:
        while not await made.back():
            assert process.ended(0) is None, process.tail()
        await kafka.produce(made.dead, *(letter(at, made.orders) for at in range(20, 30)))
        status = await asyncio.to_thread(process.ended, SECONDS)
    next_one = await made.replay()

    assert 0 == status, process.tail()
    assert list(range(30)) == await made.numbers()
    assert 10 == next_one["put_back"], next_one


async def test_letters_that_cannot_go_back_are_left_and_named(kafka: Kafka, tmp_path: Path) -> None:
    """Too often back, without a value, of nobody's topic: left with their reason, others go."""
    made = Topics(kafka, tmp_path)
    await made.create(
        letter(0, made.orders, redrives=3),
        letter(1, made.orders, redrives=2),
        letter(2, made.orders, without_value=True),
        letter(3, None),
        letter(4, "somebody-elses"),
        letter(5, made.dead),
        letter(6, made.orders),
    )
    other = await kafka.create_topic(fresh("other"))

    told = await made.replay()
    elsewhere = await made.replay("--from-start", "--to", other, "--max-redrives", 9)
    round_and_round = await made.replay("--from-start", "--to", made.dead)

    assert 1 == told["status"]
    assert [1, 6] == await made.numbers()
    assert {"max_redrives": 1, "no_value": 1, "no_topic": 1, "other_topic": 2} == told["left"]
    assert {"letter": "0/0", "why": "was put back 3 times already"} in told["letters_left"]
    assert (1, 6, {"no_value": 1}) == (
        elsewhere["status"],
        elsewhere["put_back"],
        elsewhere["left"],
    )
    assert 6 == len(await kafka.read(other))
    assert 2 == round_and_round["status"]
    assert "is the topic of the dead letters" in round_and_round["said"]


async def test_a_cluster_that_asks_who_we_are_is_told(kafka: Kafka, tmp_path: Path) -> None:
    """Over TLS and with SCRAM: the credentials are the dead letter's own, and never shown."""
    made = Topics(kafka, tmp_path)
    await made.create(letter(0, made.orders), letter(1, made.orders))
    secured = kafka.secured
    reached = {
        "tls": {"ca_file": str(secured.ca)},
        "sasl": {"username": secured.user, "password": "${PASSWORD}"},
    }
    file_with(
        tmp_path,
        secured.sasl_tls,
        topic=made.orders,
        dead=made.dead,
        source=reached,
        dead_letter=reached,
    )

    def run(password: str, *argv: object) -> Ended:
        return bridge(*argv, environment={"PASSWORD": password})

    replayed = await asyncio.to_thread(
        run, secured.password, "dead", "replay", made.file, "--yes", "--output", "json"
    )
    lag = await asyncio.to_thread(run, secured.password, "lag", made.file, "--output", "json")
    wrong = await asyncio.to_thread(run, "wrong-horse", "dead", "list", made.file)

    assert (0, "") == (replayed.status, replayed.err)
    assert 2 == json.loads(replayed.out)["put_back"]
    assert (0, 3) == (lag.status, len(lag.out.splitlines())), lag
    assert 1 == wrong.status
    assert "authentication" in wrong.err.lower()
    assert "wrong-horse" not in wrong.err


def at_a_terminal(file: Path, answer: bytes) -> tuple[int, str]:
    """Return how a replay ended that was answered so, and what the terminal showed."""
    ours, theirs = pty.openpty()
    try:
        command = [*COMMAND, "dead", "replay", str(file)]
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # what a terminal says when nobody writes any more
            while chunk := os.read(ours, 4096):
                shown += chunk
                if b"[y/N]" in shown and answer:
                    os.write(ours, answer)
                    answer = b""
        return process.wait(SECONDS), shown.decode()
    finally:
        os.close(ours)


async def test_a_person_is_asked(kafka: Kafka, tmp_path: Path) -> None:
    """Told how many; after no, nothing has happened; after yes, all are back."""
    made = Topics(kafka, tmp_path)
    await made.create(*(letter(number, made.orders) for number in range(5)))

    refused = await asyncio.to_thread(at_a_terminal, made.file, b"n\n")
    nothing = await made.back()
    agreed = await asyncio.to_thread(at_a_terminal, made.file, b"y\n")

    assert 0 == refused[0]
    assert "Put back 5 of 5? [y/N]" in refused[1]
    assert [] == nothing
    assert 0 == agreed[0], agreed
    assert "5 letters looked at: 5 put back, 0 left, 0 passed by" in agreed[1]
    assert 5 == len(await made.back())


async def test_only_one_replay_at_a_time(kafka: Kafka, tmp_path: Path) -> None:
    """A second one is refused while the first is at work: no letter goes twice."""
    made = Topics(kafka, tmp_path)
    await made.create(*(letter(number, made.orders) for number in range(400)))

    command = [*COMMAND, "dead", "replay", str(made.file), "--yes", "--rate", "10"]
    with Process(command, output=tmp_path / "first.log") as process:
        while not await made.back():
            assert process.ended(0) is None, process.tail()
        second = await made.replay()
        status = await asyncio.to_thread(process.interrupt)

    numbers = await made.numbers()
    assert (1, True) == (second["status"], "another replay is at work" in second["said"]), second
    assert 1 == status  # stopped by a signal: not all is back
    assert len(set(numbers)) == len(numbers)


async def test_a_poison_is_not_replayed_for_ever(kafka: Kafka, tmp_path: Path) -> None:
    """An event that a running bridge refuses again and again is put back as often as allowed."""
    made = Topics(kafka, tmp_path)
    await made.create()
    await kafka.create_topic(f"{made.orders}.out")
    no = Answer(status=400, headers={"Content-Type": "application/json"}, body=b'{"error": "no"}')
    async with receiving(no) as model:
        file_with(
            tmp_path,
            kafka.bootstrap,
            topic=made.orders,
            dead=made.dead,
            model=model.url,
            admin={"host": "127.0.0.1", "port": 0},
            lifecycle={"shutdown_delay_seconds": 0},
            log={"format": "console"},
        )
        poison = Record(
            value=b'{"ndarray": [[666]]}',
            key=b"k",
            headers=(*event_headers("poison"), ("content-type", b"application/json")),
        )
        await kafka.produce(made.orders, poison)

        with serving(tmp_path / "bridge.log", "run", made.file):
            told = []
            for letters in (1, 2, 3):
                await kafka.read(made.dead, at_least=letters, seconds=SECONDS)
                told.append(await made.replay("--max-redrives", 2))

    assert [1, 1, 0] == [each["put_back"] for each in told], told
    assert [0, 0, 1] == [each["status"] for each in told], told
    assert {"max_redrives": 1} == told[-1]["left"]
    assert [poison.value] * 3 == [each.value for each in await made.back()]
    assert [None, b"1", b"2"] == [
        dict(each.headers).get("bridge-redrives") for each in await kafka.read(made.dead)
    ]
