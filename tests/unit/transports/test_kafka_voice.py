"""What a library says by itself: told, at warning, and not a hundred times."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from bridge.transports.kafka.voice import Voice, listen
from tests.fakes import FakeClock


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """The library's logger, as it is left at the end."""
    logger = logging.getLogger("aiokafka")
    handlers, propagate = list(logger.handlers), logger.propagate
    logger.handlers.clear()
    yield logger
    logger.handlers[:] = handlers
    logger.propagate = propagate


def test_an_error_of_the_library_is_a_warning_without_its_traceback(logger: logging.Logger) -> None:
    """It gets over it by itself, or an error of ours says that it does not."""
    listen(FakeClock())

    with capture_logs() as told:
        try:
            raise ConnectionError("refused")
        except ConnectionError:
            logging.getLogger("aiokafka.conn").exception("Unexpected\nexception in %s", "here")

    assert [
        {
            "event": "kafka client",
            "log_level": "warning",
            "logger": "aiokafka.conn",
            "said": "Unexpected exception in here: ConnectionError('refused')",
        }
    ] == told


def test_the_same_again_is_left_out_for_a_while(logger: logging.Logger) -> None:
    """And counted."""
    clock = FakeClock()
    listen(clock)

    with capture_logs() as told:
        for node in range(5):
            logging.getLogger("aiokafka.client").error("Unable connect to node %s", node)
        logging.getLogger("aiokafka.client").error("Unable to update metadata")
        clock.now += 11
        logging.getLogger("aiokafka.client").error("Unable connect to node %s", 9)

    assert [
        ("Unable connect to node 0", None),
        ("Unable to update metadata", None),
        ("Unable connect to node 9", 4),
    ] == [(line["said"], line.get("left_out")) for line in told]


def test_listening_twice_tells_once(logger: logging.Logger) -> None:
    """Each consumer asks for it."""
    for _ in range(2):
        listen(FakeClock())

    assert 1 == sum(isinstance(handler, Voice) for handler in logger.handlers)


def test_kinds_beyond_a_limit_share_a_line(logger: logging.Logger) -> None:
    """What is kept for the sake of leaving lines out is bounded."""
    listen(FakeClock())

    with capture_logs() as told:
        for kind in range(100):
            logging.getLogger("aiokafka.client").error(f"kind {kind}")

    assert 65 == len(told)
