"""A cursor as text: read back as it was, and never taken for one that it is not."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.sources.cursor import BucketCursor, Cursor, CursorUnreadable, decoded, encoded

TIMES = st.none() | st.integers(0, 2**60)
KEYS = st.text(max_size=20)
CURSORS = st.builds(
    Cursor,
    owner=st.none() | st.text(max_size=5),
    writes=st.integers(0, 2**40),
    buckets=st.dictionaries(
        st.text(max_size=5),
        st.builds(
            BucketCursor,
            floor=TIMES,
            bound=TIMES,
            after=KEYS,
            open=st.lists(KEYS, max_size=3),
            done=st.dictionaries(KEYS, st.tuples(st.integers(0, 2**60), KEYS), max_size=3),
        ),
        max_size=3,
    ),
)


@given(CURSORS, st.text(max_size=3), st.text(max_size=3))
def test_what_is_written_is_read_back(cursor: Cursor, prefix: str, suffix: str) -> None:
    """Every key, whatever characters it has."""
    data = encoded(cursor, prefix=prefix, suffix=suffix)

    assert cursor == decoded(data, prefix=prefix, suffix=suffix, where="here")


GOOD = orjson.loads(encoded(Cursor(buckets={"a": BucketCursor()}), prefix="", suffix=""))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        orjson.dumps({**GOOD, "version": 2}),
        orjson.dumps({**GOOD, "owner": 5}),
        orjson.dumps({**GOOD, "buckets": []}),
        orjson.dumps({**GOOD, "buckets": {"a": {}}}),
        orjson.dumps({**GOOD, "buckets": {"a": {**GOOD["buckets"]["a"], "floor": "soon"}}}),
        orjson.dumps({**GOOD, "buckets": {"a": {**GOOD["buckets"]["a"], "floor": True}}}),
        orjson.dumps({**GOOD, "buckets": {"a": {**GOOD["buckets"]["a"], "open": [1]}}}),
        orjson.dumps({**GOOD, "buckets": {"a": {**GOOD["buckets"]["a"], "done": {"p": 1}}}}),
        orjson.dumps(GOOD)[:-20],
    ],
)
def test_what_is_no_cursor_is_told(data: bytes) -> None:
    """Which object it is, and what to do: beginning anew in silence would repeat everything."""
    with pytest.raises(CursorUnreadable, match=r"cursor state/c: .* delete it"):
        decoded(data, prefix="", suffix="", where="cursor state/c")


@pytest.mark.parametrize(("prefix", "suffix"), [("b/", ".png"), ("a/", ".jpg"), ("", "")])
def test_a_cursor_about_other_keys_is_not_used(prefix: str, suffix: str) -> None:
    """With another prefix or suffix the floor says nothing of older objects: none is lost."""
    data = encoded(Cursor(), prefix="a/", suffix=".png")

    with pytest.raises(CursorUnreadable, match=rf"suffix '\.png': expected '{prefix}' and"):
        decoded(data, prefix=prefix, suffix=suffix, where="here")
