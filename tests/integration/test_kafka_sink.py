"""The Kafka sink on a real Kafka, read by somebody else: forms, keys, limits, outages, secrets."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer

from bridge.codecs import kafka as codec
from bridge.codecs import letters
from bridge.config.kafka import KafkaClientOptions
from bridge.core.errors import Rejected, Unavailable
from bridge.core.event import Event, Letter, Origin
from bridge.core.event import Record as Came
from bridge.sinks.kafka import KafkaSink, KafkaSinkOptions
from bridge.transports.kafka import Partition
from bridge.transports.kafka.consumer import KafkaConsumer
from bridge.transports.kafka.producer import KafkaProducer
from tests.services.kafka import Kafka, fresh
from tests.services.kafka_records import Record

MODES = ["binary", "structured"]

EVENT = Event.of(
    id="1",
    source="/seldon/iris",
    type="seldon.iris.response",
    subject="é %41",
    time="2026-11-21T09:50:59.168429026+01:00",
    datacontenttype="application/json",
    data=b'{"n": 1.0e0}',
)


def sink(broker: Kafka, topic: str, **options: object) -> KafkaSink:
    """Return a sink to *topic*."""
    given = {"bootstrap_servers": broker.bootstrap, "topic": topic, **options}
    return KafkaSink(KafkaSinkOptions.model_validate(given), chance=random.Random(1))


def numbered(count: int, data: bytes = b"{}", **attributes: str) -> list[Event]:
    """Return *count* events that differ by id."""
    return [
        Event.of(id=str(number), source="/", type="t", data=data, **attributes)
        for number in range(count)
    ]


def of_record(event: Event, record: Came) -> Event:
    """Return *event* as it would be, had it come in *record*."""
    return Event(event.attributes, event.data, Origin("kafka", record=record))


async def ids(broker: Kafka, topic: str) -> list[str]:
    """Return the ids of the events in *topic*, by partition and offset."""
    found = await broker.read(topic)
    return [codec.decode(record.headers, record.value).id for record in found]


async def test_binary_is_headers_and_the_very_bytes(kafka: Kafka) -> None:
    """Kafka binding 3.2: `ce_` headers in UTF-8, content-type, and the data untouched."""
    topic = await kafka.create_topic(fresh("binary"))
    async with sink(kafka, topic) as sent:
        await sent.send(EVENT)

    [record] = await kafka.read(topic)
    assert b'{"n": 1.0e0}' == record.value
    assert record.key is None
    assert {
        "ce_specversion": b"1.0",
        "ce_id": b"1",
        "ce_source": b"/seldon/iris",
        "ce_type": b"seldon.iris.response",
        "ce_subject": "é %41".encode(),
        "ce_time": b"2026-11-21T09:50:59.168429026+01:00",
        "content-type": b"application/json",
    } == dict(record.headers)


async def test_structured_is_one_json_value(kafka: Kafka) -> None:
    """Kafka binding 3.3: content-type names the mode, the value is the whole event."""
    topic = await kafka.create_topic(fresh("structured"))
    async with sink(kafka, topic, content_mode="structured") as sent:
        await sent.send(EVENT)

    [record] = await kafka.read(topic)
    assert (("content-type", b"application/cloudevents+json; charset=utf-8"),) == record.headers
    assert {**EVENT.attributes, "data": {"n": 1.0}} == json.loads(record.value or b"")


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_any_reader_unpacks_what_is_packed(kafka: Kafka, compression: str) -> None:
    """Each way of packing is one that Kafka's clients know."""
    topic = await kafka.create_topic(fresh("packed"))
    events = numbered(50, b"x" * 1000)
    async with sink(kafka, topic, compression=compression) as sent:
        await asyncio.gather(*map(sent.send, events))

    found = await kafka.read(topic)
    assert events == sorted(
        (codec.decode(record.headers, record.value) for record in found),
        key=lambda event: int(event.id),
    )


@pytest.mark.parametrize("mode", MODES)
async def test_no_data_and_no_key_is_a_record_all_the_same(kafka: Kafka, mode: str) -> None:
    """A binary event without data and key is a record with neither: Kafka takes it."""
    topic = await kafka.create_topic(fresh("nothing"), partitions=3)
    event = Event.of(id="1", source="/", type="t")
    async with sink(kafka, topic, content_mode=mode) as sent:
        await asyncio.gather(*(sent.send(event) for _ in range(5)))

    found = await kafka.read(topic)
    assert [event] * 5 == [codec.decode(record.headers, record.value) for record in found]
    assert {None} == {record.key for record in found}
    assert (mode == "binary") is (found[0].value is None)


