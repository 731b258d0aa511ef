"""What goes along with a call of gRPC, and what becomes of it when its files change."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.config.grpc import GrpcClientOptions
from bridge.transports.grpc_metadata import MAX_FORWARDED_CHARACTERS, ChannelMetadata
from tests.fakes import FakeClock


def test_a_key_that_metadata_cannot_carry_changes_nothing(tmp_path: Path) -> None:
    """As with a file that is gone: the old one goes along, and the log says why, once."""
    file, clock = tmp_path / "key", FakeClock()
    file.write_text("first")
    made = ChannelMetadata(
        GrpcClientOptions(target="iris:9", header_files={"x-api-key": str(file)}), clock=clock
    )

    file.write_text("gr\u00fcn-hidden")
    clock.now += 2
    with capture_logs() as lines:
        bad = [list(made.now()) for _ in range(3)]
    file.write_text("second")
    clock.now += 2

    assert [[("x-api-key", "first")]] * 3 == bad
    assert [("x-api-key", "second")] == list(made.now())
    (warning,) = [line for line in lines if line["log_level"] == "warning"]
    assert "expected one line of printable ASCII" in warning["error"]
    assert "hidden" not in str(lines)


@pytest.mark.parametrize(("length", "goes"), [(MAX_FORWARDED_CHARACTERS, 1), (1025, 0)])
def test_a_long_header_of_an_event_stays_behind(length: int, goes: int) -> None:
    """It could cost the call, and is there for traces alone."""
    made = ChannelMetadata(GrpcClientOptions(target="iris:9"), clock=FakeClock())

    assert goes == len(made.beside([(b"tracestate", b"z" * length)]))
