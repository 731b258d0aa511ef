"""Whatever is an event survives; whatever is none is refused, and nothing else happens."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.codecs.http import (
    decode,
    decode_batch,
    encode_batch,
    encode_binary,
    encode_structured,
    needs_escaping,
)
from bridge.core.attributes import check_attributes
from bridge.core.errors import DecodeError
from bridge.core.event import Event
from tests.strategies import events, names, texts, times


def in_binary_mode(event: Event) -> Event:
    """Return *event* as binary mode has it: no bytes of data are no data."""
    return Event(event.attributes, event.data or None)


@given(events())
def test_any_event_survives_binary_mode(event: Event) -> None:
    """Attributes and data come back to the last byte; only empty data becomes none."""
    headers, body = encode_binary(event)

    again = decode(headers, body)

    assert in_binary_mode(event) == again


@given(events())
def test_any_event_survives_structured_mode(event: Event) -> None:
    """Attributes and data come back to the last byte, empty data included."""
    headers, body = encode_structured(event)

    assert event == decode(headers, body)


@given(st.lists(events(), max_size=4), st.sampled_from(["1.0", "0.3"]))
def test_any_events_survive_in_a_batch(many: list[Event], version: str) -> None:
    """A batch of one version comes back whole and in order."""
    batch = [event for event in many if event.specversion == version]

    headers, body = encode_batch(batch)

    assert batch == decode_batch(headers, body)


@given(events(), st.lists(st.sampled_from(["binary", "structured", "batch"]), max_size=5))
def test_any_event_survives_any_chain_of_modes(event: Event, chain: list[str]) -> None:
    """From hop to hop, mode to mode, nothing is lost and nothing is added."""
    expected = in_binary_mode(event) if "binary" in chain else event
    found: Event | DecodeError = event

    for hop in chain:
        assert isinstance(found, Event)
        if hop == "binary":
            found = decode(*encode_binary(found))
        elif hop == "structured":
            found = decode(*encode_structured(found))
        else:
            [found] = decode_batch(*encode_batch([found]))

    assert expected == found


@given(events())
def test_what_is_encoded_is_plain_ascii_in_one_line(event: Event) -> None:
    """No event can end a header line or need an encoding that HTTP does not have."""
    headers, _ = encode_binary(event)

    for name, value in headers:
        assert name == b"content-type" or all(0x21 <= byte <= 0x7E for byte in value)
        assert all(0x20 <= byte <= 0x7E for byte in name + value)


@given(events())
def test_escaping_is_needed_where_a_value_changes(event: Event) -> None:
    """`needs_escaping` says whether binary mode writes any value other than as it is."""
    headers, _ = encode_binary(event)
    changed = any(
        event.attributes[name.decode().removeprefix("ce-")].encode() != value
        for name, value in headers
        if name != b"content-type"
    )

    assert changed == needs_escaping(event)


odd_names = st.one_of(names, st.sampled_from(["subject", "time", "dataschema", "schemaurl"]))
odd_texts = st.one_of(
    texts, st.text(), times, st.sampled_from(["", "1.0", "0.3", "2026-02-30T00:00:00Z"])
)


@given(
    st.fixed_dictionaries(
        {"specversion": st.sampled_from(["1.0", "0.3", "1.1"])},
        optional={"id": odd_texts, "source": odd_texts, "type": odd_texts},
    ),
    st.dictionaries(odd_names, odd_texts, max_size=3),
)
def test_binary_mode_refuses_exactly_what_the_rules_refuse(
    required: dict[str, str], others: dict[str, str]
) -> None:
    """The codec's verdict is that of `check_attributes`, attribute for attribute."""
    attributes = required | others
    headers = [
        (f"ce-{name}".encode(), quote(value, safe="", errors="surrogatepass").encode())
        for name, value in attributes.items()
    ]
    try:
        check_attributes(attributes)
        is_valid = True
    except DecodeError:
        is_valid = False

    if is_valid:
        assert Event(attributes) == decode(headers, b"")
    else:
        with pytest.raises(DecodeError):
            decode(headers, b"")


header_names = st.sampled_from(
    [
        *(b"ce-specversion", b"ce-id", b"ce-source", b"ce-type", b"ce-time", b"ce-subject"),
        *(b"content-type", b"ce-", b"ce-x", b"ce-X", b"ce-a-b", b"ce-datacontenttype", b"host"),
    ]
)
header_values = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [b"1.0", b"0.3", b"%", b"%C0%A0", b'"a\\', b'"', b"application/cloudevents+json"]
    ),
)


@given(
    st.lists(st.tuples(st.one_of(header_names, st.binary()), header_values), max_size=8),
    st.binary(),
)
@example([(b"content-type", b"application/cloudevents+json")], b"[" * 100_000)
@example([(b"content-type", b"application/cloudevents+json")], b'{"data":' * 100_000)
@example([(b"content-type", b"application/cloudevents-batch+json")], b"[" * 100_000)
def test_arbitrary_requests_raise_nothing_but_decode_errors(
    headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    """Bytes from anybody end in an event or in an error that is the sender's."""
    for read in (decode, decode_batch):
        with suppress(DecodeError):
            read(headers, body)


mutations = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.sampled_from([b"", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\xff", b"0"]),
    ),
    min_size=1,
    max_size=4,
)


@given(st.lists(events(), min_size=1, max_size=2), mutations)
def test_damaged_envelopes_raise_nothing_but_decode_errors(
    many: list[Event], damage: list[tuple[float, bytes]]
) -> None:
    """An envelope with bytes changed, in or out of strings, is an event or an error."""
    batch = bytearray(encode_batch(many)[1])
    single = bytearray(encode_structured(many[0])[1])
    for body in (batch, single):
        for place, replacement in damage:
            at = int(place * (len(body) - 1))
            body[at : at + 1] = replacement

    for content_type, body, read in (
        (b"application/cloudevents+json", single, decode),
        (b"application/cloudevents-batch+json", batch, decode_batch),
    ):
        with suppress(DecodeError):
            read([(b"content-type", content_type)], bytes(body))
