"""The messages of gRPC: our own few, in a pool of our own, so that no other's are in the way.

    *.proto ──make protos──▶ messages.binpb ──▶ a private pool ──message(name)──▶ class

protobuf's generated modules all register in one pool of the process, and those of two model
servers' clients clash there; they also refuse a protobuf older than the compiler that made
them. A set of descriptors does neither: it loads with any protobuf from 4.25 on, beside
tensorflow, kserve or tritonclient.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

from bridge.core.errors import Rejected

#: The set of descriptors that `make protos` compiles.
COMPILED: Final = Path(__file__).with_name("messages.binpb")


@cache
def message(name: str) -> Any:
    """Return the class of the message with the full *name*; raise KeyError if there is none."""
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(name))


def parsed(name: str, data: bytes, who: str) -> Any:
    """Return *data* as the message called *name*; raise Rejected, from *who*, if it is none."""
    try:
        return message(name).FromString(data)
    except _no_message() as error:
        raise Rejected(f"{who} answered garbage: {len(data)} bytes that are no {name}") from error


@cache
def _no_message() -> type[Exception]:
    from google.protobuf.message import DecodeError

    error: type[Exception] = DecodeError
    return error


@cache
def _pool() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool

    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(COMPILED.read_bytes()).file:
        pool.Add(file)
    return pool
