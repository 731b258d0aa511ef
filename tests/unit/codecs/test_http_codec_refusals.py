"""Everything that is no event is refused with words that say what is wrong and where."""

from __future__ import annotations

import pytest

from bridge.codecs import http
from bridge.codecs.http import (
    BATCH_TYPE,
    STRUCTURED_TYPE,
    Headers,
    decode,
    decode_batch,
    encode_batch,
    encode_binary,
    encode_structured,
)
from bridge.core import attributes
from bridge.core.errors import DecodeError, UnsupportedFormat
from bridge.core.event import Event

GOOD = {b"ce-specversion": b"1.0", b"ce-id": b"1", b"ce-source": b"/", b"ce-type": b"t"}


def binary(*absent: bytes, **changed: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers of a good event, with some *absent* and some *changed*."""
    headers = GOOD | {name.replace("_", "-").encode(): value for name, value in changed.items()}
    return [(name, value) for name, value in headers.items() if name not in absent]


def refused(headers: Headers, body: bytes = b"") -> str:
    """Return the words with which a request is refused."""
    with pytest.raises(DecodeError) as caught:
        decode(headers, body)
    return str(caught.value)


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        (
            binary(b"ce-id"),
            "attribute 'id' (header 'ce-id') is missing: expected a CloudEvent",
        ),
        (
            binary(b"ce-id", b"ce-type"),
            "attributes 'id', 'type' (header 'ce-id', header 'ce-type') are missing: "
            "expected a CloudEvent",
        ),
        (
            binary(ce_id=b""),
            "attribute 'id' (header 'ce-id') is empty: expected a non-empty string",
        ),
        (
            binary(ce_source=b"  "),
            "attribute 'source' (header 'ce-source') is empty: expected a non-empty string",
        ),
        (
            binary(ce_subject=b'""'),
            "attribute 'subject' (header 'ce-subject') is empty: expected a non-empty string",
        ),
        (
            binary(ce_specversion=b"19.0"),
            "attribute 'specversion' (header 'ce-specversion') is '19.0': expected '1.0' or '0.3'",
        ),
        (
            binary(ce_specversion=b""),
            "attribute 'specversion' (header 'ce-specversion') is empty: expected '1.0' or '0.3'",
        ),
        (
            binary(ce_time=b"yesterday"),
            "attribute 'time' (header 'ce-time') is 'yesterday': "
            "expected RFC 3339 with an offset, as 2026-01-31T12:00:00Z",
        ),
        (
            binary(ce_time=b"2026-02-30T12:00:00Z"),
            "attribute 'time' (header 'ce-time') is '2026-02-30T12:00:00Z': "
            "expected RFC 3339 with an offset, as 2026-01-31T12:00:00Z",
        ),
        (
            binary(ce_time=b"2026-W01-1T12:00:00Z"),
            "attribute 'time' (header 'ce-time') is '2026-W01-1T12:00:00Z': "
            "expected RFC 3339 with an offset, as 2026-01-31T12:00:00Z",
        ),
        (
            binary(ce_time=b"2026-01-31T12:00:00"),
            "attribute 'time' (header 'ce-time') is '2026-01-31T12:00:00': "
            "expected RFC 3339 with an offset, as 2026-01-31T12:00:00Z",
        ),
        (
            binary(ce_dataschema=b"relative"),
            "attribute 'dataschema' (header 'ce-dataschema') is 'relative': "
            "expected an absolute URI",
        ),
        (
            binary(content_type=b"json"),
            "attribute 'datacontenttype' (header 'content-type') is 'json': "
            "expected a media type, as application/json",
        ),
        (
            binary(content_type=b""),
            "attribute 'datacontenttype' (header 'content-type') is empty: "
            "expected a media type, as application/json",
        ),
        (
            binary(ce_datacontenttype=b"application/json"),
            "header 'ce-datacontenttype' is there: expected content-type instead",
        ),
        (
            binary(ce_subject=b"%C0%A0"),
            "header 'ce-subject' is not UTF-8: invalid start byte at byte 0",
        ),
        (
            binary(ce_subject=b"caf\xe9"),
            "header 'ce-subject' is not UTF-8: unexpected end of data at byte 3",
        ),
        (
            binary(content_type=b"text/\xff"),
            "header 'content-type' is not UTF-8: invalid start byte at byte 5",
        ),
        (
            binary(ce_subject=b"a%0D%0Aset-cookie:%20x"),
            "attribute 'subject' (header 'ce-subject') holds U+000D at character 1: "
            "expected no control characters, surrogates or noncharacters",
        ),
        (
            binary(ce_id=b"a\r\nb"),
            "attribute 'id' (header 'ce-id') holds U+000D at character 1: "
            "expected no control characters, surrogates or noncharacters",
        ),
        (
            binary(ce_ext=b"%EF%BF%BE"),
            "attribute 'ext' (header 'ce-ext') holds U+FFFE at character 0: "
            "expected no control characters, surrogates or noncharacters",
        ),
        ([*binary(), (b"ce-id", b"1")], "header 'ce-id' occurs twice: expected it once"),
        (
            [*binary(ce_specversion=b"0.3"), (b"ce-a-b", b"1"), (b"ce-a-b", b"1")],
            "header 'ce-a-b' occurs twice: expected it once",
        ),
        (
            [*binary(ce_specversion=b"0.3"), (b"ce-a-b", b"%ff")],
            "header 'ce-a-b' is not UTF-8: invalid start byte",
        ),
        (
            [*binary(ce_specversion=b"0.3"), (b"ce-a--b", b"1")],
            "attribute name 'a--b' (header 'ce-a--b') is invalid: expected a-z and 0-9, not 'data'",
        ),
        (
            [*binary(), (b"content-type", b"a/b"), (b"content-type", b"a/b")],
            "header 'content-type' occurs twice: expected it once",
        ),
        (
            [(b"content-type", b"application/json"), (b"host", b"x")],
            "no CloudEvent: header 'ce-specversion', header 'ce-id', header 'ce-source', "
            "header 'ce-type' are missing and content-type is 'application/json': "
            "expected these, or content-type application/cloudevents+json",
        ),
        (
            [],
            "no CloudEvent: header 'ce-specversion', header 'ce-id', header 'ce-source', "
            "header 'ce-type' are missing and content-type is missing: "
            "expected these, or content-type application/cloudevents+json",
        ),
    ],
)
def test_binary_requests_that_are_no_event(headers: Headers, words: str) -> None:
    """The text names the attribute, its header, what it holds and what was expected."""
    assert words == refused(headers)


ENVELOPE = b'{"specversion":"1.0","type":"t","source":"/","id":"1"'


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[]", "expected a JSON object, found an array"),
        (b'"x"', "expected a JSON object, found a string"),
        (b"true", "expected a JSON object, found a boolean"),
        (b"1", "expected a JSON object, found a number"),
        (b"null", "expected a JSON object, found null"),
        (b"\xef\xbb\xbf{}", "not JSON: starts with a byte order mark"),
        (b'{"id":"\xff"}', "not UTF-8: invalid start byte at byte 7"),
        (
            b'{"specversion":"1.0"}',
            "attributes 'id', 'source', 'type' (member 'id', member 'source', member 'type') "
            "are missing: expected a CloudEvent",
        ),
        (
            b'{"specversion":1.0,"type":"t","source":"/","id":"1"}',
            "attribute 'specversion' (member 'specversion') is 1.0: expected a string",
        ),
        (
            b'{"specversion":"1.0","type":"t","source":"/","id":null}',
            "attribute 'id' (member 'id') is missing: expected a CloudEvent",
        ),
        (
            b'{"specversion":"1.0","type":"t","source":"/","id":5}',
            "attribute 'id' (member 'id') is 5: expected a string",
        ),
        (
            ENVELOPE + b',"id":"2"}',
            "member 'id' occurs twice: expected it once",
        ),
        (
            ENVELOPE + b',"d\\u0061ta":1,"data":2}',
            "member 'data' occurs twice: expected it once",
        ),
        (
            ENVELOPE + b',"Ext":"x"}',
            "attribute name 'Ext' (member 'Ext') is invalid: expected a-z and 0-9, not 'data'",
        ),
        (
            ENVELOPE + b',"ext":1.5}',
            "attribute 'ext' (member 'ext') is 1.5: "
            "expected a string, a boolean or an integer of 32 bits",
        ),
        (
            ENVELOPE + b',"ext":2147483648}',
            "attribute 'ext' (member 'ext') is 2147483648: "
            "expected a string, a boolean or an integer of 32 bits",
        ),
        (
            ENVELOPE + b',"ext":{"a":1}}',
            "attribute 'ext' (member 'ext') is {'a': 1}: "
            "expected a string, a boolean or an integer of 32 bits",
        ),
        (
            ENVELOPE + b',"ext":"a\\u0000"}',
            "attribute 'ext' (member 'ext') holds U+0000 at character 1: "
            "expected no control characters, surrogates or noncharacters",
        ),
        (
            ENVELOPE + b',"time":"2026-01-31"}',
            "attribute 'time' (member 'time') is '2026-01-31': "
            "expected RFC 3339 with an offset, as 2026-01-31T12:00:00Z",
        ),
        (
            ENVELOPE + b',"data":1,"data_base64":"YQ=="}',
            "members 'data' and 'data_base64' are both there: expected one",
        ),
        (
            ENVELOPE + b',"data_base64":"YQ"}',
            "member 'data_base64' is not base64: Incorrect padding",
        ),
        (
            ENVELOPE + b',"data_base64":5}',
            "member 'data_base64' is not a string: expected base64",
        ),
        (
            ENVELOPE + b',"datacontenttype":"text/plain","data":{}}',
            "member 'data' is not a string: expected one, as datacontenttype is 'text/plain'",
        ),
        (
            ENVELOPE + b',"datacontenttype":"text/plain;charset=klingon","data":"x"}',
            "charset 'klingon' of data is unknown: expected utf-8",
        ),
        (
            ENVELOPE + b',"datacontenttype":"text/plain;charset=us-ascii","data":"\\u00e9"}',
            "member 'data' does not fit charset 'us-ascii'",
        ),
        (
            ENVELOPE.replace(b"1.0", b"0.3") + b',"subject":["x"]}',
            "attribute 'subject' (member 'subject') is ['x']: expected a string",
        ),
        (
            ENVELOPE.replace(b"1.0", b"0.3") + b',"datacontentencoding":"gzip","data":{}}',
            "attribute 'datacontentencoding' (member 'datacontentencoding') is 'gzip': "
            "expected 'base64'",
        ),
        (
            ENVELOPE + b',"data":' + b"[" * 101 + b"]" * 101 + b"}",
            "JSON is nested deeper than 101 levels",
        ),
    ],
)
def test_structured_requests_that_are_no_event(body: bytes, words: str) -> None:
    """The text names the member, or the line and column where the JSON is broken."""
    assert words == refused([(b"content-type", STRUCTURED_TYPE)], body)


def test_an_old_extension_is_as_deep_as_it_may_be_written() -> None:
    """A limit set higher than what can be written again ends in a refusal all the same."""
    body = ENVELOPE.replace(b"1.0", b"0.3") + b',"ext":' + b"[" * 300 + b"]" * 300 + b"}"

    with pytest.raises(DecodeError, match="member 'ext' cannot be carried"):
        decode([(b"content-type", STRUCTURED_TYPE)], body, max_depth=500)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"a"',
        b'{"a":',
        b'{"a":1,',
        b'{"a":[',
        b'{"\\x":1}',
        b"[" * 9999,
        b"",
        ENVELOPE + b"} x",
    ],
)
def test_broken_json_is_located(body: bytes) -> None:
    """Whatever the parser's words, they end in line and column."""
    words = refused([(b"content-type", STRUCTURED_TYPE)], body)

    assert words.startswith("not JSON: ")
    assert ": line 1 column " in words


@pytest.mark.parametrize(
    ("content_type", "words"),
    [
        (
            b"application/cloudevents+avro",
            "content-type is 'application/cloudevents+avro': "
            "expected application/cloudevents+json, in UTF-8",
        ),
        (
            b"application/cloudevents+json; charset=utf-16",
            "content-type is 'application/cloudevents+json; charset=utf-16': "
            "expected application/cloudevents+json, in UTF-8",
        ),
        (
            b"application/cloudevents",
            "content-type is 'application/cloudevents': "
            "expected application/cloudevents+json, in UTF-8",
        ),
        (
            b"application/cloudevents-batch+json",
            "content-type names a batch: expected one event",
        ),
    ],
)
def test_formats_that_nobody_reads(content_type: bytes, words: str) -> None:
    """An event format other than JSON, or JSON in another charset, is unsupported: 415."""
    with pytest.raises(UnsupportedFormat) as caught:
        decode([(b"content-type", content_type)], b"{}")

    assert words == str(caught.value)


class TestBatches:
    """A batch is read as a whole or not at all; its members stand for themselves."""

    headers = ((b"content-type", BATCH_TYPE),)

    def test_bad_members_stand_in_their_places(self) -> None:
        """Good events are there; each error says which member it is about."""
        found = decode_batch(self.headers, b'[%b},5,%b,"ext":1.5}]' % (ENVELOPE, ENVELOPE))

        assert [Event, DecodeError, DecodeError] == [type(each) for each in found]
        assert str(found[1]) == "event 1: expected a JSON object, found a number"
        assert str(found[2]) == (
            "event 2: attribute 'ext' (member 'ext') is 1.5: "
            "expected a string, a boolean or an integer of 32 bits"
        )

    def test_versions_may_not_mix(self) -> None:
        """spec.md: all events of one batch share their specversion."""
        old, new = (Event.of(id="1", source="/", type="t", specversion=v) for v in ("0.3", "1.0"))

        with pytest.raises(DecodeError, match=r"mixes specversions 0\.3 and 1\.0: expected one"):
            decode_batch(*encode_batch([old, new]))

    def test_members_are_counted(self) -> None:
        """A batch of more events than asked for is refused before any is read."""
        with pytest.raises(DecodeError, match="batch holds 3 events: expected at most 2"):
            decode_batch(self.headers, b"[1,2,3]", max_events=2)

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"{}", "expected a JSON array, found an object"),
            (b"[" + b"[" * 102 + b"]" * 102 + b"]", "JSON is nested deeper than 102 levels"),
        ],
    )
    def test_what_is_no_batch(self, body: bytes, words: str) -> None:
        """Anything but a JSON array is refused as a whole."""
        with pytest.raises(DecodeError) as caught:
            decode_batch(self.headers, body)

        assert words == str(caught.value)

    def test_one_event_is_no_batch(self) -> None:
        """A single event's content type is not read as a batch."""
        with pytest.raises(UnsupportedFormat, match="expected application/cloudevents-batch"):
            decode_batch([(b"content-type", STRUCTURED_TYPE)], b"[]")


