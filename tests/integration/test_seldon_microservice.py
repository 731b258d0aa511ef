"""The original microservice as a peer: it answers the published request."""

from __future__ import annotations

import aiohttp
import orjson
import pytest

from tests.services.seldon_microservice import SeldonMicroservice


@pytest.mark.parametrize("path", ["/predict", "/api/v1.0/predictions"])
async def test_answers_the_published_request(seldon_iris: SeldonMicroservice, path: str) -> None:
    """`[[1,2,3,4]]` gives three named probabilities on both of its paths."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(seldon_iris.url + path, json={"data": {"ndarray": [[1, 2, 3, 4]]}}) as answer,
    ):
        body = orjson.loads(await answer.read())

    assert answer.status == 200
    assert body["data"]["names"] == ["t:0", "t:1", "t:2"]
    assert pytest.approx(sum(body["data"]["ndarray"][0])) == 1.0


async def test_a_bad_shape_is_an_error_of_its_own_form(seldon_iris: SeldonMicroservice) -> None:
    """What the model cannot take is 500 with a MICROSERVICE_ reason: a verdict, no outage."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(seldon_iris.url + "/predict", json={"data": {"ndarray": [[1]]}}) as answer,
    ):
        body = orjson.loads(await answer.read())

    assert answer.status == 500
    assert body["status"]["reason"].startswith("MICROSERVICE_")
