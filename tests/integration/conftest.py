"""Event loops: a module that says `EVERY_LOOP = True` runs on asyncio's and on uvloop's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return the loops to run *item* on; one alone leaves the test's name as it is."""
    if not getattr(getattr(item, "module", None), "EVERY_LOOP", False):
        return {"asyncio": asyncio.SelectorEventLoop}
    import uvloop

    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}
