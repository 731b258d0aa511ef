"""What aiokafka says of its own accord, as lines of ours: sparingly, and none of them an alarm.

    aiokafka.conn, .client, .consumer… ──▶ one handler ──▶ "kafka client", at warning

A broker that restarts has it write hundreds of errors and tracebacks, of what it then gets
over by itself. Each kind of them is told as other refusals are: at once, then every ten
seconds. What it does not get over comes as an error of ours.
"""

from __future__ import annotations

import logging

import structlog

from bridge.core.clock import Clock
from bridge.observe.complaints import INTERVAL_SECONDS

log = structlog.get_logger()

#: Kinds told apart; more share a line.
MAX_KINDS = 64


class Voice(logging.Handler):
    """Tells what reaches it from *clock*'s now on."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._told: dict[tuple[str, str], tuple[float, int]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, unless the same kind was told of just now."""
        text = record.getMessage()
        if record.exc_info is not None and record.exc_info[1] is not None:
            text += f": {record.exc_info[1]!r}"
        facts = {"logger": record.name, "said": " ".join(text.split())}
        if record.levelno < logging.WARNING:
            log.debug("kafka client", **facts)
            return
        kind = (record.name, str(record.msg))
        if kind not in self._told and len(self._told) >= MAX_KINDS:
            kind = ("", "other")
        now = self._clock.monotonic()
        last, left_out = self._told.get(kind, (now - INTERVAL_SECONDS, 0))
        if now - last < INTERVAL_SECONDS:
            self._told[kind] = (last, left_out + 1)
            return
        self._told[kind] = (now, 0)
        log.warning("kafka client", **facts, **({"left_out": left_out} if left_out else {}))


def listen(clock: Clock) -> None:
    """Have all that aiokafka logs from here on told by a `Voice`; once for a process."""
    logger = logging.getLogger("aiokafka")
    if not any(isinstance(handler, Voice) for handler in logger.handlers):
        logger.addHandler(Voice(clock))
        logger.propagate = False
