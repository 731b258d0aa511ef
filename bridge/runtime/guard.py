"""Users' own kinds at the edge: whatever they raise becomes one of our errors, named.

A model or a sink of the bridge raises what its port says. One that a user wrote may raise
anything, and an unnamed exception would be a bug of ours, answered 500 and delivered again
for ever.
"""

from __future__ import annotations

from typing import Self

from bridge.core.event import Event
from bridge.core.payload import Body
from bridge.core.ports import Component, Model, Request, Sink
from bridge.core.usercode import refusal


class _Guarded:
    """What models and sinks have in common: entering, leaving, being asked."""

    def __init__(self, component: Component) -> None:
        self._component = component
        self._name = type(component).__name__

    async def __aenter__(self) -> Self:
        await self._component.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._component.__aexit__(*exc)

    async def ping(self) -> None:
        """Ask the component; raise Unavailable or an EventError, named, if it raises."""
        try:
            await self._component.ping()
        except Exception as error:
            raise refusal(f"{self._name}.ping", error) from error


class GuardedModel(_Guarded):
    """A user's own kind of model."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._model = model

    async def predict(self, request: Request) -> Body:
        """Ask the model; raise one of our errors, with class and method, for any it raises."""
        try:
            return await self._model.predict(request)
        except Exception as error:
            raise refusal(f"{self._name}.predict", error) from error


class GuardedSink(_Guarded):
    """A user's own kind of sink."""

    def __init__(self, sink: Sink) -> None:
        super().__init__(sink)
        self._sink = sink

    async def send(self, event: Event) -> None:
        """Send to the sink; raise one of our errors, with class and method, for any it raises."""
        try:
            await self._sink.send(event)
        except Exception as error:
            raise refusal(f"{self._name}.send", error) from error
