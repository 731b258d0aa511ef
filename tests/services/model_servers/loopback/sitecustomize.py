"""Who starts with this folder on its path listens on 127.0.0.1, whatever address its code names.

Python imports a module of this name before anything else. Seldon, KServe and pythie-serving
name "all addresses" in their code and have no setting for it.
"""

from __future__ import annotations

import socket
from typing import Any

_EVERYWHERE = ("", "0.0.0.0", "::")
_HERE = "127.0.0.1"

_bind = socket.socket.bind


def _bind_here(self: socket.socket, address: Any) -> None:
    if self.family == socket.AF_INET and address[0] in _EVERYWHERE:
        address = (_HERE, *address[1:])
    _bind(self, address)


socket.socket.bind = _bind_here  # type: ignore[method-assign]  # that is what this module is for


def _grpc_here(server: Any) -> None:
    add = server.add_insecure_port

    def add_here(self: Any, address: str) -> int:
        host, _, port = address.rpartition(":")
        return int(add(self, f"{_HERE}:{port}" if host.strip("[]") in _EVERYWHERE else address))

    server.add_insecure_port = add_here


try:
    import grpc._server
    import grpc.aio._server
except ImportError:  # pip, which makes the environment, starts without it
    pass
else:
    _grpc_here(grpc._server._Server)
    _grpc_here(grpc.aio._server.Server)
