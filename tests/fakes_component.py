"""A component served over Seldon's API on a real socket: the source and a model, no pipeline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from bridge.core.event import Event
from bridge.core.payload import Body
from bridge.core.ports import Handler, Model, Request
from bridge.observe.ledger import Deliveries
from bridge.sources.seldon import SeldonSource, SeldonSourceOptions


def predicting(model: Model) -> Handler:
    """Return the handler that asks *model* and answers with a response event."""

    async def handle(event: Event) -> Event:
        puid = (event.origin.header(b"seldon-puid") or b"").decode()
        payload = Body(event.data or b"", event.datacontenttype)
        answer = await model.predict(Request(payload=payload, id=puid))
        return Event(
            {
                "specversion": event.specversion,
                "id": puid,
                "source": "seldon.iris",
                "type": "seldon.iris.response",
                "path": event.origin.path,
                "datacontenttype": answer.content_type or "application/json",
            },
            answer.data,
            event.origin,
        )

    return handle


def source(
    ready: bool = True, deliveries: Deliveries | None = None, **options: object
) -> SeldonSource:
    """Return a source on a free port of this machine."""
    return SeldonSource(
        SeldonSourceOptions.model_validate({"host": "127.0.0.1", "port": 0, **options}),
        name="iris",
        deliveries=deliveries or Deliveries(),
        ready=lambda: ready,
        chance=Random(7),
    )


@asynccontextmanager
async def running(
    served: SeldonSource, handle: Handler, *, hard: bool = False
) -> AsyncIterator[int]:
    """Run *served* and yield its port; afterwards drain it and leave, or cancel it if *hard*."""
    stop = asyncio.Event()
    async with served, asyncio.TaskGroup() as group:
        run = group.create_task(served.run(handle, stop))
        await asyncio.sleep(0)  # one turn of the loop, in which `run` takes its handler
        try:
            yield served.port
        finally:
            if hard:
                run.cancel()
            stop.set()
