"""The specification's own examples, as literal bytes, 1.0 and 0.3."""

from __future__ import annotations

import pytest

from bridge.codecs.http import (
    ContentMode,
    Mode,
    decode,
    decode_batch,
    encode,
    encode_binary,
    encode_structured,
    mode,
)
from bridge.core.event import Event

STRUCTURED = [(b"content-type", b"application/cloudevents+json; charset=UTF-8")]
BATCH = [(b"content-type", b"application/cloudevents-batch+json; charset=UTF-8")]


def structured(body: bytes) -> Event:
    return decode(STRUCTURED, body)


def attributes(letter: str, version: str = "1.0", **others: str) -> dict[str, str]:
    """Return the attributes that most examples of the JSON format share."""
    return {
        "specversion": version,
        "type": "com.example.someevent",
        "source": "/mycontext",
        "id": f"{letter}234-1234-1234",
        "time": "2018-04-05T17:31:00Z",
        "comexampleextension1": "value",
        **others,
    }


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (None, Mode.BINARY),
        (b"", Mode.BINARY),
        (b"application/json", Mode.BINARY),
        (b"application/cloudevent+json", Mode.BINARY),
        (b"application/cloudevents+json", Mode.STRUCTURED),
        (b"Application/CloudEvents+JSON; charset=UTF-8", Mode.STRUCTURED),
        (b"application/cloudevents+avro", Mode.STRUCTURED),
        (b"application/cloudevents-batch+json", Mode.BATCH),
        (b"APPLICATION/CLOUDEVENTS-BATCH+JSON", Mode.BATCH),
    ],
)
def test_the_content_type_alone_names_the_mode(content_type: bytes | None, expected: Mode) -> None:
    """HTTP binding, section 3: a prefix, in any case, batch before structured."""
    assert expected == mode(content_type)


def test_binary_example_of_the_http_binding() -> None:
    """HTTP binding 3.1.4: headers become attributes, the body is the data."""
    headers = [
        (b"host", b"webhook.example.com"),
        (b"ce-specversion", b"1.0"),
        (b"ce-type", b"com.example.someevent"),
        (b"ce-time", b"2018-04-05T03:56:24Z"),
        (b"ce-id", b"1234-1234-1234"),
        (b"ce-source", b"/mycontext/subcontext"),
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", b"4"),
    ]

    event = decode(headers, b"nnnn")

    expected = {
        "specversion": "1.0",
        "type": "com.example.someevent",
        "time": "2018-04-05T03:56:24Z",
        "id": "1234-1234-1234",
        "source": "/mycontext/subcontext",
        "datacontenttype": "application/json; charset=utf-8",
    }
    assert Event(expected, b"nnnn") == event


@pytest.mark.parametrize(
    "raw",
    [
        b"Euro%20%E2%82%AC%20%F0%9F%98%80",
        b"Euro%20%e2%82%ac%20%f0%9f%98%80",
        b"%45%75%72%6f%20%E2%82%AC%20%F0%9F%98%80",
        b'"Euro %E2%82%AC %F0%9F%98%80"',
        b'"E\\uro %E2%82%AC\\ %F0%9F%98%80"',
        "Euro € 😀".encode(),
        "  Euro%20€ 😀 \t".encode(),
    ],
)
def test_header_value_example_of_the_http_binding(raw: bytes) -> None:
    """HTTP binding 3.1.3.2: upper and lower case, needless escapes, quoted strings, raw UTF-8."""
    headers = [*encode_binary(Event.of(id="1", source="/", type="t"))[0], (b"ce-subject", raw)]

    event = decode(headers, b"")

    assert event.subject == "Euro € 😀"
    assert (b"ce-subject", b"Euro%20%E2%82%AC%20%F0%9F%98%80") in encode_binary(event)[0]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"100%", "100%"),
        (b"%zz%4", "%zz%4"),
        (b"%2541", "%41"),
        (b'say "hi"', 'say "hi"'),
        (b'"a" and "b"', '"a" and "b"'),
        (b'"open', '"open'),
        (b'"a\\"b%22"', 'a"b"'),
        ("é 100% x".encode(), "é 100% x"),
    ],
)
def test_what_is_no_escape_is_taken_as_it_stands(raw: bytes, expected: str) -> None:
    """Malformed triplets and quotes within, as Go and JavaScript send them, are literal."""
    headers = [*encode_binary(Event.of(id="1", source="/", type="t"))[0], (b"ce-subject", raw)]

    assert expected == decode(headers, b"").subject


