"""The MinIO of tests and demo: found in the cache, found on the path, built, or missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.cli.fetched import Missing
from bridge.cli.minio_binary import PACKAGE, minio


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty cache, and nothing on its path but what a test puts there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def program(path: Path, script: str) -> None:
    """Make *path* a program."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_nothing_is_built_unless_asked_for(here: Path) -> None:
    """The demo asks whether there is one: minutes of building would be no answer."""
    program(here / "go", "exit 1")

    with pytest.raises(Missing, match="none is to be built"):
        minio(build=False)


def test_without_go_it_is_missing(here: Path) -> None:
    """What would be needed is said."""
    with pytest.raises(Missing, match="no go command"):
        minio(build=True)


def test_a_minio_of_the_machine_is_taken_where_none_is_built(here: Path) -> None:
    """Whatever its version: better than none."""
    program(here / "minio", "")

    assert here / "minio" == minio(build=False)


def test_it_is_built_once_at_its_pinned_version_and_then_found(here: Path) -> None:
    """`go install` into the cache; the second time there is nothing left to do."""
    program(here / "go", 'echo "$*" >> "$GOBIN/asked"; echo > "$GOBIN/minio"')

    built = minio(build=True)
    found = minio(build=False)

    assert built == found
    assert [f"install -ldflags=-s -w {PACKAGE}"] == (
        built.parent / "asked"
    ).read_text().splitlines()


def test_what_go_said_is_told_where_it_fails(here: Path) -> None:
    """The last line of it, and the next call tries again."""
    program(here / "go", "echo downloading; echo no such host; exit 1")

    with pytest.raises(Missing, match="cannot be built: no such host"):
        minio(build=True)
    program(here / "go", 'echo > "$GOBIN/minio"')

    assert minio(build=True).exists()
