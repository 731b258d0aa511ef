"""The generator's requests given to the codecs alone: an event or an error of ours, in no time."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.codecs import http as codec
from bridge.codecs import json
from bridge.codecs.headers import decode_value, encode_value
from bridge.core.errors import BridgeError, DecodeError
from bridge.core.event import Event
from bridge.core.mediatype import is_media_type
from bridge.core.payload import Body
from bridge.protocols import seldon
from bridge.protocols.port import Asked
from bridge.protocols.seldon_rest import SeldonRest
from bridge.transports.http import HttpRequest
from bridge.transports.http.decompression import unpacked
from bridge.transports.http.request_reader import RequestReader, RequestRefused
from tests.fuzz.every import every
from tests.fuzz.mutations import mutated
from tests.strategies import events

#: Another seed each time; CI tries the same again.
SEED = 1 if os.environ.get("CI") else random.SystemRandom().getrandbits(32)
COUNT = 3_000

#: Longest that one case may take, of this machine's time.
SECONDS = 1.0

MESSAGES = (
    b'{"data":{"names":["a","b"],"ndarray":[[1,2.5],[3,"x"]]},"meta":{"puid":"p","tags":{}}}',
    b'{"data":{"tensor":{"shape":[2,2],"values":[1,2,3,4]}}}',
    b'{"jsonData":{"a":[1,null,true]}}',
    b'{"strData":"\\u00e9"}',
    b'{"binData":"AAEC"}',
    b'{"status":{"code":-1,"info":"bad","reason":"MICROSERVICE_BAD_DATA","status":1}}',
    b'{"meta":{"metrics":[{"key":"k","type":"COUNTER","value":1}],"requestPath":{"a":"b"}},"data":{}}',
)


def requests(seed: int) -> list[HttpRequest]:
    """Return what the listener would hand on of COUNT cases: what is a request at all."""
    case = every(seed)
    found = []
    for number in range(COUNT):
        with suppress(RequestRefused):
            request = RequestReader(64 * 1024, 8 * 1024 * 1024).take(case(number).data)
            if request is not None:
                found.append(request)
    return found


def is_sayable(event: Event) -> bool:
    """Whether *event* can be written: the pipeline refuses any other before it goes on."""
    content_type = event.datacontenttype
    return content_type is None or is_media_type(content_type)


def check_round_trips(event: Event) -> None:
    """Assert that *event* comes back from every form it may be written in."""
    assert event == codec.decode(*codec.encode_structured(event))
    assert [event] == codec.decode_batch(*codec.encode_batch([event]))
    headers, body = codec.encode(event, "auto")
    again = codec.decode(headers, body)
    assert event.attributes == again.attributes
    assert (event.data or None) == (again.data or None)


def test_any_request_is_an_event_or_refused_and_events_survive() -> None:
    """Only DecodeError comes out, within its time; what is read is written and read again."""
    found = requests(SEED)
    accepted = 0
    slowest = 0.0
    for sent in found:
        begin = time.process_time()
        with suppress(DecodeError):
            request = unpacked(sent, max_bytes=8 * 1024 * 1024, max_ratio=100)
            if codec.mode(request.header(b"content-type")) is codec.Mode.BATCH:
                members = codec.decode_batch(request.headers, request.body)
            else:
                members = [codec.decode(request.headers, request.body)]
            for event in members:
                if isinstance(event, Event):
                    accepted += 1
                    if is_sayable(event):
                        check_round_trips(event)
        slowest = max(slowest, time.process_time() - begin)

    assert slowest < SECONDS, f"seed {SEED}"
    assert COUNT // 4 < len(found)
    assert COUNT // 20 < accepted < len(found)


@given(st.one_of(events().map(json.encode), st.binary(max_size=200)), st.randoms())
def test_a_changed_envelope_is_an_event_or_refused(body: bytes, chance: random.Random) -> None:
    """Alone and as a member of a batch, with the same verdict."""
    _, changed = mutated(chance, body)
    event = None
    with suppress(DecodeError):
        event = json.decode(changed)
    members: list[Event | DecodeError] = []
    with suppress(DecodeError):
        members = json.decode_batch(b"[%b]" % changed)

    if event is not None:
        assert [event] == members
        if is_sayable(event):
            check_round_trips(event)
    elif len(members) == 1:
        assert isinstance(members[0], DecodeError)


@given(
    st.lists(st.tuples(st.binary(max_size=20).map(lambda name: b"ce-" + name), st.binary())),
    st.binary(max_size=50),
    st.one_of(st.none(), st.binary(max_size=60)),
)
def test_any_headers_are_an_event_or_refused(
    headers: list[tuple[bytes, bytes]], body: bytes, content_type: bytes | None
) -> None:
    """Whatever names, values and Content-Type the listener lets through, and some it does not."""
    known = [
        (b"ce-specversion", b"1.0"),
        (b"ce-id", b"1"),
        (b"ce-source", b"s"),
        (b"ce-type", b"t"),
    ]
    more = [] if content_type is None else [(b"content-type", content_type)]
    with suppress(DecodeError):
        event = codec.decode([*known, *headers, *more], body)
        if is_sayable(event):
            check_round_trips(event)


@given(st.binary(max_size=60), st.text(max_size=40))
def test_any_header_value_is_text_or_no_utf_8(raw: bytes, text: str) -> None:
    """Nothing else comes out; and any text there is comes back."""
    with suppress(UnicodeDecodeError):
        decode_value(raw)
    with suppress(UnicodeEncodeError):
        assert text == decode_value(encode_value(text))


@given(st.sampled_from(MESSAGES), st.randoms())
def test_a_changed_seldon_message_is_a_message_or_refused(
    message: bytes, chance: random.Random
) -> None:
    """And what is one can be answered in its own form, and read again."""
    _, changed = mutated(chance, message)
    begin = time.process_time()

    with suppress(DecodeError):
        found = seldon.decode(Body(changed))
        with suppress(TypeError):  # JSON nested deeper than can be written: the model's refusal
            seldon.decode(seldon.encode(found.value, like=found, names=found.names))

    assert time.process_time() - begin < SECONDS


@pytest.mark.parametrize("status", [200, 204, 301, 400, 404, 422, 429, 500, 503])
@given(message=st.sampled_from(MESSAGES), said=st.binary(max_size=30), chance=st.randoms())
def test_any_answer_of_a_model_is_a_payload_a_verdict_or_an_outage(
    status: int, message: bytes, said: bytes, chance: random.Random
) -> None:
    """Whatever body and Content-Type it has; the text fits into an answer."""
    _, changed = mutated(chance, message)
    told = ""
    try:
        SeldonRest(Asked()).judge(status, ((b"content-type", said),), changed, "the model")
    except BridgeError as error:
        told = str(error)
    assert len(told.encode("utf-8", "replace")) <= 768 - len("iris: ")


READERS: tuple[Callable[[bytes], object], ...] = (
    json.decode,
    json.decode_batch,
    lambda data: Body(data).json(),
    lambda data: seldon.decode(Body(data)),
)


@pytest.mark.parametrize("reader", READERS, ids=["envelope", "batch", "payload", "seldon"])
@given(data=st.binary(max_size=300))
def test_any_bytes_at_all_are_read_or_refused(
    reader: Callable[[bytes], object], data: bytes
) -> None:
    """No other error, whatever stands there."""
    with suppress(DecodeError):
        reader(data)
