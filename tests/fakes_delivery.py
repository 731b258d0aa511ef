"""A sender of events, as a broker's would be, and what it needs to tell what it was answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from bench.stub_model import ANSWER
from bridge.transports.http import HttpRequest, HttpResponse
from tests.fakes_http import SECONDS, serving
from tests.services.receiver import Answer

REQUEST_TYPE = "seldon.simple-iris-deployment.request"

#: The published request event, 1.0, binary.
EVENT = {
    "ce-specversion": "1.0",
    "ce-id": "536808d3-88be-4077-9d7a-a3f162705f79",
    "ce-source": "seldon.examples.streaming.curl",
    "ce-type": REQUEST_TYPE,
    "content-type": "application/json",
}
DATA = b'{"data": { "ndarray": [[1,2,3,4]]}}'

#: The answer of a model that is well.
PREDICTION = Answer(status=200, headers={"Content-Type": "application/json"}, body=ANSWER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a sender was answered; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes of a reply in binary mode."""
        return {name[3:]: value for name, value in self.headers.items() if name[:3] == "ce-"}


class Sender:
    """Posts events to *url*, each on a connection of the pool."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def post(
        self, data: bytes = DATA, path: str = "", /, *, id: str | None = None, **changes: str | None
    ) -> Answered:
        """Post the event, changed; `ce_type=None` takes a header away, `prefer=…` adds one."""
        headers: dict[str, str] = dict(EVENT)
        if id is not None:
            headers["ce-id"] = id
        for name, value in changes.items():
            headers.pop(name.replace("_", "-"), None)
            if value is not None:
                headers[name.replace("_", "-")] = value
        async with self._session.post(self.url + path, data=data, headers=headers) as answer:
            return await _answered(answer)

    async def get(self, url: str) -> Answered:
        async with self._session.get(url) as answer:
            return await _answered(answer)


@asynccontextmanager
async def sending(url: str, *, connections: int = 100) -> AsyncIterator[Sender]:
    """Yield a sender to *url*."""
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Sender(url, session)


async def _answered(answer: aiohttp.ClientResponse) -> Answered:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Answered(status=answer.status, headers=headers, body=await answer.read())


class HeldModel:
    """A model that answers, with the request's own Seldon message, when told to.

    Pings are answered at once; *requests* are the others, in the order they came.
    """

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []
        self.go = asyncio.Event()
        self.url = ""
        self._arrived = asyncio.Condition()

    async def wait_for(self, count: int) -> None:
        """Return when *count* requests have come."""
        async with asyncio.timeout(SECONDS), self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= count)

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        if request.method == "POST":
            async with self._arrived:
                self.requests.append(request)
                self._arrived.notify_all()
            await self.go.wait()
        return HttpResponse(200, ((b"content-type", b"application/json"),), request.body)


@asynccontextmanager
async def held_model() -> AsyncIterator[HeldModel]:
    """Yield a model on a free port; what still waits at the end is answered."""
    model = HeldModel()
    async with serving(model._answer) as server:
        model.url = f"http://127.0.0.1:{server.port}/"
        try:
            yield model
        finally:
            model.go.set()


def verdict(info: str) -> Answer:
    """Return the refusal of Seldon's wrapper."""
    status = {"code": -1, "info": info, "reason": "MICROSERVICE_INTERNAL_ERROR", "status": 1}
    return Answer(
        status=500,
        headers={"Content-Type": "application/json"},
        body=json.dumps({"status": status}).encode(),
    )


def http_sink(url: str, **options: Any) -> dict[str, Any]:
    """Return the section of a sink at *url*."""
    return {"type": "http", "url": url, **options}
