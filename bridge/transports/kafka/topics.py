"""Topics made, where nobody else makes them: a demo's own broker."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.config.kafka import KafkaClientOptions
from bridge.core.errors import Unavailable
from bridge.transports.kafka.client import brokers, connection, in_words


async def create(options: KafkaClientOptions, topics: Mapping[str, int]) -> None:
    """Return when *topics* are there, each with so many partitions and one replica.

    Raise Unavailable where no broker answers, or one of them cannot be made.
    """
    settings = connection(options)
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic
    from aiokafka.errors import KafkaError, for_code

    who = brokers(options)
    admin = AIOKafkaAdminClient(**settings)
    try:
        await admin.start()
        answer = await admin.create_topics(
            [NewTopic(name, partitions, 1) for name, partitions in topics.items()]
        )
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(f"{who}: {in_words(error)}") from error
    finally:
        await admin.close()
    for name, code, *text in answer.topic_errors:
        if code:
            said = text[0] if text and text[0] else for_code(code).__name__
            raise Unavailable(f"{who}: topic {name}: {said}")
