from __future__ import annotations

import base64

from bridge.broker.dead_letter import dead_letter
from bridge.core.event import Event, check_attributes

EVENT = Event.of(id="1", source="/s", type="t", data=b"[1]", datacontenttype="application/json")


def test_a_dead_letter_is_the_event_and_why_nobody_took_it() -> None:
    """Destination, status and the answer's body come as Knative's three extensions."""
    letter = dead_letter(
        EVENT, destination="http://model/", status=422, headers=(), body=b"bad shape"
    )

    assert {
        **EVENT.attributes,
        "knativeerrordest": "http://model/",
        "knativeerrorcode": "422",
        "knativeerrordata": base64.b64encode(b"bad shape").decode(),
    } == letter.attributes
    assert letter.data == b"[1]"


def test_error_data_is_cut_at_1024_characters_of_base64() -> None:
    """A longer answer is cut where Knative cuts it, and what is left is whole base64."""
    body = bytes(range(256)) * 8

    letter = dead_letter(EVENT, destination="http://m/", status=500, headers=(), body=body)

    data = letter.attributes["knativeerrordata"]
    assert len(data) == 1024
    assert body[:768] == base64.b64decode(data)


def test_no_body_is_no_error_data() -> None:
    """An empty answer adds no empty attribute."""
    letter = dead_letter(EVENT, destination="http://m/", status=500, headers=(), body=b"")

    assert "knativeerrordata" not in letter.attributes


def test_kne_headers_become_extensions() -> None:
    """As the Kafka broker does it: the name without `kne-`, in lower case."""
    headers = ((b"kne-bridgereason", b"schema"), (b"Kne-Row", b"7"), (b"x-other", b"no"))

    letter = dead_letter(EVENT, destination="http://m/", status=422, headers=headers, body=b"")

    assert letter.attributes["bridgereason"] == "schema"
    assert letter.attributes["row"] == "7"
    assert "other" not in letter.attributes


def test_an_answer_cannot_forge_what_the_specification_defines() -> None:
    """`kne-` headers never touch core attributes, `data`, or what the event says already."""
    event = EVENT.replace(mine="yes")
    headers = (
        (b"kne-id", b"2"),
        (b"kne-specversion", b"9"),
        (b"kne-subject", b"x"),
        (b"kne-data", b"x"),
        (b"kne-bad-name", b"x"),
        (b"kne-", b"x"),
        (b"kne-mine", b"no"),
        (b"kne-knativeerrorcode", b"200"),
        (b"kne-control", b"a\x07b"),
        (b"kne-empty", b""),
    )

    letter = dead_letter(event, destination="http://m/", status=422, headers=headers, body=b"")

    assert {
        **event.attributes,
        "knativeerrordest": "http://m/",
        "knativeerrorcode": "422",
    } == letter.attributes
    check_attributes(letter.attributes)


def test_the_first_refusal_is_the_one_that_stays() -> None:
    """An event that was a dead letter before keeps its reason, as Knative adds only what misses."""
    before = dead_letter(EVENT, destination="http://a/", status=422, headers=(), body=b"a")

    letter = dead_letter(before, destination="http://b/", status=500, headers=(), body=b"b")

    assert before.attributes == letter.attributes
