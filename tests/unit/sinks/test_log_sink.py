from __future__ import annotations

import io
import json
import os

import pytest

from bridge.core.errors import Unavailable
from bridge.core.event import Event
from bridge.sinks.log import LogSink, LogSinkOptions, display

#: The reference's displayed event, without what only its older build printed.
REFERENCE = """\
☁️  cloudevents.Event
Context Attributes,
  specversion: 0.3
  type: seldon.simple-iris-deployment.response
  source: seldon.simple-iris-deployment
  id: a41b4e2a-6db3-4d96-9532-29e8db1f5cef
  time: 2020-03-21T03:41:28.593036193Z
  datacontenttype: application/json
Extensions,
  knativearrivaltime: 2020-03-21T03:41:28.594071893Z
  knativehistory: default-kne-trigger-kn-channel.default.svc.cluster.local
  path: /api/v1.0/predictions
  traceparent: 00-1a93791481a6b73a6d59b48a96e62ee6-2bac18e237bba0a5-00
Data,
  {
    "data": {
      "names": [
        "t:0",
        "t:1",
        "t:2"
      ],
      "ndarray": [
        [
          0.0006985194531162841,
          0.003668039039435755,
          0.9956334415074478
        ]
      ]
    },
    "meta": {}
  }

"""

HEAD = "☁️  cloudevents.Event\nContext Attributes,\n  specversion: 1.0\n  type: t\n  source: /s\n"

HEAD_OF_JSON = HEAD + "  id: 1\n  datacontenttype: application/json\n"


def event(data: bytes | None = None, **attributes: str) -> Event:
    return Event.of(id="1", source="/s", type="t", data=data, **attributes)


def test_the_references_event_is_displayed_as_the_reference_shows_it() -> None:
    """Every byte of the published output, from an event that came in another order."""
    response = Event.of(
        specversion="0.3",
        traceparent="00-1a93791481a6b73a6d59b48a96e62ee6-2bac18e237bba0a5-00",
        path="/api/v1.0/predictions",
        datacontenttype="application/json",
        time="2020-03-21T03:41:28.593036193Z",
        knativearrivaltime="2020-03-21T03:41:28.594071893Z",
        knativehistory="default-kne-trigger-kn-channel.default.svc.cluster.local",
        id="a41b4e2a-6db3-4d96-9532-29e8db1f5cef",
        source="seldon.simple-iris-deployment",
        type="seldon.simple-iris-deployment.response",
        data=b'{"data":{"names":["t:0","t:1","t:2"],"ndarray":[[0.0006985194531162841,'
        b'0.003668039039435755,0.9956334415074478]]},"meta":{}}\n',
    )

    shown = display(response)

    assert shown == REFERENCE


