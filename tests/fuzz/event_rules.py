"""Events that CloudEvents 1.0 and 0.3 forbid or allow, each with what must come back.

HTTP binding 1.0.2 and 0.3 (binary mode), JSON format 1.0.2 and 0.3 (structured and batch).
"""

from __future__ import annotations

from base64 import b64encode
from random import Random

from tests.fuzz.cases import ACCEPTED, MALFORMED, REFUSED, TAKEN, Case, Rule, Statuses
from tests.fuzz.valid import (
    BATCH,
    DATA,
    JSON,
    STRUCTURED,
    TYPE,
    attributes,
    batch,
    binary_headers,
    chunked,
    envelope,
    event,
    head,
    request,
    structured,
)

REQUIRED = (b"specversion", b"id", b"source", b"type")
UNSUPPORTED: Statuses = frozenset({415})

#: Texts that no attribute may hold, as the bytes of a header (spec.md, Type System).
_BAD_VALUES = (
    *(b"", b"%00", b"%01", b"%1F", b"%7F", b"%C2%80", b"%C2%9F", b"%EF%BF%BE", b"%EF%BF%BF"),
    *(b"%EF%B7%90", b"%F0%9F%BF%BE", b"%F4%8F%BF%BF", b"%ED%A0%80", b"%ED%BF%BF", b"%C0%A0"),
    *(b"%FF", b"%C3", b"%E2%82", b"%F4%90%80%80", b"\xff", b"\xc0\xa0", b"\xed\xa0\x80", b'""'),
)
_GOOD_VALUES = (
    *(
        b"x",
        b"%41",
        b"%e9x"[3:],
        b"%C3%A9",
        b"\xc3\xa9",
        b"100%",
        b"%zz",
        b"%",
        b'"quoted"',
        b'a"b',
    ),
    *(
        b'"a\\"b"',
        b"a b",
        b"%20",
        b"%25",
        b"%2525",
        b"%F0%9F%98%80",
        b"x" * 5000,
        b"%EE%80%80",
        b'"',
    ),
)
_BAD_TIMES = (
    *(b"x", b"2026", b"2026-01-01", b"2026-01-01T00:00:00", b"2026-13-01T00:00:00Z", b"1767225600"),
    *(
        b"2026-02-30T00:00:00Z",
        b"2026-01-01T25:00:00Z",
        b"2026-01-01T00:61:00Z",
        b"2026-1-1T0:0:0Z",
    ),
    *(
        b"2026-01-01T00:00:00.Z",
        b"2026-01-01T00:00:00+25:00",
        b"20260101T000000Z",
        b"2026-01-01T00:00Z",
    ),
    *(b"2026-01-01T00:00:00 Z", b"+2026-01-01T00:00:00Z", b"\xd9\xa2026-01-01T00:00:00Z"),
)
_GOOD_TIMES = (
    *(b"2026-01-01T00:00:00Z", b"2026-01-01t00:00:00z", b"2026-01-01T00:00:00.123456789012Z"),
    *(b"2026-12-31T23:59:60Z", b"2026-01-01T00:00:00+23:59", b"2024-02-29T00:00:00-00:00"),
)
_BAD_TYPES = (b"x", b"/", b"a/", b"/b", b"a/b/c", b"a b/c", b"\xe9/x", b"a/b; c", b"a;/b")
_VERSIONS = (b"2.0", b"1", b"1.0.2", b"v1.0", b"0.2", b"0.4", b"1.1", b" 1 .0", b"one")


def required(chance: Random) -> Case:
    """spec.md, Required Attributes: four of them, none empty."""
    known = attributes(chance, chance.choice([b"1.0", b"0.3"]))
    name = chance.choice(REQUIRED)
    if chance.random() < 0.5:
        del known[name]
    else:
        known[name] = b""
    return Case(
        name=f"without {name.decode()}", data=request(binary_headers(known)), expected=MALFORMED
    )


def no_event_at_all(chance: Random) -> Case:
    """No attribute, and no media type of an event: no event."""
    content_type = chance.choice([JSON, b"text/plain", b"application/x-www-form-urlencoded", None])
    headers = [] if content_type is None else [(b"content-type", content_type)]
    return Case(name="no event", data=request(headers), expected=MALFORMED)


