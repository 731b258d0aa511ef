"""A server of gRPC in this process: it answers bytes with bytes, as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

#: Answers a message: with bytes, or by ending the call with a status.
Answer = Callable[["Asked"], Awaitable[bytes]]


@dataclass
class Asked:
    """One call that arrived. *ended*: set when it is over, on whichever end that was."""

    method: str
    message: bytes
    metadata: Mapping[str, str]
    context: Any
    ended: asyncio.Event = field(default_factory=asyncio.Event)


def status(code: str, text: str) -> Answer:
    """Return what ends every call with the status *code*."""

    async def abort(asked: Asked) -> bytes:
        return await asked.context.abort(grpc.StatusCode[code], text)

    return abort


def saying(message: bytes) -> Answer:
    """Return what answers every call with *message*."""

    async def say(asked: Asked) -> bytes:
        return message

    return say


async def echo(asked: Asked) -> bytes:
    """Answer with what was asked."""
    return asked.message


async def never(asked: Asked) -> bytes:
    """Answer never."""
    await asyncio.Event().wait()
    raise AssertionError("waited for good")


class FakeGrpcServer(grpc.GenericRpcHandler):
    """Serves on *port* of 127.0.0.1 while it is entered; *answers* by method, `*` for others."""

    def __init__(
        self,
        answers: Mapping[str, Answer] | Answer,
        *,
        port: int = 0,
        credentials: grpc.ServerCredentials | None = None,
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        self.answers = answers if isinstance(answers, Mapping) else {"*": answers}
        self.port = port
        self.calls: list[Asked] = []
        self.arrived = asyncio.Event()
        self._credentials = credentials
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0), *options])

    async def __aenter__(self) -> FakeGrpcServer:
        self._server.add_generic_rpc_handlers((self,))
        at = f"127.0.0.1:{self.port}"
        if self._credentials is None:
            self.port = self._server.add_insecure_port(at)
        else:
            self.port = self._server.add_secure_port(at, self._credentials)
        await self._server.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._server.stop(None)

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def service(self, handler_call_details: Any) -> Any:
        details = handler_call_details
        answer = self.answers.get(details.method, self.answers.get("*"))
        if answer is None:
            return None

        async def handle(message: bytes, context: Any) -> bytes:
            metadata = dict(details.invocation_metadata)
            asked = Asked(details.method, message, metadata, context)
            self.calls.append(asked)
            self.arrived.set()
            try:
                return await answer(asked)
            finally:
                asked.ended.set()

        return grpc.unary_unary_rpc_method_handler(handle)
