"""Events as a person writes them: files, and options of a command."""

from pathlib import Path

import pytest

from bridge.cli.events import make_event, read_events
from bridge.core.errors import ConfigError
from bridge.core.event import Event

ONE = '{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": {"a": 1.10}}'
OLD = '{"specversion": "0.3", "id": "2", "source": "s", "type": "t"}'


def read(tmp_path: Path, text: str | bytes) -> list[Event]:
    file = tmp_path / "events.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_events(file)


def refused(tmp_path: Path, text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    return str(caught.value).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        (ONE, ["1"]),
        (ONE.replace(", ", ",\n "), ["1"]),
        (f"\n\n{ONE}\n\n", ["1"]),
        (b"\xef\xbb\xbf" + ONE.encode(), ["1"]),
        (f"{ONE}\n{OLD}\n", ["1", "2"]),
        (f"\n{ONE}\r\n\r\n{OLD}", ["1", "2"]),
        (f"[{ONE},\n{ONE}]", ["1", "1"]),
    ],
    ids=["one", "over lines", "space around", "with a mark", "a line each", "gaps", "an array"],
)
def test_events_are_read_in_any_of_three_forms(tmp_path, text, ids):
    """One, an array, or one a line; white space does not matter."""
    assert ids == [event.id for event in read(tmp_path, text)]


def test_data_keeps_its_very_bytes(tmp_path):
    """1.10 is sent as 1.10."""
    assert b'{"a": 1.10}' == read(tmp_path, ONE)[0].data


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "events.json: is empty: expected events in JSON"),
        ("[]", "events.json: holds no event"),
        (f'{ONE}\n{{"id": "2"}}\n', "events.json:2: attributes 'specversion', 'source', 'type' "),
        (f"\n{ONE}\n\nno\n", "events.json:4: "),
        ('{"specversion": "1.0"}', "events.json: attributes 'id', 'source', 'type' "),
        ("no json", "events.json: "),
        (f'[{ONE}, {{"id": "2"}}]', "events.json: event 1: attributes 'specversion', "),
        (f"[{ONE}", "events.json: "),
    ],
)
def test_what_is_no_event_is_said_with_its_place(tmp_path, text, said):
    """The file, and the line or the place in the array."""
    assert refused(tmp_path, text).startswith(said)


def test_every_bad_member_of_an_array_is_said(tmp_path):
    """Nobody mends a file one event at a time."""
    said = refused(tmp_path, f'[{{"id": "1"}}, {ONE}, {{"id": "3"}}]')

    first, third = said.splitlines()
    assert first.startswith("events.json: event 0: attributes 'specversion', ")
    assert third.startswith("events.json: event 2: attributes 'specversion', ")


def test_a_file_that_is_not_there_is_said(tmp_path):
    """With the system's own words."""
    with pytest.raises(ConfigError, match=r"nope: cannot be read: No such file"):
        read_events(tmp_path / "nope")


ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "s", "type": "t"}


def test_an_event_is_made_of_options():
    """Extensions may hold an equals sign in their value."""
    event = make_event(ATTRIBUTES, ["traceparent=00-a=b", "subject=x"], b"{}")

    assert {**ATTRIBUTES, "traceparent": "00-a=b", "subject": "x"} == event.attributes
    assert b"{}" == event.data


@pytest.mark.parametrize(
    ("extension", "said"),
    [
        ("nope", "--extension nope: expected name=value"),
        ("My-Name=1", "attribute name 'My-Name' is invalid"),
        ("id=2", "--extension id=2: 'id' has an option of its own"),
        ("datacontenttype=a/b", "'datacontenttype' has an option of its own"),
        ("time=yesterday", "attribute 'time' is 'yesterday': expected RFC 3339"),
        ("a=\x07", "attribute 'a' holds U+0007"),
    ],
)
def test_an_event_that_is_none_is_refused(extension, said):
    """What the specification forbids is said before anything is sent."""
    with pytest.raises(ConfigError) as caught:
        make_event(ATTRIBUTES, [extension], None)

    assert said in str(caught.value)
