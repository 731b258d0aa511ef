"""What aiokafka's clients are given of ours, and what they cannot read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import CorruptRecordException

from bridge.config.kafka import KafkaClientOptions
from bridge.transports.kafka.client import connection, keep_password
from bridge.transports.kafka.port import Partition
from bridge.transports.kafka.records import fetched
from tests.fakes import FakeClock


async def test_a_consumer_shows_the_password_of_now_when_it_connects_again(tmp_path: Path) -> None:
    """It lives for as long as its process; a password does not."""
    file, clock = tmp_path / "password", FakeClock()
    file.write_text("old\n")
    options = KafkaClientOptions.model_validate(
        {
            "bootstrap_servers": "kafka:9092",
            "sasl": {"username": "u", "password_file": str(file)},
        }
    )
    client: Any = AIOKafkaClient(**connection(options))
    keep_password(client, options, clock=clock)
    before = client._sasl_plain_password

    file.write_text("new, and longer\n")
    clock.now += 60

    assert ("old", "new, and longer") == (before, client._sasl_plain_password)


async def test_a_header_that_is_no_text_is_a_record_that_cannot_be_read() -> None:
    """No broker looks at that; a bug of ours would end the process, again and again."""

    class Consumer:
        async def getmany(self, *_: object, **__: object) -> object:
            return b"\xff".decode()

    with pytest.raises(CorruptRecordException, match="header is not UTF-8"):
        await fetched(Consumer(), Partition("in", 0), 1, seconds=1)