def versions(chance: Random) -> Case:
    """The specversion is 1.0 or 0.3."""
    version = chance.choice(_VERSIONS)
    data = request(binary_headers(attributes(chance, version)))
    return Case(name=f"specversion {version!r}", data=data, expected=MALFORMED)


def values(chance: Random) -> Case:
    """HTTP binding, 3.1.3.2: quoting and one round of percent-encoding; only what String allows."""
    good = chance.random() < 0.4
    value = chance.choice(_GOOD_VALUES if good else _BAD_VALUES)
    name = chance.choice([b"subject", b"id", b"source"])
    known = attributes(chance) | {name: value}
    return Case(
        name=f"{name.decode()} {value[:30]!r}",
        data=request(binary_headers(known)),
        expected=ACCEPTED if good else MALFORMED,
    )


def times(chance: Random) -> Case:
    """spec.md, time: RFC 3339, with an offset."""
    good = chance.random() < 0.3
    time = chance.choice(_GOOD_TIMES if good else _BAD_TIMES)
    known = attributes(chance) | {b"time": time}
    return Case(
        name=f"time {time!r}",
        data=request(binary_headers(known)),
        expected=ACCEPTED if good else MALFORMED,
    )


def names(chance: Random) -> Case:
    """spec.md, Naming Conventions: a-z and 0-9; a header that has none is somebody else's."""
    name = chance.choice(
        [
            b"x",
            b"a1",
            b"1a",
            b"averyveryverylongnameofanextension",
            b"x-y",
            b"x_y",
            b"x.y",
            b"data",
            b"X",
        ]
    )
    headers = [*binary_headers(attributes(chance)), (b"ce-" + name, b"1")]
    return Case(name=f"extension {name!r}", data=request(headers), expected=ACCEPTED)


def twice(chance: Random) -> Case:
    """One attribute has one value."""
    known = attributes(chance)
    name = chance.choice([*known])
    headers = [*binary_headers(known), (b"CE-" + name.upper(), chance.choice([known[name], b"x"]))]
    return Case(name=f"{name.decode()} twice", data=request(headers), expected=MALFORMED)


def content_types(chance: Random) -> Case:
    """HTTP binding, 3.1.1: one Content-Type, a media type, and no `ce-datacontenttype`."""
    known = attributes(chance)
    bad = chance.choice(_BAD_TYPES)
    name, headers, expected = chance.choice(
        [
            ("none", binary_headers(known, None), ACCEPTED),
            ("text", binary_headers(known, b"text/plain; charset=utf-8"), ACCEPTED),
            (f"bad {bad!r}", binary_headers(known, bad), REFUSED),
            ("two", [*binary_headers(known), (b"content-type", JSON)], MALFORMED),
            ("its own header", [*binary_headers(known), (b"ce-datacontenttype", JSON)], MALFORMED),
        ]
    )
    return Case(name=f"content-type, {name}", data=request(headers), expected=expected)


def formats(chance: Random) -> Case:
    """HTTP binding, 3.2: JSON is the format that is read, in UTF-8."""
    content_type = chance.choice(
        [
            *(
                b"application/cloudevents",
                b"application/cloudevents+xml",
                b"application/cloudevents+avro",
            ),
            *(b"application/cloudevents+json; charset=utf-16", b"application/cloudevents-batch"),
            *(b"APPLICATION/CLOUDEVENTS+PROTOBUF", b"application/cloudevents-batch+protobuf"),
            *(b"application/cloudeventsx", b"application/cloudevents-batch+json; charset=latin1"),
        ]
    )
    data = structured(envelope(chance), content_type)
    return Case(name=f"format {content_type!r}", data=data, expected=UNSUPPORTED)


def no_json(chance: Random) -> Case:
    """RFC 8259, strictly: one object, in UTF-8, and nothing behind it."""
    good = envelope(chance)
    body = chance.choice(
        [
            *(
                b"",
                b" ",
                b"{",
                b"}",
                b"null",
                b"[]",
                b'"x"',
                b"1",
                b"true",
                b"{}",
                good[:-1],
                good + b",",
            ),
            *(good + good, b"\xef\xbb\xbf" + good, good.decode().encode("utf-16"), b"\0" + good),
            *(
                good.replace(b'"', b"'"),
                good.replace(b":", b"=", 1),
                good[:-1] + b",}",
                b"[%b]" % good,
            ),
            *(b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000, b"\xff" * 50),
            *(good[:-1] + b',"x":NaN}', good[:-1] + b',"x":01}', good[:-1] + b',"x":"\\ud800"}'),
            *(good[:-1] + b',"x":"\n"}', good[:-1] + b',"x":"\\x"}', b"/**/" + good, good + b"\0"),
        ]
    )
    return Case(name=f"no JSON {body[:30]!r}", data=structured(body), expected=MALFORMED)


