"""Deep JSON, wherever JSON is read: refused at once, and never a recursion error.

100 levels within an event's data, 1,024 in a payload that somebody looks into (orjson's own
limit): `bridge.codecs.json.MAX_DEPTH`, `bridge.core.payload.Body.json`.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import pytest

from bridge.codecs import http as codec
from bridge.codecs.json import MAX_DEPTH
from bridge.core import collector
from bridge.core.errors import BridgeError, DecodeError
from bridge.core.event import Event
from bridge.core.payload import Body
from bridge.protocols import seldon
from bridge.protocols.port import Asked
from bridge.protocols.seldon_rest import SeldonRest

STRUCTURED = ((b"content-type", b"application/cloudevents+json"),)
BATCH = ((b"content-type", b"application/cloudevents-batch+json"),)
MEMBERS = b'"specversion":"1.0","id":"1","source":"t","type":"t"'

SHAPES = {
    "arrays": lambda depth: b"[" * depth + b"]" * depth,
    "objects": lambda depth: b'{"a":' * depth + b"1" + b"}" * depth,
    "without end": lambda depth: b"[" * depth,
}

ENTRIES: dict[str, Callable[[bytes], object]] = {
    "structured": lambda deep: codec.decode(STRUCTURED, b'{%b,"data":%b}' % (MEMBERS, deep)),
    "data first": lambda deep: codec.decode(STRUCTURED, b'{"data":%b,%b}' % (deep, MEMBERS)),
    "extension": lambda deep: codec.decode(STRUCTURED, b'{%b,"e":%b}' % (MEMBERS, deep)),
    "envelope": lambda deep: codec.decode(STRUCTURED, deep),
    "batch": lambda deep: codec.decode_batch(BATCH, b'[{%b,"data":%b}]' % (MEMBERS, deep)),
    "whole batch": lambda deep: codec.decode_batch(BATCH, deep),
    "payload": lambda deep: Body(deep).json(),
    "ndarray": lambda deep: seldon.decode(Body(b'{"data":{"ndarray":%b}}' % deep)),
    "shape": lambda deep: seldon.decode(Body(b'{"data":{"tensor":{"shape":%b}}}' % deep)),
    "jsonData": lambda deep: seldon.decode(Body(b'{"jsonData":%b}' % deep)),
    "meta": lambda deep: seldon.decode(Body(b'{"strData":"","meta":%b}' % deep)),
    "answer": lambda deep: SeldonRest(Asked()).judge(200, (), b'{"jsonData":%b}' % deep, "m"),
    "error": lambda deep: SeldonRest(Asked()).judge(500, (), b'{"status":%b}' % deep, "m"),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("entry", ENTRIES)
def test_a_hundred_thousand_brackets_are_refused(entry: str, shape: str) -> None:
    """By an error of ours, of a text that fits an answer, in no time."""
    deep = SHAPES[shape](100_000)
    begin = time.process_time()

    with pytest.raises(BridgeError) as caught:
        ENTRIES[entry](deep)

    assert time.process_time() - begin < 0.5
    assert len(str(caught.value)) < 768


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("depth", [63, 64, 65, 99, 253, 254, 255, 991, 998, 1000, 1021, 1024])
def test_no_depth_is_a_recursion_error(entry: str, shape: str, depth: int) -> None:
    """At each limit of the libraries beneath (64, 254, 1,000, 1,024), it is read or refused."""
    told = ""
    try:
        ENTRIES[entry](SHAPES[shape](depth))
    except BridgeError as error:
        told = str(error)
    assert len(told) < 768


@pytest.mark.parametrize("shape", ["arrays", "objects"])
@pytest.mark.parametrize("entry", ["structured", "data first", "batch"])
@pytest.mark.parametrize("before", [b"", b"[],", b"[[[]]]," * 50, b'"[[[",'])
def test_the_depth_of_data_is_bounded_to_the_level(entry: str, shape: str, before: bytes) -> None:
    """A hundred levels are read, one more is refused, whatever stood before them."""

    def data(depth: int) -> bytes:
        return b"[%b%b]" % (before, SHAPES[shape](depth - 1))

    ENTRIES[entry](data(MAX_DEPTH))
    with pytest.raises(DecodeError, match=r"nested deeper than 10[12] levels"):
        ENTRIES[entry](data(MAX_DEPTH + 1))


def test_data_that_is_too_deep_for_an_envelope_is_carried_all_the_same() -> None:
    """Nobody looks into the body of a binary event; in an envelope it travels as base64."""
    deep = SHAPES["arrays"](100_000)
    event = Event.of(id="1", source="t", type="t", data=deep, datacontenttype="application/json")

    headers, body = codec.encode_structured(event)

    assert codec.decode(headers, body).data == deep


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_as_it_was(enabled: bool) -> None:
    """After large JSON, good or bad, it collects again; where it was off, it stays off."""
    large = b"[" + b"[]," * collector.LARGE_BYTES + b"[]]"
    before = gc.isenabled()
    try:
        gc.enable() if enabled else gc.disable()

        ENTRIES["structured"](large)
        with pytest.raises(DecodeError):
            ENTRIES["batch"](large + b",")
        Body(large).json()

        assert gc.isenabled() is enabled
    finally:
        gc.enable() if before else gc.disable()