def test_binary_data_example_of_the_json_format() -> None:
    """JSON format 3.2, first example: `data_base64` is the bytes, an Integer its text."""
    event = structured(
        b"""{
    "specversion" : "1.0",
    "type" : "com.example.someevent",
    "source" : "/mycontext",
    "id" : "A234-1234-1234",
    "time" : "2018-04-05T17:31:00Z",
    "comexampleextension1" : "value",
    "comexampleothervalue" : 5,
    "datacontenttype" : "application/vnd.apache.thrift.binary",
    "data_base64" : "Li4uIGJhc2U2NCBlbmNvZGVkIHN0cmluZyAuLi4="
}"""
    )

    media_type = "application/vnd.apache.thrift.binary"
    expected = attributes("A", comexampleothervalue="5", datacontenttype=media_type)
    assert Event(expected, b"... base64 encoded string ...") == event
    assert [
        (b"ce-specversion", b"1.0"),
        (b"ce-type", b"com.example.someevent"),
        (b"ce-source", b"/mycontext"),
        (b"ce-id", b"A234-1234-1234"),
        (b"ce-time", b"2018-04-05T17:31:00Z"),
        (b"ce-comexampleextension1", b"value"),
        (b"ce-comexampleothervalue", b"5"),
        (b"content-type", b"application/vnd.apache.thrift.binary"),
    ] == encode_binary(event)[0]


def test_xml_example_of_the_json_format() -> None:
    """JSON format 3.2: XML is a string in the envelope; a null attribute is none."""
    event = structured(
        rb"""{
    "specversion" : "1.0",
    "type" : "com.example.someevent",
    "source" : "/mycontext",
    "id" : "B234-1234-1234",
    "time" : "2018-04-05T17:31:00Z",
    "comexampleextension1" : "value",
    "comexampleothervalue" : 5,
    "unsetextension": null,
    "datacontenttype" : "application/xml",
    "data" : "<much wow=\"xml\"/>"
}"""
    )

    expected = attributes("B", comexampleothervalue="5", datacontenttype="application/xml")
    assert Event(expected, b'<much wow="xml"/>') == event


def test_json_object_example_of_the_json_format() -> None:
    """JSON format 3.2: a JSON object keeps every byte; a null subject is none."""
    event = structured(
        b"""{
    "specversion" : "1.0",
    "type" : "com.example.someevent",
    "source" : "/mycontext",
    "subject": null,
    "id" : "C234-1234-1234",
    "time" : "2018-04-05T17:31:00Z",
    "comexampleextension1" : "value",
    "comexampleothervalue" : 5,
    "datacontenttype" : "application/json",
    "data" : {
        "appinfoA" : "abc",
        "appinfoB" : 123,
        "appinfoC" : true
    }
}"""
    )

    data = b"""{
        "appinfoA" : "abc",
        "appinfoB" : 123,
        "appinfoC" : true
    }"""
    expected = attributes("C", comexampleothervalue="5", datacontenttype="application/json")
    assert Event(expected, data) == event


@pytest.mark.parametrize(
    ("members", "media_type", "data"),
    [
        (b'"datacontenttype":"application/json","data":1.50', "application/json", b"1.50"),
        (b'"data":"I\'m just a string"', "application/json", b'"I\'m just a string"'),
        (b'"data":null', "application/json", b"null"),
        (b'"data_base64":"eyAieHl6IjogMTIzIH0="', None, b'{ "xyz": 123 }'),
        (b'"data_base64":null', None, None),
        (b'"data_base64":""', None, b""),
        (b'"datacontenttype":"text/plain","data":""', "text/plain", b""),
        (b'"datacontenttype":"a/b+JSON;x=y","data":[ ]', "a/b+JSON;x=y", b"[ ]"),
        (b'"datacontenttype":"application/foo","data":"YQ=="', "application/foo", b"YQ=="),
        (b'"datacontenttype":"application/json"', "application/json", None),
        (
            b'"datacontenttype":"text/plain;charset=iso-8859-1","data":"\\u00e9"',
            "text/plain;charset=iso-8859-1",
            b"\xe9",
        ),
    ],
)
def test_data_examples_of_the_json_format(
    members: bytes, media_type: str | None, data: bytes | None
) -> None:
    """JSON format 3.1: what `data` and `data_base64` mean with each media type, or none."""
    event = structured(b'{"specversion":"1.0","type":"t","source":"/","id":"1",%b}' % members)

    assert data == event.data
    assert media_type == event.datacontenttype


def test_string_without_media_type_goes_out_with_its_quotes() -> None:
    """JSON format 3.2: in binary mode the implied application/json is explicit."""
    event = structured(
        b'{"specversion":"1.0","type":"t","source":"/","id":"1","data":"I\'m just a string"}'
    )

    headers, body = encode_binary(event)

    assert (b"content-type", b"application/json") in headers
    assert body == b'"I\'m just a string"'


