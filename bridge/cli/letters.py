"""How dead letters are shown: a row each, or everything of one."""

from __future__ import annotations

import base64
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bridge.cli.output import console, plain

if TYPE_CHECKING:
    from rich.console import Console

    from bridge.app.letters import Found

#: How much of a value is shown to people.
SHOWN_BYTES = 64 * 1024

#: How wide a table is where no terminal says so.
WIDE = 250


def print_table(letters: Sequence[Found]) -> None:
    """Print a row for each of *letters*; what does not fit the terminal is cut."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", expand=sys.stdout.isatty())
    for name, least in (("letter", 8), ("time", 19), ("pipeline", 4), ("error", 9)):
        table.add_column(name, no_wrap=True, overflow="ellipsis", min_width=least)
    table.add_column("text", no_wrap=True, overflow="ellipsis", ratio=1)
    for name in ("from", "key", "attempts", "redrives"):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    for letter in letters:
        told = letter.told
        assert told is not None  # noqa: S101  # only dead letters are listed
        table.add_row(
            *(
                plain(text).replace("\n", " ")
                for text in (
                    letter.place,
                    (told.time or "")[:19],
                    told.pipeline,
                    told.error_type,
                    told.error_text,
                    _came_from(letter),
                    _key(letter) or "",
                    str(told.attempts),
                    str(told.redrives),
                )
            )
        )
    wide().print(table)


def wide() -> Console:
    """Return what prints tables: as wide as the terminal, or as WIDE where there is none."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else WIDE
    return Console(markup=False, emoji=False, highlight=False, width=width)


def print_counts(topic: str, counts: Counter[str], *, shown: int, strangers: int) -> None:
    """Print how many letters there are of each error, and what else is in *topic*."""
    out = console()
    total = counts.total()
    more = f", {shown} shown" if shown < total else ""
    out.print(f"{plain(topic)}: {total} dead letter{'s' * (total != 1)}{more}")
    for error, count in counts.most_common():
        out.print(f"  {count:>6}  {plain(error)}")
    if strangers:
        out.print(f"  {strangers:>6}  records that are no dead letters")


def print_letter(letter: Found) -> None:
    """Print everything of *letter*."""
    out, record, told = console(), letter.record, letter.told
    if told is None:
        out.print("no dead letter: the headers that say why are missing", style="yellow")
    else:
        for name, value in (
            ("pipeline", told.pipeline),
            ("error", told.error_type),
            ("text", told.error_text),
            ("refused at", told.time),
            ("first tried", told.first_time),
            ("attempts", told.attempts),
            ("redrives", told.redrives),
            ("came from", _came_from(letter)),
        ):
            if value not in (None, ""):
                out.print(f"{name + ':':<13}{plain(str(value))}")
    out.print(f"{'key:':<13}{plain(_key(letter) or '(none)')}")
    out.print("headers:")
    for name, raw in record.headers:
        shown = "(null)" if raw is None else plain(raw.decode("utf-8", "backslashreplace"))
        out.print(f"  {plain(name)}: {shown}")
    form, text = readable(record.value)
    out.print(f"value ({form}):")
    out.print(plain(text))


def readable(value: bytes | None) -> tuple[str, str]:
    """Return what *value* is, in words, and its first SHOWN_BYTES as somebody can read them."""
    import orjson

    if value is None:
        return "none", ""
    size = f"{len(value)} bytes"
    if len(value) > SHOWN_BYTES:
        size = f"the first {SHOWN_BYTES} of {size}"
    else:
        try:
            parsed = orjson.loads(value)
        except orjson.JSONDecodeError:
            pass
        else:
            return f"JSON, {size}", orjson.dumps(parsed, option=orjson.OPT_INDENT_2).decode()
    start = value[:SHOWN_BYTES]
    try:
        # A character that is cut in two at the end is no reason to show the rest in hex.
        text = start.decode("utf-8", "strict" if start is value else "ignore")
    except UnicodeDecodeError:
        return f"hex, {size}", start.hex(" ", 2)
    if "\x00" in text or (start is not value and "\ufffd" in start.decode("utf-8", "replace")[:-1]):
        return f"hex, {size}", start.hex(" ", 2)
    return f"text, {size}", text


def as_json(letter: Found, *, whole: bool = False) -> dict[str, Any]:
    """Return *letter* as programs read it; *whole*: with headers and value."""
    record, told = letter.record, letter.told
    facts: dict[str, Any] = {
        "letter": letter.place,
        "partition": record.partition,
        "offset": record.offset,
        "key": _key(letter),
    }
    if told is not None:
        facts |= {
            "time": told.time,
            "pipeline": told.pipeline,
            "error": told.error_type,
            "text": told.error_text,
            "from": {"topic": told.topic, "partition": told.partition, "offset": told.offset},
            "attempts": told.attempts,
            "redrives": told.redrives,
            "first_time": told.first_time,
            "value_bytes": told.value_bytes,
        }
    if whole:
        facts["headers"] = [[name, _text(raw)] for name, raw in record.headers]
        facts["value"] = _text(record.value)
        facts["value_base64"] = _base64(record.value)
    return facts


def _came_from(letter: Found) -> str:
    told = letter.told
    if told is None or told.topic is None:
        return ""
    return f"{told.topic}/{told.partition}/{told.offset}"


def _key(letter: Found) -> str | None:
    from bridge.app.selection import readable_key

    return readable_key(letter.record.key)


def _text(raw: bytes | None) -> str | None:
    """Return *raw* as text, None where it is none."""
    try:
        return None if raw is None else raw.decode()
    except UnicodeDecodeError:
        return None


def _base64(raw: bytes | None) -> str | None:
    return None if raw is None else base64.b64encode(raw).decode()
