"""The Kafka of the tests is a real one: it keeps, orders, forgets, asks who is there, and fails."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import TopicAlreadyExistsError

from tests.services.cache import Missing
from tests.services.kafka import ADDRESS, Kafka, fresh
from tests.services.kafka import kafka as component
from tests.services.kafka_records import Record


def numbered(count: int) -> list[Record]:
    """Return *count* records that differ."""
    return [Record(value=str(number).encode()) for number in range(count)]


async def test_a_record_goes_round(kafka: Kafka) -> None:
    """Value, key, headers that repeat or are null, timestamp and partition come back as sent."""
    topic = await kafka.create_topic(fresh("round"), partitions=3)
    record = Record(
        value=b'{"ndarray":[[1,2,3,4]]}',
        key=b"\xffkey",
        headers=(("ce_id", b"1"), ("ce_id", b"2"), ("empty", b""), ("null", None)),
        timestamp=1_700_000_000_123,
        partition=2,
    )

    written = await kafka.produce(topic, record)

    assert [(2, 0)] == [(each.partition, each.offset) for each in written]
    assert written == await kafka.read(topic)
    assert (record.value, record.key, record.headers) == (
        written[0].value,
        written[0].key,
        written[0].headers,
    )


async def test_a_record_may_be_nothing(kafka: Kafka) -> None:
    """A record with neither key nor value can be written and read: producers do that."""
    topic = await kafka.create_topic(fresh("nothing"))

    await kafka.produce(topic, Record(headers=(("ce_id", b"1"),)), Record(key=b"k"))

    nothing, tombstone = await kafka.read(topic)
    assert (None, None, (("ce_id", b"1"),)) == (nothing.key, nothing.value, nothing.headers)
    assert (b"k", None) == (tombstone.key, tombstone.value)


async def test_topics_are_made_once_and_on_purpose(kafka: Kafka) -> None:
    """A name that is taken is an error, and a name that is unknown is not created."""
    topic, unknown = fresh("once"), fresh("unknown")
    await kafka.create_topic(topic, cleanup_policy="compact")

    with pytest.raises(TopicAlreadyExistsError, match=topic):
        await kafka.create_topic(topic)
    with pytest.raises(TimeoutError):
        await kafka.read(unknown, seconds=0.5)
    assert unknown == await kafka.create_topic(unknown)


async def test_its_own_command_sees_what_a_client_commits(kafka: Kafka) -> None:
    """Offsets committed by a group are those that Kafka's own command prints."""
    topic, group = await kafka.create_topic(fresh("groups"), partitions=2), fresh("readers")
    await kafka.produce(topic, *(Record(value=b"x", partition=at % 2) for at in range(5)))
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=kafka.bootstrap, group_id=group, enable_auto_commit=False
    ) as consumer:
        await consumer.commit({TopicPartition(topic, 0): 3, TopicPartition(topic, 1): 1})

    assert {(topic, 0): 3, (topic, 1): 1} == await kafka.committed(group)


async def test_a_group_that_nobody_joined_has_no_offsets(kafka: Kafka) -> None:
    """An unknown group is empty, not an error."""
    assert {} == await kafka.committed(fresh("nobody"))


async def test_an_aborted_transaction_is_not_seen(kafka: Kafka) -> None:
    """Aborted records are in the log, and only who reads uncommitted gets them."""
    topic = await kafka.create_topic(fresh("transactions"))
    await kafka.produce(topic, Record(value=b"aborted"), transaction="aborted")
    await kafka.produce(topic, Record(value=b"committed"), transaction="committed")
    await kafka.produce(topic, Record(value=b"last and aborted"), transaction="aborted")

    committed = await kafka.read(topic)
    everything = await kafka.read(topic, committed=False)

    assert [b"committed"] == [record.value for record in committed]
    assert [b"aborted", b"committed", b"last and aborted"] == [
        record.value for record in everything
    ]
    # Each transaction has one record and one marker.
    assert {0: 6} == await kafka.end_offsets(topic)


async def test_reading_waits_for_as_many_as_are_asked_for(kafka: Kafka) -> None:
    """Records that arrive while it reads count, and those that never come are a time-out."""
    topic = await kafka.create_topic(fresh("waiting"))
    reading = asyncio.create_task(kafka.read(topic, at_least=3))

    await kafka.produce(topic, *numbered(3))

    assert [b"0", b"1", b"2"] == [record.value for record in await reading]
    with pytest.raises(TimeoutError, match=f"{topic}: 3 records in 0.3 s, expected 4"):
        await kafka.read(topic, at_least=4, seconds=0.3)


async def test_deleted_records_are_gone(kafka: Kafka) -> None:
    """What retention would take can be taken at once: the first offset moves, the end does not."""
    topic = await kafka.create_topic(fresh("forgotten"), partitions=2)
    await kafka.produce(topic, *(Record(value=b"x", partition=1) for _ in range(5)))

    await kafka.delete_records(topic, 1, before=4)

    assert {0: 0, 1: 4} == await kafka.first_offsets(topic)
    assert {0: 0, 1: 5} == await kafka.end_offsets(topic)
    assert [4] == [record.offset for record in await kafka.read(topic)]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
