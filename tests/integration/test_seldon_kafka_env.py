"""`bridge run --seldon-kafka-env` in the place of the executor's Kafka server, on a real Kafka."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path

from tests.services.kafka import Kafka, fresh
from tests.services.kafka_records import Record
from tests.services.process import Process
from tests.services.receiver import Answer, receiving

ROOT = Path(__file__).parents[2]
JSON = {"content-type": "application/json"}
REQUEST = b'{"data":{"ndarray":[[1,2,3,4]]}}'
RESPONSE = b'{"data":{"names":["t:0"],"ndarray":[[0.25]]},"meta":{}}'
REFUSAL = json.dumps({"status": {"code": 400, "info": "no flower", "status": "FAILURE"}}).encode()


async def test_records_go_in_and_out_as_with_seldon_and_failures_are_kept(
    kafka: Kafka, tmp_path: Path
) -> None:
    """The same key, the plain body as value, the puid at the model; a failure is a dead letter.

    All of it over TLS and with a password, by Seldon's names alone. What is committed is
    committed for the group that KEDA's trigger for Seldon asks for.
    """
    requests, responses = fresh("requests"), fresh("responses")
    for topic in (requests, responses, f"{requests}-dead-letter"):
        await kafka.create_topic(topic, partitions=2)
    secured, namespace = kafka.secured, fresh("flowers")
    puid = ("Seldon-Puid", b"puid-1")
    await kafka.produce(requests, Record(value=REQUEST, key=b"k", headers=(puid,)))

    good = Answer(status=200, headers=JSON, body=RESPONSE)
    async with receiving(good, Answer(status=400, headers=JSON, body=REFUSAL)) as model:
        with Process(
            [sys.executable, "-m", "bridge", "run", "--seldon-kafka-env", "--admin-port", "0"],
            output=tmp_path / "bridge.log",
            folder=ROOT,
            environment={
                "KAFKA_BROKER": secured.sasl_tls,
                "KAFKA_INPUT_TOPIC": requests,
                "KAFKA_OUTPUT_TOPIC": responses,
                "KAFKA_WORKERS": "2",
                "KAFKA_AUTO_COMMIT": "true",
                "KAFKA_SECURITY_PROTOCOL": "sasl_ssl",
                "KAFKA_SSL_CA_CERT": secured.ca.read_text(),
                "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
                "KAFKA_SASL_USERNAME": secured.user,
                "KAFKA_SASL_PASSWORD": secured.password,
                "SELDON_DEPLOYMENT_ID": "iris",
                "PREDICTOR_ID": "default",
                "SELDON_DEPLOYMENT_NAMESPACE": namespace,
                "MODEL_URL": model.url,
            },
        ) as bridge:
            (answered,) = await kafka.read(responses, at_least=1)
            await kafka.produce(requests, Record(value=b'{"data":{}}', key=b"k"))
            (refused,) = await kafka.read(f"{requests}-dead-letter", at_least=1)
            status = await asyncio.to_thread(bridge.interrupt)
            log = bridge.tail(1000)
        asked = model.received

    assert (answered.key, answered.value) == (b"k", RESPONSE)
    headers = dict(answered.headers)
    assert headers["ce_type"] == f"seldon.iris.{namespace}.response".encode()
    assert (asked[0].headers["seldon-puid"], asked[0].body) == ("puid-1", REQUEST)
    assert (refused.key, refused.value) == (b"k", b'{"data":{}}')
    assert b"no flower" in (dict(refused.headers)["bridge-error-text"] or b"")
    committed = await kafka.committed(f"default.iris.{namespace}")
    assert sum(committed.values()) == 2
    assert status == 0
    assert len(re.findall("KAFKA_AUTO_COMMIT is ignored", log)) == 1
    assert secured.password not in log
