"""What a stranger reads first is true: links, files, the file, the curl, the promises' tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from bridge.cli import demo

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])


def blocks(language: str) -> list[str]:
    """Return the README's fenced blocks in *language*."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path):
    """Each relative link of a page names a file or folder that is there."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())

    missing = [link for link in links if not (page.parent / link).exists()]

    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_heading_meets_one(page: Path):
    """What stands behind `#` is a heading of the page that is named."""
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text())

    missing = [
        f"{name}#{anchor}"
        for name, anchor in links
        if anchor not in headings((page.parent / name) if name else page)
    ]

    assert missing == []


def headings(page: Path) -> set[str]:
    """Return what a page's headings are linked by."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in found}


def test_every_page_is_found_from_the_readme():
    """A page that nothing leads to is read by nobody."""
    linked = set(re.findall(r"\]\((docs/[^)#]+)", README))

    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} - linked == set()


def test_the_changelog_is_one_list():
    """Under a heading no empty line stands between two changes, and the last line ends."""
    text = (ROOT / "CHANGELOG.md").read_text()

    assert re.findall(r"^- .*\n\n+- .*$", text, re.MULTILINE) == []
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_the_file_shown_is_the_example():
    """The README shows examples/iris/bridge.yaml as it is."""
    assert blocks("yaml") == [(ROOT / "examples/iris/bridge.yaml").read_text()]


def test_the_file_is_six_lines():
    """The whole of it, as the README says."""
    (text,) = blocks("yaml")

    assert len(text.splitlines()) == 6
    assert set(yaml.safe_load(text)) == {"pipelines"}


def test_the_curl_shown_is_the_published_request():
    """The same command that `make demo KEEP=1` prints."""
    assert demo.curl(8080) in README


def test_the_targets_named_are_in_the_makefile():
    """Whatever `make` is said to do, it does."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    named = set(re.findall(r"\bmake ([a-z]+)", README))

    assert named
    assert named <= targets


def test_nobody_is_told_to_install_a_package_that_is_not_published():
    """The distribution is on no index."""
    assert not any("pip install inference-bridge" in page.read_text() for page in PAGES)