async def test_a_user_is_let_in(kafka: Kafka, protocol: str, mechanism: str) -> None:
    """The user of the broker can write by each mechanism, over TCP and over TLS."""
    secured = kafka.secured
    topic = await kafka.create_topic(fresh("users"))
    tls = protocol == "SASL_SSL"

    async with AIOKafkaProducer(
        bootstrap_servers=secured.sasl_tls if tls else secured.sasl,
        security_protocol=protocol,
        sasl_mechanism=mechanism,
        sasl_plain_username=secured.user,
        sasl_plain_password=secured.password,
        ssl_context=ssl.create_default_context(cafile=secured.ca) if tls else None,
    ) as producer:
        await producer.send_and_wait(topic, b"hello")

    assert {0: 1} == await kafka.end_offsets(topic)


async def test_tls_asks_for_trust_and_mtls_for_a_certificate(kafka: Kafka) -> None:
    """TLS lets in who trusts the authority, mTLS who shows a certificate of it as well."""
    secured = kafka.secured
    topic = await kafka.create_topic(fresh("certificates"))
    anonymous = ssl.create_default_context(cafile=secured.ca)
    known = ssl.create_default_context(cafile=secured.ca)
    known.load_cert_chain(secured.certificate, secured.key)

    for address, context in ((secured.tls, anonymous), (secured.mtls, known)):
        async with AIOKafkaProducer(
            bootstrap_servers=address, security_protocol="SSL", ssl_context=context
        ) as producer:
            await producer.send_and_wait(topic, b"hello")

    host, port = secured.mtls.split(":")
    with pytest.raises(ssl.SSLError, match="certificate"):
        await said_by(host, int(port), anonymous)
    with pytest.raises(ssl.SSLCertVerificationError):
        await said_by(host, int(port), ssl.create_default_context())
    assert {0: 2} == await kafka.end_offsets(topic)


async def said_by(host: str, port: int, context: ssl.SSLContext) -> bytes:
    """Return the first byte that comes after a handshake: with TLS 1.3 the refusal, if any."""
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        return await asyncio.wait_for(reader.read(1), 10.0)
    finally:
        writer.close()


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_an_outage_keeps_data_and_addresses(own_kafka: Kafka, end: str) -> None:
    """After SIGTERM and after SIGKILL all is there again that the broker had said yes to."""
    topic, group = await own_kafka.create_topic(fresh("outage")), fresh("readers")
    written = await own_kafka.produce(topic, *numbered(3))
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=own_kafka.bootstrap, group_id=group, enable_auto_commit=False
    ) as consumer:
        await consumer.commit({TopicPartition(topic, 0): 2})

    await (own_kafka.stop() if end == "stop" else own_kafka.kill())
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection(*own_kafka.bootstrap.split(":"))
    await own_kafka.start()

    assert written == await own_kafka.read(topic)
    assert {(topic, 0): 2} == await own_kafka.committed(group)


async def test_a_frozen_broker_hangs_and_thaws(own_kafka: Kafka) -> None:
    """A frozen broker takes connections and answers nothing, until it is started again."""
    topic = await own_kafka.create_topic(fresh("frozen"))

    async with AIOKafkaProducer(bootstrap_servers=own_kafka.bootstrap) as producer:
        await producer.send_and_wait(topic, b"before")
        await own_kafka.freeze()
        _, writer = await asyncio.open_connection(*own_kafka.bootstrap.split(":"))
        writer.close()
        sent = await producer.send(topic, b"meanwhile")
        answered, _ = await asyncio.wait([sent], timeout=0.3)
        await own_kafka.start()
        await sent

    assert not answered
    assert [b"before", b"meanwhile"] == [record.value for record in await own_kafka.read(topic)]


async def test_a_broker_of_the_environment_is_used_and_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An address is taken as it is: no broker is started for it, and it is never stopped."""
    monkeypatch.setenv(ADDRESS, "kafka.test:9092")

    with component(output=tmp_path / "kafka.log") as elsewhere:
        with pytest.raises(Missing, match="TLS and SASL"):
            _ = elsewhere.secured
        for outage in (elsewhere.stop, elsewhere.kill, elsewhere.freeze):
            with pytest.raises(Missing, match="is not stopped"):
                await outage()

    assert "kafka.test:9092" == elsewhere.bootstrap
    assert [] == list(tmp_path.iterdir())


def test_what_a_broker_needs_and_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without Docker, Maven and java there is no broker of our own, whatever address is set."""
    monkeypatch.setenv(ADDRESS, "kafka.test:9092")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Missing, match=r"no java|no mvn"):
        with component(output=tmp_path / "kafka.log", own=True):
            pytest.fail("there was one")