@pytest.mark.parametrize(
    ("partitionkey", "key", "expected"),
    [
        ("own", b"record's", b"own"),
        ("own", None, b"own"),
        ("é", None, "é".encode()),
        (None, b"record's", b"record's"),
        (None, b"\xff\x00", b"\xff\x00"),
        ("/wA=", b"\xff\x00", b"\xff\x00"),
        (None, b"", b""),
        (None, None, None),
    ],
)
async def test_the_key_is_the_events_own_or_its_records(
    kafka: Kafka, partitionkey: str | None, key: bytes | None, expected: bytes | None
) -> None:
    """`partitionkey`, else the key the event came with; base64 of that key is that key."""
    topic = await kafka.create_topic(fresh("keys"))
    event = of_record(EVENT.replace(partitionkey=partitionkey), Came("in", 0, 7, key, b"in"))
    async with sink(kafka, topic) as sent:
        await sent.send(event)

    [record] = await kafka.read(topic)
    assert expected == record.key
    assert event == codec.decode(record.headers, record.value)


async def test_a_key_with_no_data_is_a_tombstone(kafka: Kafka) -> None:
    """On a compacted topic a null value takes the key away: no data must not become empty data."""
    topic = await kafka.create_topic(fresh("tombstone"), cleanup_policy="compact")
    async with sink(kafka, topic) as sent:
        await sent.send(Event.of(id="1", source="/", type="t", partitionkey="k"))

    [record] = await kafka.read(topic)
    assert (b"k", None) == (record.key, record.value)


async def test_keys_have_the_partitions_that_other_clients_give_them(kafka: Kafka) -> None:
    """A key's records from here and from elsewhere are in one partition, so in one order."""
    topic = await kafka.create_topic(fresh("murmur"), partitions=7)
    keys = [f"key-{'x' * (number % 9)}{number}" for number in range(100)]
    async with sink(kafka, topic) as sent:
        for key in keys:
            await sent.send(EVENT.replace(partitionkey=key))
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as elsewhere:
        for key in keys:
            await elsewhere.send_and_wait(topic, b"", key=key.encode())

    places: dict[bytes | None, set[int | None]] = {}
    for record in await kafka.read(topic):
        places.setdefault(record.key, set()).add(record.partition)
    assert {1} == {len(partitions) for partitions in places.values()}
    assert len(keys) == len(places)


async def test_a_record_beyond_our_limit_is_refused_for_good(kafka: Kafka) -> None:
    """The text says how large it is, what the limit is and which option; others are not held up."""
    topic = await kafka.create_topic(fresh("limit"))
    async with sink(kafka, topic, max_record_bytes=1000) as sent:
        with pytest.raises(Rejected, match=r"the record has 11\d\d bytes.*1000.*max_record_bytes"):
            await sent.send(*numbered(1, b"x" * 1000))
        await sent.send(EVENT)

    assert ["1"] == await ids(kafka, topic)


@pytest.mark.parametrize("idempotent", [True, False])
async def test_a_record_beyond_the_topics_limit_is_refused_for_good(
    kafka: Kafka, idempotent: bool
) -> None:
    """The broker's word; what was on its way beside it arrives, and so does what comes next."""
    topic = await kafka.create_topic(fresh("topic-limit"), max_message_bytes=2000)
    large = Event.of(id="large", source="/", type="t", data=b"x" * 3000)
    async with sink(kafka, topic, idempotent=idempotent) as sent:
        small = numbered(20)
        said = await asyncio.gather(*map(sent.send, [*small, large]), return_exceptions=True)
        await sent.send(EVENT.replace(id="next"))

    assert [None] * 20 == said[:20]
    assert isinstance(said[20], Rejected)
    assert "has 31" in str(said[20])
    assert "max.message.bytes" in str(said[20])
    assert sorted([*(event.id for event in small), "next"]) == sorted(await ids(kafka, topic))


async def test_many_that_fit_are_not_refused_together(kafka: Kafka) -> None:
    """The topic's limit counts for a batch: one too large is none of its records' fault."""
    topic = await kafka.create_topic(fresh("batches"), max_message_bytes=5000)
    events = numbered(200, b"x" * 500)
    async with sink(kafka, topic) as sent:
        await asyncio.gather(*map(sent.send, events))

    assert {event.id for event in events} == set(await ids(kafka, topic))


