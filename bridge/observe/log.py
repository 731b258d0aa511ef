"""Log lines as facts: what happened in words, the rest as keys; never a secret.

    log.warning("model unavailable", pipeline="iris", attempt=2, error="…")
        ──▶ plain, redacted values ──▶ one JSON object a line, or a line for a person

Importing this changes nothing; `configure` is called once, by the command that runs.
Logging never fails an event: whatever is given as a value comes out as text.
"""

from __future__ import annotations

import io
import json
import logging
import math
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Final, Literal, TextIO

import structlog

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "console"]

#: What stands where a secret was.
HIDDEN: Final = "***"

#: A longer text is cut: a log line is no payload log.
MAX_TEXT: Final = 4096

#: Values in one collection, and collections within collections, that are written.
MAX_ITEMS: Final = 100
MAX_DEPTH: Final = 6


def configure(level: Level, format: Format, stream: TextIO) -> None:
    """Send the log of this process to *stream*, from *level* up, as *format*.

    Libraries that log through the standard library come out the same way, from warnings up
    (all of it at `debug`). Calling it again replaces what was there; loggers remember the
    first call's choice only where *stream* is the process's own, which nobody replaces.
    """
    lowest = _LEVELS[level]
    render = _renderer(format, stream)
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if format == "json":
        shared.append(structlog.processors.format_exc_info)
    shared.append(redact)
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=stream in (sys.__stderr__, sys.__stdout__),
    )
    _route_standard_library(stream, shared, render)
    logging.getLogger().setLevel(
        lowest if lowest == logging.DEBUG else max(lowest, logging.WARNING)
    )


def redact(_logger: Any, _method: str, facts: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Return *facts* as plain values that can be shown (a structlog processor).

    Hidden are values under a telling name (`authorization`, `token`, `password`, …), also in
    pairs of headers, pydantic's secrets, and passwords in URLs. Control characters are
    escaped: what an event holds cannot forge a line or steer a terminal.
    """
    shown: dict[str, Any] = {}
    for name, value in facts.items():
        if name == "exception":
            shown[name] = _traceback(str(value))
        else:
            shown[str(name)] = value if name in _OWN else _shown(name, value, 0)
    return shown


_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

#: Structlog's own, made of nothing from outside, or rendered by `_print_traceback`.
_OWN: Final = frozenset(
    ("exc_info", "exception", "level", "timestamp", "_record", "_from_structlog")
)

_TELLING = re.compile(
    r"authorization|token|passw|secret|credential|cookie|api[-_]?key|private[-_]?key", re.IGNORECASE
)
_USERINFO = re.compile(r"//[^/@\s]*@")


class _Handler(logging.StreamHandler[TextIO]):
    """The one handler of ours, so that a second `configure` finds and replaces it."""


def _route_standard_library(
    stream: TextIO, shared: list[structlog.typing.Processor], render: structlog.typing.Processor
) -> None:
    root = logging.getLogger()
    for handler in [known for known in root.handlers if isinstance(known, _Handler)]:
        root.removeHandler(handler)
    handler = _Handler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root.addHandler(handler)


def _renderer(format: Format, stream: TextIO) -> structlog.typing.Processor:
    if format == "json":
        return _json
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(),
        exception_formatter=_print_traceback,
    )


def _print_traceback(to: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    """Print no local variables, as structlog's own would: secrets are among them."""
    plain = io.StringIO()
    structlog.dev.plain_traceback(plain, exc_info)
    to.write(_traceback(plain.getvalue()))


def _json(_logger: Any, _method: str, facts: MutableMapping[str, Any]) -> str:
    event = facts.pop("event", "")
    return json.dumps({"event": event, **facts}, default=str)


def _shown(name: object, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return HIDDEN if value is not None and _is_telling(name) else value
    if _is_telling(name) or hasattr(value, "get_secret_value"):
        return HIDDEN
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (str, bytes)):
        return _text(value)
    if depth < MAX_DEPTH and isinstance(value, Mapping):
        items = list(value.items())[:MAX_ITEMS]
        return {_text(str(key)): _shown(key, inner, depth + 1) for key, inner in items}
    if depth < MAX_DEPTH and isinstance(value, (list, tuple, set, frozenset)):
        return _listed(value, depth)
    return _text(_as_text(value))


def _listed(values: Iterable[Any], depth: int) -> Any:
    """A list; a pair of which the first is a telling name is a header with its value."""
    items = list(values)[:MAX_ITEMS]
    if len(items) == 2 and isinstance(items[0], (str, bytes)) and _is_telling(items[0]):
        return [_text(items[0]), HIDDEN]
    return [_shown("", item, depth + 1) for item in items]


def _is_telling(name: object) -> bool:
    text = name.decode("latin-1") if isinstance(name, bytes) else str(name)
    return _TELLING.search(text) is not None


def _as_text(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001  # a user's own __str__; a log line fails no event
        return f"<{type(value).__name__} that cannot be shown>"


def _traceback(text: str) -> str:
    return "\n".join([_text(line) for line in text.splitlines()])


def _text(value: str | bytes) -> str:
    text = value[:MAX_TEXT].decode("utf-8", "replace") if isinstance(value, bytes) else value
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT] + "…"
    if not text.isprintable():
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return _USERINFO.sub(f"//{HIDDEN}@", text)
