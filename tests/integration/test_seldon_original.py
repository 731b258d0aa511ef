"""The published example with the original microservice as the model."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import orjson
import pytest

from tests.services.bridge import bridge_running, iris
from tests.services.seldon_microservice import SeldonMicroservice

#: The reference's own curl, header for header.
REQUEST = {
    "Ce-Id": "536808d3-88be-4077-9d7a-a3f162705f79",
    "Ce-specversion": "0.3",
    "Ce-Type": "seldon.simple-iris-deployment.request",
    "Ce-Source": "seldon.examples.streaming.curl",
    "Content-Type": "application/json",
}


async def test_the_published_request_gets_the_published_response(
    seldon_iris: SeldonMicroservice, tmp_path: Path
) -> None:
    """Type, source and version as published; the data is the microservice's own answer."""
    body = b'{"data": { "ndarray": [[1,2,3,4]]}}'
    with bridge_running(iris(seldon_iris.url), tmp_path) as bridge:
        async with aiohttp.ClientSession() as session:
            async with session.post(bridge.url, data=body, headers=REQUEST) as reply:
                replied = await reply.read()
            async with session.post(
                seldon_iris.url + "/api/v1.0/predictions",
                data=body,
                headers={"Content-Type": "application/json"},
            ) as answer:
                predicted = orjson.loads(await answer.read())

    assert reply.status == 200
    assert reply.headers["ce-specversion"] == "0.3"
    assert reply.headers["ce-type"] == "seldon.simple-iris-deployment.response"
    assert reply.headers["ce-source"] == "seldon.simple-iris-deployment"
    assert REQUEST["Ce-Id"] != reply.headers["ce-id"]
    assert predicted["data"] == orjson.loads(replied)["data"]
    assert orjson.loads(replied)["data"]["names"] == ["t:0", "t:1", "t:2"]


@pytest.mark.parametrize(
    "body", [b'{"data": {"ndarray": [[1]]}}', b'{"data": {"ndarray": [["a",2,3,4]]}}']
)
async def test_what_the_original_cannot_take_is_refused_for_good(
    seldon_iris: SeldonMicroservice, tmp_path: Path, body: bytes
) -> None:
    """Its MICROSERVICE_ errors come with status 500 and still are verdicts: 422, no retry."""
    with bridge_running(iris(seldon_iris.url), tmp_path) as bridge:
        async with (
            aiohttp.ClientSession() as session,
            session.post(bridge.url, data=body, headers=REQUEST) as reply,
        ):
            said = await reply.text()

    assert reply.status == 422
    assert "ce-id" not in reply.headers
    assert "MICROSERVICE_" in said