async def test_what_a_topic_does_not_take_is_refused_for_good(kafka: Kafka) -> None:
    """No key where the topic is compacted: no other try would change that."""
    topic = await kafka.create_topic(fresh("compacted"), cleanup_policy="compact")
    async with sink(kafka, topic) as sent:
        with pytest.raises(Rejected, match="a compacted topic, for one, takes none without a key"):
            await sent.send(EVENT)
        await sent.send(EVENT.replace(partitionkey="k"))

    assert ["1"] == await ids(kafka, topic)


async def test_a_topic_that_is_not_there_is_an_outage(kafka: Kafka) -> None:
    """It may be made any moment; the text names it, and then the event goes."""
    topic = fresh("missing")
    async with sink(kafka, topic, timeout_seconds=1.0) as sent:
        with pytest.raises(Unavailable, match=f"no topic '{topic}' within 1 s"):
            await sent.send(EVENT)
        with pytest.raises(Unavailable, match=f"no topic '{topic}'"):
            await sent.ping()
        await kafka.create_topic(topic)
        await sent.ping()
        await sent.send(EVENT)

    assert ["1"] == await ids(kafka, topic)


# Dead letters


def letter(record: Came | None) -> Letter:
    """Return what a dead letter sink is sent."""
    error = Rejected("model: no")
    origin = Origin("kafka", record=record)
    return Letter(EVENT.attributes, EVENT.data, origin, error, "iris", 1_600_000_000_000_000_000)


async def test_a_letter_is_the_record_as_it_came(kafka: Kafka) -> None:
    """Value, key and headers to the byte: repeats, nulls and what is no UTF-8 as well."""
    topic = await kafka.create_topic(fresh("dead"))
    headers = (("a", b"1"), ("a", None), ("a", b"2"), ("ce_id", b"\xff\xfe"), ("", b""))
    record = Came("in", 3, 42, b"\xff\x00", b"\x00no json", headers, 1_600_000_000_123)
    async with sink(kafka, topic, content_mode="structured") as sent:
        await sent.send(letter(record))

    [found] = await kafka.read(topic)
    assert (record.key, record.value) == (found.key, found.value)
    assert headers == found.headers[: len(headers)]
    told = letters.decode(as_came(topic, found))
    assert ("in", 3, 42, "model: no") == (told.topic, told.partition, told.offset, told.error_text)


async def test_a_letter_of_an_empty_record_is_one(kafka: Kafka) -> None:
    """Neither key nor value: it is told of nevertheless."""
    topic = await kafka.create_topic(fresh("dead"))
    async with sink(kafka, topic) as sent:
        await sent.send(letter(Came("in", 0, 1)))

    [found] = await kafka.read(topic)
    assert (None, None) == (found.key, found.value)
    assert "in" == letters.decode(as_came(topic, found)).topic


async def test_a_letter_from_elsewhere_keeps_its_key(kafka: Kafka) -> None:
    """An event that came over HTTP goes as a binary event, in the order of its partitionkey."""
    topic = await kafka.create_topic(fresh("dead"))
    http = letter(None)
    http = replace(http, attributes={**http.attributes, "partitionkey": "k"})
    async with sink(kafka, topic) as sent:
        await sent.send(http)

    [found] = await kafka.read(topic)
    assert (b"k", EVENT.data) == (found.key, found.value)


@pytest.mark.parametrize("whose", ["ours", "the topic's"])
async def test_a_letter_that_is_too_large_goes_without_its_value(kafka: Kafka, whose: str) -> None:
    """Better told of without its value than held for ever: it says where the value is."""
    topic = await kafka.create_topic(
        fresh("dead"), **({"max_message_bytes": 3000} if whose == "the topic's" else {})
    )
    limit = {"max_record_bytes": 3000} if whose == "ours" else {}
    record = Came("in", 3, 42, b"k", b"x" * 5000, (("a", b"1"),))
    async with sink(kafka, topic, **limit) as sent:
        await sent.send(letter(record))

    [found] = await kafka.read(topic)
    assert (b"k", None, ("a", b"1")) == (found.key, found.value, found.headers[0])
    assert 5000 == letters.decode(as_came(topic, found)).value_bytes


async def test_a_letter_that_is_too_large_even_so_is_refused(kafka: Kafka) -> None:
    """Headers alone beyond the limit: nothing smaller can be made of it."""
    topic = await kafka.create_topic(fresh("dead"))
    record = Came("in", 3, 42, b"k", b"x", (("a", b"x" * 5000),))
    async with sink(kafka, topic, max_record_bytes=3000) as sent:
        with pytest.raises(Rejected, match="max_record_bytes"):
            await sent.send(letter(record))

    assert [] == await kafka.read(topic)


