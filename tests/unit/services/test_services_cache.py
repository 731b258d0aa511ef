"""The cache of programs and environments: made once, made again when half made."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.services.cache import cached, content_of
from tests.services.fixtures import REQUIRE, unavailable


def test_makes_once_and_finds_again(tmp_path: Path) -> None:
    """The second call of the same content makes nothing."""
    made: list[Path] = []

    first = cached("thing", b"content", made.append, root=tmp_path)
    second = cached("thing", b"content", made.append, root=tmp_path)

    assert first == second
    assert [first] == made


def test_other_content_is_another_folder(tmp_path: Path) -> None:
    """A changed source never meets the build of the old one."""
    made: list[Path] = []

    first = cached("thing", b"old", made.append, root=tmp_path)
    second = cached("thing", b"new", made.append, root=tmp_path)

    assert [first, second] == made
    assert first != second


def test_what_was_half_made_is_made_again(tmp_path: Path) -> None:
    """A make that failed leaves nothing that a later call would take for the thing."""

    def fails(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError("no space left")

    def works(folder: Path) -> None:
        (folder / "whole").touch()

    with pytest.raises(OSError, match="no space left"):
        cached("thing", b"content", fails, root=tmp_path)
    folder = cached("thing", b"content", works, root=tmp_path)

    assert {".complete", "whole"} == {path.name for path in folder.iterdir()}


def test_two_at_once_make_once(tmp_path: Path) -> None:
    """Whoever comes second waits for the first and finds its work."""
    begun, go_on = threading.Event(), threading.Event()
    made: list[Path] = []

    def make(folder: Path) -> None:
        begun.set()
        assert go_on.wait(10)
        made.append(folder)

    threads = [
        threading.Thread(target=cached, args=("thing", b"content", make), kwargs={"root": tmp_path})
        for _ in range(2)
    ]
    threads[0].start()
    assert begun.wait(10)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(10)

    assert len(made) == 1


def test_content_is_names_and_bytes(tmp_path: Path) -> None:
    """A renamed file, a moved border between two files, a changed byte: each is other content."""
    folders = []
    for number, files in enumerate(
        [{"a": "xy", "b": "z"}, {"a": "x", "b": "yz"}, {"c": "xy", "b": "z"}]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
        folders.append(folder)

    digests = {content_of(folder) for folder in folders}

    assert len(digests) == 3
    assert content_of(folders[0]) == content_of(folders[0])


def test_unavailable_skips_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a component a test is skipped; where all are required it fails."""
    monkeypatch.delenv(REQUIRE, raising=False)
    with pytest.raises(pytest.skip.Exception, match="no go command"):
        unavailable("no go command")

    monkeypatch.setenv(REQUIRE, "1")
    with pytest.raises(pytest.fail.Exception, match="no go command"):
        unavailable("no go command")
