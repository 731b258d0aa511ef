"""Files that change while the process runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.config.watched import LOOK_SECONDS, MAX_FILE_BYTES, WatchedFile, secret
from bridge.core.errors import ConfigError
from tests.fakes import FakeClock


def watched(file: Path, clock: FakeClock) -> WatchedFile[str]:
    return WatchedFile(file, secret, option="token_file", clock=clock)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """A new content counts from the next look on."""
    file, clock = tmp_path / "token", FakeClock()
    file.write_text("old\n")
    token = watched(file, clock)

    file.write_text("new one\n")
    clock.now += LOOK_SECONDS

    assert "new one" == token.value()
    assert 1 == token.changes


def test_a_mounted_secret_that_is_swapped_is_read_again(tmp_path: Path) -> None:
    """Kubernetes points a link at another folder; the name stays."""
    clock = FakeClock()
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "token").write_text(f"token-{version}")
    data = tmp_path / "..data"
    data.symlink_to("1")
    (tmp_path / "token").symlink_to("..data/token")
    token = watched(tmp_path / "token", clock)

    swapped = tmp_path / "..data_tmp"
    swapped.symlink_to("2")
    swapped.rename(data)
    clock.now += LOOK_SECONDS

    assert "token-2" == token.value()


def test_a_change_that_keeps_size_and_time_is_noticed(tmp_path: Path) -> None:
    """`cp -p`, rsync and archives set the time of a file; a token often keeps its length."""
    file, clock = tmp_path / "token", FakeClock()
    file.write_text("token-1")
    os.utime(file, (1, 1))
    token = watched(file, clock)

    file.write_text("token-2")
    os.utime(file, (1, 1))
    clock.now += LOOK_SECONDS

    assert "token-2" == token.value()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_be_read_after_all_is_read(tmp_path: Path) -> None:
    """Put there for its owner alone, then opened to us: its content has not changed since."""
    file, clock = tmp_path / "token", FakeClock()
    file.write_text("old")
    token = watched(file, clock)
    file.write_text("new one")
    file.chmod(0)
    clock.now += LOOK_SECONDS
    forbidden = token.value()

    file.chmod(0o600)
    clock.now += LOOK_SECONDS

    assert ("old", "new one") == (forbidden, token.value())


def test_the_file_is_looked_at_once_in_a_while(tmp_path: Path) -> None:
    """Asking again within LOOK_SECONDS costs no system call."""
    file, clock = tmp_path / "token", FakeClock()
    file.write_text("old")
    token = watched(file, clock)

    file.write_text("new one")
    clock.now += LOOK_SECONDS / 2

    assert "old" == token.value()


@pytest.mark.parametrize("content", [b"", b" \n", b"two\nlines", "ключ".encode(), None])
def test_what_makes_no_sense_leaves_the_last_value_and_is_told_once(
    tmp_path: Path, content: bytes | None
) -> None:
    """A file half written, or gone, costs a warning and no event."""
    file, clock = tmp_path / "token", FakeClock()
    file.write_text("old")
    token = watched(file, clock)

    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with capture_logs() as lines:
        for _ in range(3):
            clock.now += LOOK_SECONDS
            value = token.value()

    assert "old" == value
    assert ["warning"] == [line["log_level"] for line in lines]


def test_a_file_that_comes_back_is_read(tmp_path: Path) -> None:
    """Gone and there again is a change."""
    file, clock = tmp_path / "token", FakeClock()
    file.write_text("old")
    token = watched(file, clock)
    file.unlink()
    clock.now += LOOK_SECONDS
    token.value()

    file.write_text("new")
    clock.now += LOOK_SECONDS

    assert "new" == token.value()


@pytest.mark.parametrize("content", [None, b"", b"x" * (MAX_FILE_BYTES + 1)])
def test_a_file_that_cannot_be_used_at_start_is_refused(
    tmp_path: Path, content: bytes | None
) -> None:
    """Building names option and file, and never the content."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(ConfigError, match=r"token_file '.*token': ") as caught:
        watched(file, FakeClock())

    assert "xxx" not in str(caught.value)