@pytest.mark.parametrize(
    "unchecked",
    [
        {"x\r\ny": "1"},
        {"X": "1"},
        {"data": "1"},
        {"data_base64": "1"},
        {"a-b": "1"},
        {"": "1"},
        {"datacontenttype": "a/b\r\nset-cookie: x"},
        {"ext": "\ud800"},
    ],
)
def test_unchecked_events_cannot_break_out(unchecked: dict[str, str]) -> None:
    """What was never checked is refused in writing: no name or type ends a header line."""
    event = Event.of(id="1", source="/", type="t").replace(**unchecked)

    with pytest.raises(DecodeError):
        encode_binary(event)


def test_unchecked_values_are_escaped() -> None:
    """A control character in a value travels percent-encoded, never as a line's end."""
    event = Event.of(id="1", source="/", type="t").replace(ext="a\r\nb")

    headers, _ = encode_binary(event)

    assert (b"ce-ext", b"a%0D%0Ab") in headers


@pytest.mark.parametrize("unchecked", [{"data": "1"}, {"Data": "1"}, {"ext": "\ud800"}])
def test_unchecked_events_are_refused_in_structured_mode(unchecked: dict[str, str]) -> None:
    """An attribute can neither pose as data nor hold what JSON cannot."""
    event = Event.of(id="1", source="/", type="t").replace(**unchecked)

    with pytest.raises(DecodeError):
        encode_structured(event)


def test_memory_does_not_grow_with_invented_names() -> None:
    """What is remembered of names and media types is bounded, in number and in length."""
    numbers = [str(number) for number in range(3 * http.MAX_REMEMBERED)]

    for name in [*numbers, *("x" * (length * 100) for length in range(1, 50))]:
        headers = binary(**{f"ce_{name}": b"1", name: b"1", "content_type": f"a/{name}".encode()})
        encode_binary(decode(headers, b""))

    for remembered in (http._modes, http._attribute_names, http._header_names):
        assert len(remembered) <= http.MAX_REMEMBERED
        assert max(len(each or b"") for each in remembered) <= http.MAX_REMEMBERED_BYTES
    assert len(attributes._known_names) <= attributes.MAX_KNOWN_NAMES
    assert max(map(len, attributes._known_names)) <= attributes.MAX_KNOWN_LENGTH
