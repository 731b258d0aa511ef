"""The bridge's work done with aiohttp and the CloudEvents SDK, the way their documentation shows.

python -m bench.peers.aiohttp_sdk MODEL_URL     prints its own address, serves until stopped
"""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator

import aiohttp
import uvloop
from aiohttp import web
from cloudevents.core.bindings.http import HTTPMessage, from_http_event, to_binary_event
from cloudevents.core.v03.event import CloudEvent as CloudEventV03
from cloudevents.core.v1.event import CloudEvent

REQUEST_TYPE = "seldon.simple-iris-deployment.request"
RESPONSE_TYPE = "seldon.simple-iris-deployment.response"
RESPONSE_SOURCE = "seldon.simple-iris-deployment"

MODEL_URL = web.AppKey("MODEL_URL", str)
SESSION = web.AppKey("SESSION", aiohttp.ClientSession)


async def respond(request: web.Request) -> web.Response:
    """Answer a request event with what the model says of its data."""
    event = from_http_event(HTTPMessage(dict(request.headers), await request.read()))
    if event.get_type() != REQUEST_TYPE:
        return web.Response(status=202)
    session, url = request.app[SESSION], request.app[MODEL_URL]
    async with session.post(url, json=event.get_data()) as answer:
        if answer.status != 200:
            return web.Response(status=503)
        prediction = await answer.json()
    attributes = {
        "id": str(uuid.uuid4()),
        "specversion": event.get_specversion(),
        "type": RESPONSE_TYPE,
        "source": RESPONSE_SOURCE,
        "datacontenttype": "application/json",
    }
    if (requestid := event.get_extension("requestid")) is not None:
        attributes["requestid"] = requestid
    kind = CloudEvent if event.get_specversion() == "1.0" else CloudEventV03
    message = to_binary_event(kind(attributes, prediction))
    return web.Response(headers=message.headers, body=message.body)


async def session(app: web.Application) -> AsyncIterator[None]:
    """Keep one client session, with as many connections as there are callers."""
    connector = aiohttp.TCPConnector(limit=256)
    async with aiohttp.ClientSession(connector=connector) as app[SESSION]:
        yield


async def main(model_url: str) -> None:
    """Serve on a free port of 127.0.0.1."""
    app = web.Application()
    app[MODEL_URL] = model_url.rstrip("/") + "/api/v1.0/predictions"
    app.cleanup_ctx.append(session)
    app.router.add_post("/", respond)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print("http://{}:{}".format(*runner.addresses[0][:2]), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
