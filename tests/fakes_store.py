"""A store of data that events refer to: answers what is there, and remembers who asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from bridge.transports.http import HttpRequest, HttpResponse
from tests.fakes_http import serving

JSON_TYPE = (b"content-type", b"application/json")


def found(data: bytes, *headers: tuple[bytes, bytes], status: int = 200) -> HttpResponse:
    """Return the answer that *data* is there."""
    return HttpResponse(status, headers or (JSON_TYPE,), data)


class Store:
    """Answers each path with what *objects* has there, 404 where it has nothing."""

    def __init__(self, objects: Mapping[str, HttpResponse]) -> None:
        self.objects = dict(objects)
        self.requests: list[HttpRequest] = []
        self.url = ""

    async def answer(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        return self.objects.get(request.path) or HttpResponse(404, (), b"not here")


@asynccontextmanager
async def storing(objects: Mapping[str, HttpResponse]) -> AsyncIterator[Store]:
    """Yield a store on a free port; its `url` ends without a slash."""
    store = Store(objects)
    async with serving(store.answer) as server:
        store.url = f"http://127.0.0.1:{server.port}"
        yield store