def test_base64_without_media_type_goes_out_without_one() -> None:
    """JSON format 3.2: binary data names no content type that nobody gave."""
    event = structured(
        b'{"specversion":"1.0","type":"t","source":"/","id":"1","data_base64":"eyAieHl6IjogMTIzIH0="}'
    )

    headers, body = encode_binary(event)

    assert b"content-type" not in dict(headers)
    assert body == b'{ "xyz": 123 }'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"true", "true"),
        (b"false", "false"),
        (b"0", "0"),
        (b"-2147483648", "-2147483648"),
        (b"2147483647", "2147483647"),
        (b'""', ""),
        (b"null", None),
    ],
)
def test_attribute_types_become_canonical_strings(value: bytes, expected: str | None) -> None:
    """spec.md, Type System: Boolean and Integer have one text each; null is absence."""
    event = structured(b'{"specversion":"1.0","type":"t","source":"/","id":"1","ext":%b}' % value)

    assert expected == event.get("ext")


def test_batch_example_of_the_json_format() -> None:
    """JSON format 4.3: two events, the first with bytes, the second with an object."""
    events = decode_batch(
        BATCH,
        b"""[
  {
      "specversion" : "1.0",
      "type" : "com.example.someevent",
      "source" : "/mycontext/4",
      "id" : "B234-1234-1234",
      "time" : "2018-04-05T17:31:00Z",
      "comexampleextension1" : "value",
      "comexampleothervalue" : 5,
      "datacontenttype" : "application/vnd.apache.thrift.binary",
      "data_base64" : "Li4u"
  },
  {
      "specversion" : "1.0",
      "type" : "com.example.someotherevent",
      "source" : "/mycontext/9",
      "id" : "C234-1234-1234",
      "time" : "2018-04-05T17:31:05Z",
      "comexampleextension1" : "value",
      "comexampleothervalue" : 5,
      "datacontenttype" : "application/json",
      "data" : {
          "appinfoA" : "abc",
          "appinfoB" : 123,
          "appinfoC" : true
      }
  }
]""",
    )

    first, second = events
    assert isinstance(first, Event)
    assert isinstance(second, Event)
    assert ("/mycontext/4", b"...") == (first.source, first.data)
    assert second.source == "/mycontext/9"
    assert second.data is not None
    assert second.data.startswith(b'{\n          "appinfoA" : "abc",')


def test_an_empty_batch_is_a_batch() -> None:
    """JSON format 4.3: no events, in requests too."""
    assert decode_batch(BATCH, b" [ ] ") == []


def test_structured_mode_ignores_attributes_in_headers() -> None:
    """HTTP binding 3.2.3: headers may repeat attributes, even wrongly; the body wins."""
    headers = [*STRUCTURED, (b"ce-id", b"other"), (b"ce-time", b"\xff"), (b"ce-id", b"again")]

    event = decode(headers, b'{"specversion":"1.0","type":"t","source":"/","id":"1"}')

    assert event == Event({"specversion": "1.0", "type": "t", "source": "/", "id": "1"})


def test_other_peoples_headers_are_no_attributes() -> None:
    """A name that no attribute can have is skipped, not refused: `ce-a-b` in 1.0, `ce-`."""
    sent = Event.of(id="1", source="/", type="t")
    others = [(b"ce-a-b", b"\xff"), (b"ce-", b"x"), (b"ce-data", b"x"), (b"ce-a_b", b"x")]

    event = decode([*encode_binary(sent)[0], *others, *others], b"")

    assert sent == event


