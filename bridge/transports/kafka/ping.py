"""Whether a cluster answers: one connection, one question, closed again."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.config.kafka import KafkaClientOptions
from bridge.core.errors import Unavailable
from bridge.transports.kafka.client import brokers, connection, why_not


async def ping(options: KafkaClientOptions, topics: Sequence[str]) -> None:
    """Return if a broker takes our credentials and has *topics*; raise Unavailable if not."""
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import KafkaError

    who = brokers(options)
    admin = AIOKafkaAdminClient(**connection(options))
    try:
        await admin.start()
        known = await admin.list_topics()
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(f"{who}: {await why_not(options, error)}") from error
    finally:
        await admin.close()
    missing = sorted(set(topics) - set(known))
    if missing:
        raise Unavailable(f"{who}: no topic '{missing[0]}': expected {', '.join(topics)}")