#: Recorded from sdk-go v2.16.1: the headers' event, and `fmt.Sprintf("…%s", event)`.
RECORDED = [
    pytest.param(
        event(
            b'{"a": [1.0, 1e5, {}, [] , {"b":null}], "c":"<&\\u00e9\xc3\xa9"}\n',
            datacontenttype="application/json; charset=utf-8",
            subject="sub",
            time="2020-03-21T04:41:28.593036190+01:00",
            dataschema="http://x/y",
            zed="z",
            abc="1",
            knativearrivaltime="2020-03-21T03:41:28.594071800Z",
        ),
        "☁️  cloudevents.Event\nContext Attributes,\n  specversion: 1.0\n  type: t\n  source: /s\n"
        "  subject: sub\n  id: 1\n  time: 2020-03-21T03:41:28.59303619Z\n"
        "  dataschema: http://x/y\n  datacontenttype: application/json; charset=utf-8\n"
        "Extensions,\n  abc: 1\n  knativearrivaltime: 2020-03-21T03:41:28.594071800Z\n  zed: z\n"
        'Data,\n  {\n    "a": [\n      1.0,\n      1e5,\n      {},\n      [],\n      {\n'
        '        "b": null\n      }\n    ],\n    "c": "<&\\u00e9é"\n  }\n\n',
        id="everything",
    ),
    pytest.param(event(), HEAD + "  id: 1\n", id="no data"),
    pytest.param(
        event(b"one\ntwo", datacontenttype="text/plain"),
        HEAD + "  id: 1\n  datacontenttype: text/plain\nData,\n  one\ntwo\n",
        id="text",
    ),
    pytest.param(
        event(b'{"a":1}', datacontenttype="application/vnd.x+json"),
        HEAD + '  id: 1\n  datacontenttype: application/vnd.x+json\nData,\n  {"a":1}\n',
        id="other JSON media types are not indented",
    ),
    pytest.param(
        event(b'{"a":1}', datacontenttype="Application/JSON"),
        HEAD + '  id: 1\n  datacontenttype: Application/JSON\nData,\n  {"a":1}\n',
        id="nor other spellings",
    ),
    pytest.param(
        event(b'{"a":1}'), HEAD + '  id: 1\nData,\n  {"a":1}\n', id="nor without a media type"
    ),
    *(
        pytest.param(
            event(data, datacontenttype="application/json"),
            f"{HEAD}  id: 1\n  datacontenttype: application/json\nData,\n  {shown}\n",
            id=name,
        )
        for name, data, shown in (
            ("broken JSON", b'{"a":', '{"a":'),
            ("NaN", b"[NaN]", "[NaN]"),
            ("tab in a string", b'"a\tb"', '"a\tb"'),
            ("leading zero", b"[01]", "[01]"),
            ("string", b'"x"', '"x"'),
            ("only spaces", b"  ", "  "),
            ("spaces around", b"  \n [ 1 , 2 ]  \n\n", "[\n    1,\n    2\n  ]  \n\n"),
            ("lone surrogate", b'["\\ud800"]', '[\n    "\\ud800"\n  ]'),
        )
    ),
    pytest.param(
        event(time="2020-03-21T04:41:28.500Z"),
        HEAD + "  id: 1\n  time: 2020-03-21T04:41:28.5Z\n",
        id="trailing zeros of a time",
    ),
    pytest.param(
        event(time="2020-03-21T04:41:28.123456789123Z"),
        HEAD + "  id: 1\n  time: 2020-03-21T04:41:28.123456789Z\n",
        id="more than nanoseconds",
    ),
]


@pytest.mark.parametrize(("given", "expected"), RECORDED)
def test_the_display_prints_what_the_go_program_prints(given: Event, expected: str) -> None:
    """Byte for byte the recorded output of the Go SDK."""
    assert expected == display(given)


def test_a_03_events_own_attributes_are_no_extensions() -> None:
    """`schemaurl` and `datacontentencoding` stand among the attributes of 0.3."""
    given = event(
        specversion="0.3", schemaurl="http://x/y", datacontentencoding="base64", subject="sub"
    )

    assert display(given) == (
        "☁️  cloudevents.Event\nContext Attributes,\n  specversion: 0.3\n  type: t\n  source: /s\n"
        "  subject: sub\n  id: 1\n  schemaurl: http://x/y\n  datacontentencoding: base64\n"
    )


@pytest.mark.parametrize(
    "time", ["2020-03-21t04:41:28z", "2020-12-31T23:59:60Z", "0001-01-01T00:00:00+10:00"]
)
def test_a_time_that_go_cannot_hold_is_shown_as_it_came(time: str) -> None:
    """The Go program refuses such events; here their own text is shown."""
    assert f"  time: {time}\n" in display(event(time=time))


@pytest.mark.parametrize(
    ("data", "shown"),
    [(b"\xff\xfe\x00", "//4A"), (b"a\x1b[2Jb", "YRtbMkpi"), (b'["\xff"]', "WyL/Il0=")],
)
def test_data_that_is_no_text_is_shown_as_base64(data: bytes, shown: str) -> None:
    """Neither stray bytes nor control codes reach the terminal."""
    given = event(data, datacontenttype="application/json")

    assert display(given).endswith(f"Data (binary),\n  {shown}\n")