class TestVersion03:
    """spec v0.3: json-format.md and http-transport-binding.md."""

    def test_xml_example(self) -> None:
        """json-format 3.2: a map extension is carried as its compact JSON text."""
        event = structured(
            rb"""{
    "specversion" : "0.3",
    "type" : "com.example.someevent",
    "source" : "/mycontext",
    "id" : "A234-1234-1234",
    "time" : "2018-04-05T17:31:00Z",
    "comexampleextension1" : "value",
    "comexampleextension2" : {
        "otherValue": 5
    },
    "datacontenttype" : "text/xml",
    "data" : "<much wow=\"xml\"/>"
}"""
        )

        expected = attributes(
            "A", "0.3", comexampleextension2='{"otherValue":5}', datacontenttype="text/xml"
        )
        assert Event(expected, b'<much wow="xml"/>') == event

    @pytest.mark.parametrize(
        ("members", "data"),
        [
            (b'"datacontenttype":"a/b","data":"AP8=","datacontentencoding":"Base64"', b"\x00\xff"),
            (
                b'"datacontenttype":"application/json","data":"e30=","datacontentencoding":"base64"',
                b"{}",
            ),
            (
                b'"datacontenttype":"application/json","data":{},"datacontentencoding":"base64"',
                b"{}",
            ),
            (
                b'"datacontenttype":"application/vnd.apache.thrift.binary","data":"AP8="',
                b"\x00\xff",
            ),
            (b'"datacontenttype":"a/b","data":"no base64"', b"no base64"),
            (b'"datacontenttype":"text/plain","data":"AP8="', b"AP8="),
            (b'"data":"AP8=","datacontentencoding":"base64"', b"\x00\xff"),
            (b'"datacontenttype":"a/b","data_base64":"AP8="', b"\x00\xff"),
        ],
    )
    def test_base64_is_undone(self, members: bytes, data: bytes) -> None:
        """spec.md and json-format 3.1: said, or implied by a media type that is no text."""
        event = structured(b'{"specversion":"0.3","type":"t","source":"/","id":"1",%b}' % members)

        assert data == event.data
        assert event.get("datacontentencoding") is None

    def test_base64_is_written_with_its_encoding(self) -> None:
        """spec.md: `datacontentencoding` stands where `data` is base64, and only there."""
        event = Event.of(id="1", source="/", type="t", specversion="0.3", data=b"\xff")

        _, body = encode_structured(event)

        assert body == (
            b'{"specversion":"0.3","id":"1","source":"/","type":"t",'
            b'"datacontentencoding":"base64","data":"/w=="}'
        )

    def test_flattened_maps_are_attributes(self) -> None:
        """http-transport-binding 3.1.3.1: `ce-attrib-key`, there and back."""
        sent = Event.of(id="1", source="/", type="t", specversion="0.3").replace(**{"a-key": "é"})

        headers, body = encode_binary(sent)

        assert (b"ce-a-key", b"%C3%A9") in headers
        assert sent == decode(headers, body)

    def test_binary_mode_knows_no_content_encoding(self) -> None:
        """spec.md: it says how a string holds bytes, so it is ignored where bytes are bytes."""
        sent = Event.of(id="1", source="/", type="t", specversion="0.3", data=b"e30=")
        headers, body = encode_binary(sent.replace(datacontentencoding="base64"))

        event = decode([*headers, (b"ce-datacontentencoding", b"base64")], body)

        assert b"ce-datacontentencoding" not in dict(headers)
        assert sent == event


@pytest.mark.parametrize(
    ("media_type", "data", "member"),
    [
        ("application/json", b'{"a":1.50}', b'"data":{"a":1.50}'),
        ("Application/JSON; charset=utf-8", b"[1]", b'"data":[1]'),
        ("application/json", b"{", b'"data_base64":"ew=="'),
        ("application/json", b"[1]\n", b'"data_base64":"WzFdCg=="'),
        ("application/json", b"", b'"data_base64":""'),
        ("application/json", b"1e999", b'"data_base64":"MWU5OTk="'),
        ("text/plain", "é\n".encode(), '"data":"é\\n"'.encode()),
        ("text/plain", b"\xff", b'"data_base64":"/w=="'),
        ("text/plain;charset=utf-16", b"a", b'"data_base64":"YQ=="'),
        ("image/svg+xml", b"<svg/>", b'"data":"<svg/>"'),
        ("image/png", b"\x89", b'"data_base64":"iQ=="'),
        (None, b"{}", b'"data_base64":"e30="'),
    ],
)
def test_data_is_written_so_that_it_comes_back(
    media_type: str | None, data: bytes, member: bytes
) -> None:
    """JSON as it is, text as a string, anything that would change on the way as base64."""
    sent = Event.of(id="1", source="/", type="t", data=data).replace(datacontenttype=media_type)

    _, body = encode_structured(sent)

    assert body.endswith(b"," + member + b"}")
    assert sent == structured(body)


@pytest.mark.parametrize("content_mode", ["auto", "binary"])
@pytest.mark.parametrize(
    "content_type", ["application/cloudevents+json", "Application/CloudEvents-Batch+json; a=b"]
)
def test_data_that_is_itself_an_envelope_is_never_taken_for_the_event(
    content_mode: ContentMode, content_type: str
) -> None:
    """In binary mode that content type would name the mode: only an envelope can carry it."""
    event = Event.of(id="1", source="s", type="t", data=b"{}", datacontenttype=content_type)

    headers, body = encode(event, content_mode)

    assert event == decode(headers, body)
