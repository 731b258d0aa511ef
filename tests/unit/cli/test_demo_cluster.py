"""Which Kafka a demo finds, and what it says where there is none."""

from __future__ import annotations

import importlib.util
import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from bridge.cli import demo_cluster, fetched
from bridge.cli.demo_steps import DemoError
from bridge.cli.fetched import Missing, jars, java
from bridge.cli.processes import Processes


def program(folder: Path, name: str, script: str) -> None:
    """Write a command *name* into *folder*."""
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder in which commands are looked for; a cache of its own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def test_an_old_java_is_none(path: Path) -> None:
    """Kafka 4 needs 17; what is there is named."""
    with pytest.raises(Missing, match=r"no java from 17 up$"):
        java()

    program(path, "java", """echo 'openjdk version "11.0.2" 2019-01-15' >&2""")
    with pytest.raises(Missing, match=r"no java from 17 up, only 11$"):
        java()

    program(path, "java", """echo 'openjdk version "21.0.1" 2023-10-17' >&2""")
    assert str(path / "java") == java()


def test_jars_that_were_fetched_need_no_maven(path: Path, tmp_path: Path) -> None:
    """The second demo works offline."""
    pom = tmp_path / "pom.xml"
    pom.write_text("<project/>")
    with pytest.raises(Missing, match="no mvn command to fetch the jars of kafka with"):
        jars("kafka", pom)

    program(path, "mvn", "exit 0")
    first = jars("kafka", pom)
    (path / "mvn").unlink()

    assert first == jars("kafka", pom)


def test_what_maven_cannot_fetch_is_told_in_its_words(path: Path, tmp_path: Path) -> None:
    """The first error, without the colours before it; and nothing is taken for fetched."""
    pom = tmp_path / "pom.xml"
    pom.write_text("<project/>")
    program(path, "mvn", "echo 'x [ERROR] no such host'; echo '[ERROR] more'; exit 1")

    for _ in range(2):
        with pytest.raises(Missing, match=r"kafka cannot be fetched: \[ERROR\] no such host$"):
            jars("kafka", pom)


def test_with_neither_java_nor_a_broker_from_pip_it_says_what_to_install(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways are named, and why the first one is not open."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    console = Console(file=io.StringIO())

    with pytest.raises(DemoError) as caught:
        demo_cluster.start(console, Processes(), tmp_path / "pom.xml")

    assert str(caught.value) == (
        "no java from 17 up, and no broker from pip either: expected Java and Maven, or "
        "pip install -e '.[demo-kafka]' in this checkout"
    )


def test_demo_and_tests_find_the_same_jars(monkeypatch: pytest.MonkeyPatch) -> None:
    """One list of jars, one cache: neither fetches what the other has."""
    from tests.services import cache, kafka_settings, toolchain

    root = Path(__file__).parents[3]

    assert root / "examples" / "kafka" / "pom.xml" == kafka_settings.POM
    assert (toolchain.jars, cache.cached) == (fetched.jars, fetched.cached)
    monkeypatch.setenv("XDG_CACHE_HOME", f"{os.sep}cache")
    assert Path("/cache/inference-bridge") == fetched.cache_root()
