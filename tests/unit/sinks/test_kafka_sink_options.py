"""The Kafka sink before it meets a broker; `tests/integration/test_kafka_sink.py` has the rest."""

from __future__ import annotations

import sys
from subprocess import run

import pytest
from pydantic import ValidationError

from bridge.codecs import kafka as codec
from bridge.codecs import letters
from bridge.core.errors import ConfigError, Rejected, Unavailable
from bridge.core.event import Event, Letter, Origin, Record
from bridge.sinks.kafka import KafkaSink, KafkaSinkOptions
from tests.fakes_producer import FakeProducer

EVENT = Event.of(id="1", source="/", type="t", data=b"{}", datacontenttype="application/json")


def options(**changed: object) -> KafkaSinkOptions:
    given = {"bootstrap_servers": "kafka:9092", "topic": "out", **changed}
    return KafkaSinkOptions.model_validate(given)


def letter(value: bytes | None, text: str = "no") -> Letter:
    record = Record("in", 1, 2, b"k", value, (("a", b"1"),))
    return Letter(
        EVENT.attributes, value, Origin("kafka", record=record), Rejected(text), "iris", 1
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"topic": ""},
        {"topic": "no spaces"},
        {"topic": "x" * 250},
        {"content_mode": "auto"},
        {"compression": "brotli"},
        {"max_record_bytes": 0},
        {"timeout_seconds": 0},
        {"acks": 1},
        {"sasl": {"mechanism": "PLAIN", "username": "u", "password": "p"}},
    ],
)
def test_options_that_cannot_work_are_no_options(wrong: dict[str, object]) -> None:
    """Among them every way to be told of an arrival too early."""
    with pytest.raises(ValidationError):
        options(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"bootstrap_servers": "kafka"},
        {"tls": {"ca_file": "/nowhere/ca.pem"}},
        {"tls": {}, "sasl": {"username": "u", "password_file": "/nowhere/password"}},
    ],
)
def test_what_cannot_work_is_found_when_the_sink_is_built(wrong: dict[str, object]) -> None:
    """Not at the first event, which would be held for ever."""
    with pytest.raises(ConfigError):
        KafkaSink(options(**wrong))


def test_the_password_is_a_secret() -> None:
    """It is in no `repr`, neither of the options nor of the sink's parts."""
    given = options(sasl={"username": "u", "password": "hush"})

    assert "hush" not in repr(given)


def test_a_file_that_names_no_kafka_costs_no_aiokafka() -> None:
    """Building a sink imports what an option class needs; the client comes with the first event."""
    script = "import sys, bridge.sinks.kafka; sys.exit('aiokafka' in sys.modules)"

    assert 0 == run([sys.executable, "-c", script], check=False).returncode


async def test_an_event_is_one_record() -> None:
    """Its form and key are the sink's, its topic the option's."""
    producer = FakeProducer("out")
    async with KafkaSink(options(), producer=producer) as sink:
        await sink.send(EVENT.replace(partitionkey="k"))

    [sent] = producer.records
    assert ("out", b"k", b"{}") == (sent.topic, sent.key, sent.value)
    assert EVENT.replace(partitionkey="k") == codec.decode(sent.headers, sent.value)


async def test_an_outage_passes_on() -> None:
    """The sink tries nothing again itself: `retry` and the source do."""
    producer = FakeProducer("out", down=1)
    async with KafkaSink(options(), producer=producer) as sink:
        with pytest.raises(Unavailable):
            await sink.send(EVENT)
        await sink.send(EVENT)

    assert 1 == len(producer.records)


async def test_a_response_that_is_too_large_is_refused() -> None:
    """Only a letter goes without its value."""
    async with KafkaSink(options(), producer=FakeProducer("out", limit=1)) as sink:
        with pytest.raises(Rejected):
            await sink.send(EVENT)


async def test_a_letter_that_is_too_large_goes_without_its_value() -> None:
    """And says how long it was."""
    producer = FakeProducer("out", limit=10)
    async with KafkaSink(options(), producer=producer) as sink:
        await sink.send(letter(b"x" * 11))
        await sink.send(letter(b"x" * 10))

    assert [None, b"x" * 10] == [sent.value for sent in producer.records]
    assert (letters.VALUE_BYTES, b"11") in producer.records[0].headers


async def test_an_outage_of_a_letter_is_no_reason_to_leave_its_value_out() -> None:
    """It is held, and goes whole."""
    producer = FakeProducer("out", down=1)
    async with KafkaSink(options(), producer=producer) as sink:
        with pytest.raises(Unavailable):
            await sink.send(letter(b"x"))

    assert [] == producer.records


async def test_leaving_closes_and_ping_asks_for_the_topic() -> None:
    """Twice is no error."""
    producer = FakeProducer("other")
    async with KafkaSink(options(), producer=producer) as sink:
        with pytest.raises(Unavailable, match="no topic 'out'"):
            await sink.ping()
        await sink.__aexit__(None, None, None)

    assert 2 == producer.closed
