"""Log lines about refusals that an operator can read at night: the first, then a few.

A model that is down refuses every event, and a line for each would bury the one that
matters. So each kind of refusal is told at once, and then at most every ten seconds, with
how many were left out in between; the metrics count them all.
"""

from __future__ import annotations

import structlog

from bridge.core.clock import Clock

#: How often one kind of refusal is told, at most.
INTERVAL_SECONDS = 10.0

#: Kinds told apart; more share a line.
MAX_KINDS = 64

log = structlog.get_logger()


class Complaints:
    """Warns of refusals, sparingly. *facts* are in every line: which pipeline, which source."""

    def __init__(self, clock: Clock, **facts: str) -> None:
        self._clock = clock
        self._facts = facts
        self._told: dict[str, tuple[float, int]] = {}

    def of_request(self, status: int, text: str) -> None:
        """Tell of a request that was refused before anybody could answer it."""
        self.of(f"http_{status}", text)

    def of(self, reason: str, error: BaseException | str, **facts: str) -> None:
        """Tell of one refusal, unless *reason* was told of just now."""
        self._tell("refused", reason, error, facts)

    def of_filtered(self, reason: str, text: str, **facts: str) -> None:
        """Tell of an event that was left out where nobody may expect it, as `of` does."""
        self._tell("filtered", reason, text, facts)

    def _tell(
        self, what: str, reason: str, error: BaseException | str, facts: dict[str, str]
    ) -> None:
        if reason not in self._told and len(self._told) >= MAX_KINDS:
            reason = "other"
        now = self._clock.monotonic()
        last, left_out = self._told.get(reason, (now - INTERVAL_SECONDS, 0))
        if now - last < INTERVAL_SECONDS:
            self._told[reason] = (last, left_out + 1)
            return
        self._told[reason] = (now, 0)
        more = {"left_out": left_out} if left_out else {}
        log.warning(what, reason=reason, error=str(error), **self._facts, **facts, **more)