def as_came(topic: str, record: Record) -> Came:
    """Return *record*, read by the tests' reader, as a source has it."""
    return Came(topic, 0, 0, record.key, record.value, record.headers)


# Outages


async def test_brokers_that_are_not_there_are_an_outage_that_names_them() -> None:
    """Entering is no error, sending is: Unavailable, at once, and the same for all who wait."""
    options = {"bootstrap_servers": "127.0.0.1:1,localhost:2", "topic": "t"}
    async with KafkaSink(KafkaSinkOptions.model_validate(options)) as sent:
        said = await asyncio.gather(*map(sent.send, numbered(5)), return_exceptions=True)

    assert {Unavailable} == {type(error) for error in said}
    assert all("kafka 127.0.0.1:1,localhost:2: no connection" in str(error) for error in said)
    assert "Connect call failed" in str(said[0])


async def test_first_events_share_one_connection(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred events at once make one producer, and one that is cancelled takes none with it."""
    begun: list[str] = []
    begin = KafkaProducer._begin

    async def counted(self: KafkaProducer) -> object:
        begun.append("once")
        return await begin(self)

    monkeypatch.setattr(KafkaProducer, "_begin", counted)
    topic = await kafka.create_topic(fresh("first"), partitions=3)
    async with sink(kafka, topic) as sent:
        sending = [asyncio.create_task(sent.send(event)) for event in numbered(100)]
        await asyncio.sleep(0)
        sending[0].cancel()
        said = await asyncio.gather(*sending, return_exceptions=True)

    assert isinstance(said[0], asyncio.CancelledError)
    assert [None] * 99 == said[1:]
    assert ["once"] == begun
    assert {str(number) for number in range(1, 100)} == set(await ids(kafka, topic))


async def test_an_event_outlasts_a_short_outage(own_kafka: Kafka) -> None:
    """A broker that is back within the time-out: numbered records are there once, in order."""
    topic = await own_kafka.create_topic(fresh("short"))
    async with sink(own_kafka, topic, timeout_seconds=60.0) as sent:
        await sent.send(EVENT.replace(id="before", partitionkey="k"))
        await own_kafka.stop()
        meanwhile = [
            asyncio.create_task(sent.send(event)) for event in numbered(20, partitionkey="k")
        ]
        await own_kafka.start()
        await asyncio.gather(*meanwhile)

    assert ["before", *map(str, range(20))] == await ids(own_kafka, topic)


async def test_an_outage_is_told_and_the_next_try_arrives(own_kafka: Kafka) -> None:
    """Down for longer than the time-out: Unavailable for each, held, then delivered once."""
    topic = await own_kafka.create_topic(fresh("long"))
    events = numbered(20, partitionkey="k")
    async with sink(own_kafka, topic, timeout_seconds=1.0) as sent:
        await sent.send(EVENT.replace(id="before", partitionkey="k"))
        await own_kafka.stop()
        said = await asyncio.gather(*map(sent.send, events), return_exceptions=True)
        again = await asyncio.gather(*map(sent.send, events), return_exceptions=True)
        await own_kafka.start()
        await asyncio.gather(*map(sent.send, events))

    assert {Unavailable} == {type(error) for error in [*said, *again]}
    assert "not acknowledged within 1 s" in str(said[0])
    assert ["before", *map(str, range(20))] == await ids(own_kafka, topic)


async def test_a_broker_that_hangs_is_an_outage(own_kafka: Kafka) -> None:
    """Connections open and nobody there: Unavailable in time, and leaving is not held up."""
    topic = await own_kafka.create_topic(fresh("hangs"))
    async with asyncio.timeout(20.0):
        async with sink(own_kafka, topic, timeout_seconds=0.5) as sent:
            await sent.send(EVENT)
            await own_kafka.freeze()
            for _ in range(2):
                with pytest.raises(Unavailable, match=r"within 0\.5 s"):
                    await sent.send(EVENT.replace(id="2"))
            waiting = asyncio.create_task(sent.send(EVENT.replace(id="3")))
            await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await waiting
    await own_kafka.start()


async def test_a_cancelled_event_leaves_the_sink_usable(own_kafka: Kafka) -> None:
    """A deadline that cancels in the middle: the next event arrives, behind it."""
    topic = await own_kafka.create_topic(fresh("cancelled"))
    async with sink(own_kafka, topic) as sent:
        await sent.send(EVENT.replace(id="before", partitionkey="k"))
        await own_kafka.freeze()
        cancelled = asyncio.create_task(sent.send(EVENT.replace(id="late", partitionkey="k")))
        done, _ = await asyncio.wait([cancelled], timeout=0.2)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        await own_kafka.start()
        await sent.send(EVENT.replace(id="next", partitionkey="k"))

    assert not done
    assert ["before", "late", "next"] == await ids(own_kafka, topic)


async def test_a_producer_that_cannot_go_on_is_made_anew(kafka: Kafka) -> None:
    """Records out of their numbers' order, as after a batch was refused: nobody notices."""
    topic = await kafka.create_topic(fresh("anew"))
    producer = KafkaProducer(
        KafkaClientOptions(bootstrap_servers=kafka.bootstrap),
        chance=random.Random(1),
        timeout_seconds=10.0,
    )
    await producer.send(topic, key=b"k", value=b"1", headers=())
    first = producer._session
    assert first is not None
    numbers = first._producer._txn_manager
    numbers.increment_sequence_number(Partition(topic, 0), 5)  # as if five had gone missing

    await producer.send(topic, key=b"k", value=b"2", headers=())
    await producer.send(topic, key=b"k", value=b"3", headers=())
    second = producer._session
    await producer.close()
    await producer.close()

    assert first.ended
    assert second is not first
    assert [b"1", b"2", b"3"] == [record.value for record in await kafka.read(topic)]


# Who we are


async def round_trip(options: dict[str, object], topic: str) -> list[bytes | None]:
    """Send an event and read the topic, both with *options*; return the values."""
    async with KafkaSink(KafkaSinkOptions.model_validate({**options, "topic": topic})) as sent:
        await sent.ping()
        await sent.send(EVENT)
    consumer = KafkaConsumer(
        KafkaClientOptions.model_validate(options),
        topics=(topic,),
        group_id=fresh("readers"),
        session_timeout_seconds=10.0,
        rebalance_timeout_seconds=10.0,
        max_fetch_bytes=1024,
        isolation_level="read_committed",
    )
    joined = Joined()
    try:
        await consumer.start(joined)
        await joined.there.wait()
        consumer.seek(Partition(topic, 0), 0)
        found = await consumer.fetch(Partition(topic, 0), 10)
        await consumer.commit({Partition(topic, 0): 1})
    finally:
        await consumer.stop()
    return [record.value for record in found]


class Joined:
    """Knows when the group has given out its partitions."""

    def __init__(self) -> None:
        self.there = asyncio.Event()

    async def assigned(self, partitions: Sequence[Partition]) -> None:
        self.there.set()

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        pass


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_a_password_over_tls_is_let_in_to_write_and_to_read(
    kafka: Kafka, mechanism: str
) -> None:
    """SASL_SSL: the password from the file, the brokers' certificate verified."""
    secured = kafka.secured
    topic = await kafka.create_topic(fresh("sasl"))
    password = secured.ca.with_name(fresh("password"))
    password.write_text(f"{secured.password}\n")

    found = await round_trip(
        {
            "bootstrap_servers": secured.sasl_tls,
            "tls": {"ca_file": str(secured.ca)},
            "sasl": {
                "mechanism": mechanism,
                "username": secured.user,
                "password_file": str(password),
            },
        },
        topic,
    )

    assert [EVENT.data] == found


async def test_a_certificate_is_let_in_to_write_and_to_read(kafka: Kafka) -> None:
    """mTLS: both ends show a certificate that the other trusts."""
    secured = kafka.secured
    topic = await kafka.create_topic(fresh("mtls"))

    found = await round_trip(
        {
            "bootstrap_servers": secured.mtls,
            "tls": {
                "ca_file": str(secured.ca),
                "cert_file": str(secured.certificate),
                "key_file": str(secured.key),
            },
        },
        topic,
    )

    assert [EVENT.data] == found


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_a_wrong_password_is_an_outage_that_says_so(
    kafka: Kafka, mechanism: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody may set it right; neither the text nor the log has the password."""
    secured = kafka.secured
    topic = await kafka.create_topic(fresh("wrong"))
    sasl = {"mechanism": mechanism, "username": secured.user, "password": "battery-staple"}
    options = {
        "bootstrap_servers": secured.sasl_tls,
        "tls": {"ca_file": str(secured.ca)},
        "sasl": sasl,
        "topic": topic,
    }
    async with KafkaSink(KafkaSinkOptions.model_validate(options)) as sent:
        with pytest.raises(Unavailable, match=r"(?i)authentication failed") as to_send:
            await sent.send(EVENT)
        with pytest.raises(Unavailable, match=r"(?i)authentication failed") as to_ping:
            await sent.ping()

    for said in (str(to_send.value), str(to_ping.value), caplog.text, str(sent.__dict__)):
        assert "battery-staple" not in said


async def test_a_broker_that_nobody_vouches_for_gets_nothing(kafka: Kafka) -> None:
    """A certificate of an unknown authority: Unavailable, and the text says why."""
    topic = await kafka.create_topic(fresh("unknown-authority"))
    options = {"bootstrap_servers": kafka.secured.tls, "tls": {}, "topic": topic}
    async with KafkaSink(KafkaSinkOptions.model_validate(options)) as sent:
        with pytest.raises(Unavailable, match="certificate verify failed"):
            await sent.send(EVENT)

    assert [] == await kafka.read(topic)


# Another implementation


@pytest.mark.parametrize("mode", MODES)
async def test_the_sdk_reads_what_we_write(kafka: Kafka, mode: str) -> None:
    """CloudEvents' own Python SDK, its Kafka binding, finds the mode and the same event."""
    from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka
    from cloudevents.core.formats.json import JSONFormat

    topic = await kafka.create_topic(fresh("sdk"))
    event = EVENT.replace(partitionkey="k", ext="é")
    async with sink(kafka, topic, content_mode=mode) as sent:
        await sent.send(event)

    [record] = await kafka.read(topic)
    message = KafkaMessage(
        {name: value or b"" for name, value in record.headers}, record.key, record.value or b""
    )
    read = from_kafka(message, JSONFormat())
    # Its times end with the microsecond.
    assert event.replace(time=None) == replace(
        Event.from_cloudevent(read).replace(time=None), data=EVENT.data
    )
    assert {"n": 1.0} == read.get_data()
    assert "2026-11-21 09:50:59.168429+01:00" == str(read.get_time())


@pytest.mark.parametrize("mode", MODES)
async def test_we_read_what_the_sdk_writes(kafka: Kafka, mode: str) -> None:
    """And the other way round, through the same topic."""
    from cloudevents.core.bindings import kafka as binding
    from cloudevents.core.formats.json import JSONFormat
    from cloudevents.core.v1.event import CloudEvent

    topic = await kafka.create_topic(fresh("sdk"))
    event = EVENT.replace(partitionkey="k", ext="é", time="2026-11-21T09:50:59.168429Z")
    attributes = event.to_cloudevent().get_attributes()
    write = binding.to_binary if mode == "binary" else binding.to_structured
    message = write(CloudEvent(attributes, {"n": 1.0}), JSONFormat())
    [written] = await kafka.produce(
        topic,
        Record(value=message.value, key=b"k", headers=tuple(message.headers.items())),
    )

    [record] = await kafka.read(topic)
    read = codec.decode(record.headers, record.value)
    assert event.attributes == read.attributes
    assert {"n": 1.0} == json.loads(read.data or b"")
    assert "k" == message.key
    assert written.value == record.value


async def test_brokers_that_cannot_number_records_are_told_apart(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small brokers answer so, as Tansu's: the text names the option that helps, and it does."""
    from aiokafka.errors import UnknownError
    from aiokafka.producer.sender import Sender

    async def refused(*_: object) -> None:
        raise UnknownError

    monkeypatch.setattr(Sender, "_do_init_pid", refused)
    topic = await kafka.create_topic(fresh("unnumbered"))
    async with sink(kafka, topic) as sent:
        with pytest.raises(Unavailable, match="idempotent: false"):
            await sent.send(EVENT)
    async with sink(kafka, topic, idempotent=False) as sent:
        await sent.send(EVENT)

    assert ["1"] == await ids(kafka, topic)


async def test_an_outage_is_told_to_each_in_its_own_words() -> None:
    """Many wait for one connection; who hears of it adds to the text where it was."""
    options = KafkaClientOptions(bootstrap_servers="127.0.0.1:1")
    producer = KafkaProducer(options, chance=random.Random(1), timeout_seconds=5.0)

    told = await asyncio.gather(
        *(producer.send("t", key=None, value=b"", headers=[]) for _ in range(3)),
        return_exceptions=True,
    )
    await producer.close()

    assert [Unavailable] * 3 == [type(error) for error in told]
    assert 3 == len(set(map(id, told)))
