"""The command line within the test's own process: what it prints, and how it exits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import structlog

from bridge.cli import main
from tests.fakes_usercode import nothing_loaded


@dataclass(frozen=True)
class Ended:
    """A command that ended."""

    status: int
    out: str
    err: str


@pytest.fixture
def bridge(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Ended]]:
    """Run `bridge` with the given arguments; leave neither a log nor users' modules behind."""

    def run(*argv: object) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in argv])
        printed = capsys.readouterr()
        return Ended(int(ended.value.code or 0), printed.out, printed.err)

    handlers = list(logging.getLogger().handlers)
    with nothing_loaded():
        yield run
    logging.getLogger().handlers[:] = handlers
    structlog.reset_defaults()
