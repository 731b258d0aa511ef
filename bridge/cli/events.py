"""Events as a person writes them: files in CloudEvents' JSON format, options of a command.

{…}               one event
[{…}, {…}]        a batch
{…} ⏎ {…}         one event a line
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.core.errors import ConfigError, DecodeError

if TYPE_CHECKING:
    from bridge.core.event import Event

#: Stands for standard input wherever a file is named.
STDIN: Final = "-"


def read_events(file: Path) -> list[Event]:
    """Return the events of *file*: one, an array, or one a line.

    Raise ConfigError, with the line or the place in the array, for what is no event.
    """
    name = "stdin" if str(file) == STDIN else str(file)
    raw = read_bytes(file)
    text = raw.removeprefix(_BOM).strip()
    if not text:
        raise ConfigError(f"{name}: is empty: expected events in JSON")
    if text.startswith(b"["):
        return _array(name, text)
    if _is_one_a_line(text):
        numbered = enumerate(raw.removeprefix(_BOM).split(b"\n"), 1)
        return [_event(f"{name}:{number}", line) for number, line in numbered if line.strip()]
    return [_event(name, text)]


def read_bytes(file: Path) -> bytes:
    """Return what *file*, or standard input, holds; raise ConfigError if it cannot be read."""
    if str(file) == STDIN:
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error


def make_event(
    attributes: Mapping[str, str], extensions: Sequence[str], data: bytes | None
) -> Event:
    """Return the event of *attributes* and of *extensions*, each `name=value`.

    Raise ConfigError where the specification forbids it.
    """
    from bridge.core.event import Event, check_attributes

    every = dict(attributes)
    for pair in extensions:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"--extension {pair}: expected name=value")
        if name in _OWN_OPTIONS:
            raise ConfigError(f"--extension {pair}: '{name}' has an option of its own")
        every[name] = value
    try:
        check_attributes(every)
    except DecodeError as error:
        raise ConfigError(str(error)) from error
    return Event(every, data)


_BOM = b"\xef\xbb\xbf"
_OWN_OPTIONS = frozenset(("specversion", "id", "source", "type", "datacontenttype"))


def _is_one_a_line(text: bytes) -> bool:
    """Whether *text* has an object in its first line and more after it."""
    first, end, _ = text.partition(b"\n")
    return bool(end) and first.rstrip().endswith(b"}") and first.lstrip().startswith(b"{")


def _event(where: str, text: bytes) -> Event:
    from bridge.codecs import http as codec

    try:
        return codec.decode(((b"content-type", codec.STRUCTURED_TYPE),), text)
    except DecodeError as error:
        raise ConfigError(f"{where}: {error}") from error


def _array(name: str, text: bytes) -> list[Event]:
    """Return every event of an array; tell of every bad one."""
    from bridge.codecs import http as codec

    try:
        members = codec.decode_batch(((b"content-type", codec.BATCH_TYPE),), text)
    except DecodeError as error:
        raise ConfigError(f"{name}: {error}") from error
    bad = [f"{name}: {member}" for member in members if isinstance(member, DecodeError)]
    if bad:
        raise ConfigError("\n".join(bad))
    if not members:
        raise ConfigError(f"{name}: holds no event")
    return [member for member in members if not isinstance(member, DecodeError)]
