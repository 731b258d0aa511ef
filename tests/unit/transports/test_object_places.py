"""Where a listing goes on: every key behind the last one is in one of the places, in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.transports.objects.places import Place, places

KEYS = st.text(st.sampled_from("a-/0é."), max_size=6)


def test_folder_by_folder_outwards() -> None:
    """Its own folder, the least key behind that, and so on; none with a slash further down."""
    found = list(places("", "a/b/c"))

    assert [
        Place(prefix="a/b/", after="a/b/c"),
        Place(prefix="a/b0", alone=True),
        Place(prefix="a/", after="a/b0"),
        Place(prefix="a0", alone=True),
        Place(prefix="", after="a0"),
    ] == found


@given(st.sets(KEYS), st.text(st.sampled_from("a-/0é."), max_size=3), KEYS)
def test_every_key_behind_is_in_one_place_and_in_order(
    keys: set[str], prefix: str, after: str
) -> None:
    """What one request would list, whatever the keys: nothing twice, nothing left out."""
    ordered = sorted(keys, key=str.encode)

    found = [
        key
        for place in places(prefix, after)
        for key in ordered
        if (key == place.prefix if place.alone else key.startswith(place.prefix))
        and (place.alone or key.encode() > place.after.encode())
    ]

    assert [
        key for key in ordered if key.startswith(prefix) and key.encode() > after.encode()
    ] == found
