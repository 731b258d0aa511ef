"""A member is put into an object, and every byte of the rest stays."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.payload import Body
from bridge.protocols.members import with_member


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"{}", b'{"id":"7"}'),
        (b"{ }\n", b'{"id":"7"}\n'),
        (b' {"a": 1.10}\n', b'{"id":"7","a": 1.10}\n'),
        (b'{\n "a": {"id": "x"}}', b'{"id":"7","a": {"id": "x"}}'),
        (b'{"a": "\\"id\\": null"}', b'{"id":"7","a": "\\"id\\": null"}'),
        (b'{"a": 1, "id": null}', b'{"a": 1, "id":"7"}'),
        (b'{"id" :\nnull}', b'{"id":"7"}'),
    ],
)
def test_an_object_without_it_has_it_afterwards(data: bytes, expected: bytes) -> None:
    """In front, or where it was null."""
    assert expected == with_member(Body(data), "id", "7")


@pytest.mark.parametrize(
    "data",
    [
        b'{"id": "mine"}',
        b'{"a": 1, "id": ""}',
        b'{"id": 7}',
        b'{"id": null, "a": {"id": null}}',
        b"[]",
        b"",
        b"null",
        b'"id"',
        b'["id"]',
        b"{'id'",
    ],
)
def test_what_has_it_or_has_no_room_for_it_goes_as_it_came(data: bytes) -> None:
    """It is the server's to judge."""
    if data == b"{'id'":
        assert b'{"id":"7",\'id\'' == with_member(Body(data), "id", "7")  # no JSON before or after
    else:
        assert data == with_member(Body(data), "id", "7")


@given(st.dictionaries(st.text(max_size=3), st.integers()), st.text(max_size=5))
def test_any_object_has_its_own_members_and_the_new_one(said: dict[str, int], value: str) -> None:
    """Whatever they are called, and whatever the value holds."""
    body = Body(json.dumps(said).encode())

    assert {"id": value, **said} == json.loads(with_member(body, "id", value))
