"""Event loops: a module that says `EVERY_LOOP = True` runs on asyncio's and on uvloop's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

import pytest

#: How long a loop waits at its end for connections that are being closed.
GOOD_BYE_SECONDS = 2.0


class Loop(asyncio.SelectorEventLoop):
    """Ends when its connections have: of a failed one over TLS nobody waits for the good-bye.

    One that nobody closes is told of as ever, when the collector comes.
    """

    def close(self) -> None:
        """Wait for connections, then close."""
        if not self.is_closed():
            until = time.monotonic() + GOOD_BYE_SECONDS
            while self._connected() and time.monotonic() < until:
                self.run_until_complete(asyncio.sleep(0.01))
        super().close()

    def _connected(self) -> bool:
        transports = list(self._transports.values())  # type: ignore[attr-defined]  # asyncio's own
        return any(transport._sock is not None for transport in transports)


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return the loops to run *item* on; one alone leaves the test's name as it is."""
    if not getattr(getattr(item, "module", None), "EVERY_LOOP", False):
        return {"asyncio": Loop}
    import uvloop

    return {"asyncio": Loop, "uvloop": uvloop.new_event_loop}
