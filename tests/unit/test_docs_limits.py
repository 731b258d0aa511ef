"""Limits that the pages tell in numbers are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.models.grpc_servers import MIN_LOOKUP_SECONDS
from bridge.protocols.arrays import MAX_TENSORS
from bridge.protocols.raw import MAX_DIMENSIONS, MAX_EMPTY
from bridge.protocols.tftensor import MAX_REPEATED
from bridge.protocols.verdicts import SHOWN_CHARACTERS
from bridge.sources.cursor_object import BEAT_SECONDS, QUIET_BEATS
from bridge.transports.grpc_metadata import MAX_FORWARDED_CHARACTERS
from bridge.transports.objects.names import MAX_KEY_BYTES
from bridge.transports.objects.parts import MAX_VALUE
from bridge.transports.objects.store import FIRST_BYTES, MAX_LISTED
from tests.fakes_mnist import digit_image

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("page", "number", "said"),
    [
        ("grpc", MAX_FORWARDED_CHARACTERS, "none of more than {:,} characters"),
        ("grpc", MIN_LOOKUP_SECONDS, "within {:.0f} s after a server did not answer"),
        ("minio", BEAT_SECONDS, "for three beats ({:.0f} s each"),
        ("minio", QUIET_BEATS, "was not written for {} beats"),
        ("mnist", digit_image.MAX_SCANS, "a JPEG of more than {} scans"),
        ("notifications", MAX_VALUE, "a media type of more than {:,} characters"),
        ("objects", FIRST_BYTES // (1 << 20), "one request up to {} MiB, two beyond"),
        ("objects", MAX_KEY_BYTES, "Keys are up to {:,} bytes of UTF-8"),
        ("objects", MAX_LISTED, "one page of at most {:,}"),
        ("payloads", MAX_DIMENSIONS, "of {} dimensions at most"),
        ("payloads", MAX_DIMENSIONS, "nested deeper than {}."),
        ("payloads", MAX_EMPTY, "is made of {:,} empty arrays at most"),
        ("payloads", MAX_REPEATED, "all of a `tftensor` of {:,} values at most"),
        ("payloads", MAX_TENSORS, "A payload has at most {:,} tensors"),
        ("protocols", SHOWN_CHARACTERS, "is at most {} characters"),
    ],
)
def test_a_limit_is_the_one_that_is_told(page: str, number: float, said: str) -> None:
    """Whoever changes one of them changes the other."""
    words = said.format(number)
    for figure, word in (("3 beats", "three beats"), ("1 s after", "a second after")):
        words = words.replace(figure, word)

    assert words in (DOCS / f"{page}.md").read_text()