def test_json_nested_beyond_reason_is_shown_as_it_came() -> None:
    """Depth crashes nothing."""
    data = b"[" * 200_000 + b"]" * 200_000

    shown = display(event(data, datacontenttype="application/json"))

    assert shown.endswith(f"Data,\n  {data.decode()}\n")


def test_numbers_keep_every_digit() -> None:
    """A number that no float and no short integer holds is printed digit by digit."""
    number = b"9" * 6_000 + b".00" + b"1" * 50

    shown = display(event(b"[" + number + b"]", datacontenttype="application/json"))

    assert f"[\n    {number.decode()}\n  ]" in shown


def test_display_can_leave_json_as_it_is() -> None:
    """Without `pretty` data is printed as it came."""
    shown = display(event(b'{"a":1}', datacontenttype="application/json"), pretty=False)

    assert shown.endswith('Data,\n  {"a":1}\n')


class Writes(io.RawIOBase):
    """A stream that remembers each write."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # a test's own stream
        self.written.append(bytes(data))
        return len(data)


async def test_each_event_is_one_write() -> None:
    """An event is never torn apart by another process on the same terminal."""
    stream = Writes()
    given = event(b'{"a":1}', datacontenttype="application/json")

    async with LogSink(LogSinkOptions(type="log"), stream) as sink:  # type: ignore[arg-type]
        await sink.send(given)
        await sink.send(given)

    assert [display(given).encode()] * 2 == stream.written


async def test_json_is_one_line_an_event_whatever_the_data() -> None:
    """A program can read line by line: digits stay, line ends inside the data do not."""
    stream = io.BytesIO()
    given = event(b'{\r\n "a": 1.50\n}', datacontenttype="application/json", subject="sub")

    async with LogSink(LogSinkOptions(type="log", format="json"), stream) as sink:
        await sink.send(given)
        await sink.send(given)

    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert b"1.50" in lines[0]
    assert json.loads(lines[1]) == {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": "t",
        "subject": "sub",
        "datacontenttype": "application/json",
        "data": {"a": 1.5},
    }


async def test_nobody_reading_is_an_outage() -> None:
    """A closed pipe is Unavailable: the event is good and may be delivered again."""
    reader, writer = os.pipe()
    stream = os.fdopen(writer, "wb", buffering=0)
    os.close(reader)

    async with LogSink(LogSinkOptions(type="log"), stream) as sink:  # type: ignore[arg-type]
        with pytest.raises(Unavailable, match=r"sink log: .*[Bb]roken pipe"):
            await sink.send(event())

    stream.close()


async def test_a_closed_output_is_an_outage_and_ping_says_so() -> None:
    """Sending and asking agree."""
    stream = io.BytesIO()
    stream.close()
    sink = LogSink(LogSinkOptions(type="log"), stream)

    with pytest.raises(Unavailable, match="closed"):
        await sink.ping()
    with pytest.raises(Unavailable, match="closed"):
        await sink.send(event())


async def test_standard_output_is_the_default(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Without a stream events are printed where a person looks."""
    sink = LogSink(LogSinkOptions(type="log"))

    await sink.ping()
    await sink.send(event())

    assert display(event()).encode() == capfdbinary.readouterr().out


def test_deep_json_is_not_shown_a_thousand_times_as_long() -> None:
    """Every line would be indented by as much as its depth: eight megabytes became gigabytes."""
    deep = b"[" * 900 + b",".join([b"1"] * 100_000) + b"]" * 900
    wide = b"[[[[[[" + b",".join([b"1"] * 100_000) + b"]]]]]]"

    shown = display(event(deep, datacontenttype="application/json"))
    indented = display(event(wide, datacontenttype="application/json"))

    assert shown == HEAD_OF_JSON + f"Data,\n  {deep.decode()}\n"
    assert "\n              1,\n" in indented
