"""The bridge's work done with FastStream, one record at a time, the way its documentation shows.

python -m bench.peers.faststream_one BOOTSTRAP INPUT OUTPUT MODEL_URL     runs until stopped

It runs in an environment of its own (`bench.kafka_contenders.FASTSTREAM`).
"""

from __future__ import annotations

import sys
import uuid
from typing import Any

import aiohttp
import uvloop
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage, KafkaResponse

REQUEST_TYPE = "seldon.simple-iris-deployment.request"
RESPONSE_TYPE = "seldon.simple-iris-deployment.response"
RESPONSE_SOURCE = "seldon.simple-iris-deployment"


async def main(bootstrap: str, source: str, target: str, model_url: str) -> None:
    """Consume until stopped; a record is acknowledged when its response is in the log."""
    broker = KafkaBroker(bootstrap, acks="all", logger=None)
    url = model_url.rstrip("/") + "/api/v1.0/predictions"

    async with aiohttp.ClientSession() as session:

        @broker.subscriber(
            source,
            group_id=f"{source}-faststream",
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.NACK_ON_ERROR,
            isolation_level="read_committed",
        )
        @broker.publisher(target)
        async def respond(body: dict[str, Any], message: KafkaMessage) -> KafkaResponse | None:
            headers = message.headers
            if headers.get("ce_type") != REQUEST_TYPE:
                return None
            async with session.post(url, json=body) as answer:
                answer.raise_for_status()
                prediction = await answer.read()
            return KafkaResponse(
                prediction,
                key=message.raw_message.key,
                headers={
                    "ce_specversion": headers["ce_specversion"],
                    "ce_id": str(uuid.uuid4()),
                    "ce_type": RESPONSE_TYPE,
                    "ce_source": RESPONSE_SOURCE,
                    "ce_requestid": headers["ce_requestid"],
                    "content-type": "application/json",
                },
            )

        await FastStream(broker, logger=None).run()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:5]))
