from __future__ import annotations

import pytest

from bridge.broker.destinations import target_of


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h", ("http://h", "/")),
        ("https://h:1/a/b?x=1&y=2#part", ("https://h:1", "/a/b?x=1&y=2")),
    ],
)
def test_a_url_is_an_origin_and_a_target(url: str, expected: tuple[str, str]) -> None:
    """A fragment is nobody's business but the sender's."""
    assert expected == target_of(url)