#: Members that break the JSON format (json-format.md, 2 and 3), and some that do not.
_BAD_MEMBERS = (
    *(
        {"id": b""},
        {"id": b'""'},
        {"id": b"null"},
        {"id": b"1"},
        {"id": b"[]"},
        {"source": b"true"},
    ),
    *(
        {"type": b"{}"},
        {"specversion": b"1.0"},
        {"specversion": b'"1.1"'},
        {"specversion": b"null"},
    ),
    *(
        {"subject": b'""'},
        {"subject": b"1"},
        {"time": b'"x"'},
        {"time": b"1"},
        {"dataschema": b'""'},
    ),
    *(
        {"Id": b'"x"'},
        {"x-y": b'"x"'},
        {"": b'"x"'},
        {"x_y": b"1"},
        {"\\u00e9": b'"x"'},
        {"X": b'"x"'},
    ),
    *(
        {"x": b"1.5"},
        {"x": b"1e3"},
        {"x": b"2147483648"},
        {"x": b"-2147483649"},
        {"x": b"[]"},
        {"x": b"{}"},
    ),
    *(
        {"x": b'"\\u0000"'},
        {"x": b'"\\u007f"'},
        {"x": b'"\\ufffe"'},
        {"x": b'"\\ud800"'},
        {"x": b"1e999"},
    ),
    *({"data_base64": b'"AA=="'}, {"data_base64": b'"AA=="', "data": b"null"}),
    *({"data": b"", "data_base64": b'"x"'}, {"data": b"", "data_base64": b"1"}),
    *({"data": b"", "data_base64": b'"AA"'}, {"data": b"", "data_base64": b'"A A="'}),
    *({"datacontenttype": b'"text/plain"'}, {"datacontenttype": b"1"}, {"datacontenttype": b'""'}),
    {"dataschema": b'"not absolute"'},
    {"data": b"[" * 200 + b"]" * 200},
)
_GOOD_MEMBERS = (
    *({"x": b"1"}, {"x": b"true"}, {"x": b"null"}, {"x": b'"\\u00e9"'}, {"x": b"-2147483648"}),
    *(
        {"id": b'"\\u0041"'},
        {"subject": b"null"},
        {"time": b'"2026-01-01T00:00:00Z"'},
        {"x": b'""'},
    ),
    *(
        {"datacontenttype": b'"application/json"'},
        {"dataschema": b'"urn:x"'},
        {"x": b'"\\ud83d\\ude00"'},
    ),
    {"data": b"", "data_base64": b'"%b"' % b64encode(DATA)},
    {"data": b'{"data":{"ndarray":%b}}' % (b"[" * 50 + b"]" * 50)},
)


def members(chance: Random) -> Case:
    """json-format.md: each member of its type, each name once, data or data_base64."""
    good = chance.random() < 0.3
    changed = chance.choice(_GOOD_MEMBERS if good else _BAD_MEMBERS)
    return Case(
        name=f"members {str(changed)[:60]}",
        data=structured(envelope(chance, **changed)),
        expected=ACCEPTED if good else REFUSED,
    )


def a_member_twice(chance: Random) -> Case:
    """RFC 8259, 4 leaves it open; two readers would read two events, so it is refused."""
    good = envelope(chance)
    name = chance.choice([b"id", b"type", b"data", b"\\u0069d", b"specversion"])
    return Case(
        name=f"{name!r} twice",
        data=structured(good[:-1] + b',"%b":"1.0"}' % name),
        expected=MALFORMED,
    )


