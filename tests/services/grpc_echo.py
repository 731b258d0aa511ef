"""A server of gRPC that answers every message with itself, in a process of its own.

It stands for a replica that can be stopped, killed and started again on its port.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

#: Longest that it may take to start: a busy machine imports slowly.
READY_SECONDS = 30.0


class _Echo(grpc.GenericRpcHandler):
    def service(self, handler_call_details: Any) -> Any:
        async def answer(message: bytes, context: Any) -> bytes:
            return message

        return grpc.unary_unary_rpc_method_handler(answer)


async def serve(port: int) -> None:
    """Serve on *port* of 127.0.0.1 until the process is ended."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((_Echo(),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


@contextmanager
def running(folder: Path, port: int | None = None) -> Iterator[tuple[str, int]]:
    """Yield the target and the process id of an echo on *port*, or on a free one."""
    from tests.services.model_servers.server import speaks_http2
    from tests.services.process import Process, free_port

    at = free_port() if port is None else port
    command = [sys.executable, __file__, str(at)]
    with Process(command, output=folder / f"echo-{at}.log") as process:
        process.wait_until(lambda: speaks_http2(at), seconds=READY_SECONDS)
        yield f"127.0.0.1:{at}", process.pid


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