def old_envelopes(chance: Random) -> Case:
    """json-format.md 0.3: base64 in data, said by datacontentencoding."""
    encoded = b64encode(DATA)
    changed, expected = chance.choice(
        [
            ({"data": b'"%b"' % encoded, "datacontentencoding": b'"base64"'}, ACCEPTED),
            ({"data": b'"%b"' % encoded, "datacontentencoding": b'"Base64"'}, ACCEPTED),
            ({"data": b'"x"', "datacontentencoding": b'"base64"'}, MALFORMED),
            ({"data": b'"%b"' % encoded, "datacontentencoding": b'"gzip"'}, MALFORMED),
            ({"x": b'{"a":[1]}'}, ACCEPTED),
            ({"schemaurl": b'"urn:x"'}, ACCEPTED),
        ]
    )
    body = envelope(chance, specversion=b'"0.3"', **changed)
    return Case(name=f"0.3 {str(changed)[:60]}", data=structured(body), expected=expected)


def batches(chance: Random) -> Case:
    """HTTP binding, 3.3: an array of events of one version, settled as a whole."""
    good = [envelope(chance) for _ in range(chance.randint(1, 5))]
    old = envelope(chance, specversion=b'"0.3"')
    other = envelope(chance, type=b'"other"')
    name, events, expected = chance.choice(
        [
            ("good", good, ACCEPTED),
            ("empty", [], TAKEN),
            ("of another type", [other], TAKEN),
            ("one bad", [*good, b"{}"], frozenset({400, 422})),
            ("a number", [*good, b"1"], frozenset({400, 422})),
            ("two versions", [*good, old], MALFORMED),
            ("too many", [b"{}"] * 10_001, MALFORMED),
            ("nested", [b"[%b]" % good[0]], frozenset({400, 422})),
            ("without end", [*good, b"["], MALFORMED),
        ]
    )
    return Case(name=f"batch, {name}", data=batch(b"[%b]" % b",".join(events)), expected=expected)


def unwanted_batches(chance: Random) -> Case:
    """HTTP binding, 3.3: no batch is sent to who did not ask for one; no array is no batch."""
    if chance.random() < 0.5:
        data = batch(b"[%b]" % envelope(chance), accept=False)
        return Case(name="batch, nobody takes one back", data=data, expected=UNSUPPORTED)
    body = chance.choice([envelope(chance), b"", b"null", b'"x"', b"[", b"]", b"[{}", b"[{},]"])
    return Case(name=f"no batch {body[:20]!r}", data=batch(body), expected=MALFORMED)


def accepted(chance: Random) -> Case:
    """Every form of a valid event, mutations' beginnings."""
    known = binary_headers(attributes(chance, chance.choice([b"1.0", b"0.3"])))
    data = chance.choice(
        [
            event(chance),
            structured(envelope(chance)),
            structured(envelope(chance), b"Application/CloudEvents+JSON;charset=UTF-8"),
            request([*known, (b"content-type", JSON), (b"prefer", b"reply")][:-2]),
            head([*known, (b"transfer-encoding", b"chunked")]) + chunked(DATA, chance),
            request([(b"ce-id", b"in vain"), (b"content-type", STRUCTURED)], envelope(chance)),
            request([(b"content-type", BATCH), (b"accept", BATCH)], b"[%b]" % envelope(chance)),
        ]
    )
    return Case(name="a valid event", data=data, expected=ACCEPTED)


def not_ours(chance: Random) -> Case:
    """An event that no filter takes is settled, whatever is in its data."""
    known = attributes(chance) | {b"type": chance.choice([b"other", TYPE + b"x", TYPE.upper()])}
    body = chance.choice([DATA, b"", b"\0\xff", b"[" * 1000])
    data = request(binary_headers(known), body)
    return Case(name="an event of another type", data=data, expected=frozenset({202}))


def bad_data(chance: Random) -> Case:
    """Data that the model takes for none is refused for good: by the model, not by us."""
    body = chance.choice(
        [b"", b"\xff\xfe", b"[" * 100_000, b"{}", b"null", b'{"data":{}}', b"x" * 1000]
    )
    data = request(binary_headers(attributes(chance)), body)
    return Case(name=f"data {body[:20]!r}", data=data, expected=frozenset({422}))


RULES: list[Rule] = [
    required,
    no_event_at_all,
    versions,
    values,
    times,
    names,
    twice,
    content_types,
    formats,
    no_json,
    members,
    a_member_twice,
    old_envelopes,
    batches,
    unwanted_batches,
    accepted,
    not_ours,
    bad_data,
]
