"""Any valid event, and the pieces it is made of, for property tests."""

from __future__ import annotations

import string
from typing import Any

from hypothesis import strategies as st

from bridge.core.event import Event

_CORE = {"specversion", "id", "source", "type", "subject", "time", "data"}
_CORE |= {"datacontenttype", "datacontentencoding", "dataschema", "schemaurl"}


def _is_allowed(character: str) -> bool:
    """Whether the type system's String may hold *character*, told apart from the code tested."""
    point = ord(character)
    is_control = point <= 0x1F or 0x7F <= point <= 0x9F
    is_noncharacter = point & 0xFFFE == 0xFFFE or 0xFDD0 <= point <= 0xFDEF
    return not (is_control or is_noncharacter or 0xD800 <= point <= 0xDFFF)


characters = st.one_of(
    st.sampled_from(' "%\\;,é€😀\u2028\ue000'),
    st.characters(exclude_categories=("Cs",)).filter(_is_allowed),
)
texts = st.text(characters)
filled = st.text(characters, min_size=1)
names = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20).filter(
    lambda name: name not in _CORE
)
times = st.builds(
    "{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}{}{}".format,
    st.integers(0, 9999),
    st.integers(1, 12),
    st.integers(1, 28),
    st.sampled_from("Tt "),
    st.integers(0, 23),
    st.integers(0, 59),
    st.integers(0, 60),
    st.one_of(st.just(""), st.text(string.digits, min_size=1, max_size=12).map(".{}".format)),
    st.sampled_from(["Z", "z", "+00:00", "-00:00", "+23:59", "-07:30"]),
)
media_types = st.one_of(
    st.sampled_from(
        [
            *("application/json", "Application/JSON; Charset=UTF-8", "text/json", "a/b+json"),
            *("application/cloudevent", "text/plain", "TEXT/xml;charset=utf-8", "image/svg+xml"),
            *("text/plain; charset=iso-8859-1", 'text/csv; charset="utf-8"; header=present'),
            *("application/octet-stream", "image/png", "application/x-www-form-urlencoded"),
        ]
    ),
    st.from_regex(r"[a-z0-9!#$&^_.+-]{1,9}/[a-z0-9!#$&^_.+-]{1,9}", fullmatch=True),
).filter(lambda media_type: not media_type.lower().startswith("application/cloudevents"))

_space = st.sampled_from(["", " ", "\n", "\t ", "\r\n"])
_numbers = st.sampled_from(
    ["0", "-0", "1.50", "1E5", "2e-07", "0.1000000000000000000000000000001", "1" * 40, "-17.0"]
)
_strings = st.one_of(
    st.sampled_from(
        ['""', r'"\u0041\/\n"', r'"\ud83d\ude00"', '"}{][,:"', r'"\"data\":"', '"€😀"']
    ),
    st.text()
    .filter(lambda text: text.isprintable() and not set(text) & set('"\\'))
    .map('"{}"'.format),
)


def _array(values: list[str], space: str) -> str:
    return f"[{space}{f'{space},'.join(values)}{space}]"


def _object(members: list[tuple[str, str]], space: str) -> str:
    return "{" + space + ",".join(f"{name}{space}:{space}{value}" for name, value in members) + "}"


#: JSON as text: odd digits, escapes, white space within, names that occur twice.
json_texts: st.SearchStrategy[str] = st.recursive(
    st.one_of(st.sampled_from(["null", "true", "false"]), _numbers, _strings),
    lambda inner: st.one_of(
        st.builds(_array, st.lists(inner, max_size=4), _space),
        st.builds(_object, st.lists(st.tuples(_strings, inner), max_size=4), _space),
    ),
    max_leaves=12,
)
datas = st.one_of(
    st.none(),
    st.binary(),
    texts.map(str.encode),
    json_texts.map(str.encode),
    st.builds("{}{}{}".format, _space, json_texts, _space).map(str.encode),
)


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Return any valid event of either version."""
    specversion = draw(st.sampled_from(["1.0", "0.3"]))
    attributes: dict[str, Any] = {
        "specversion": specversion,
        "id": draw(filled),
        "source": draw(filled),
        "type": draw(filled),
    }
    schema = "dataschema" if specversion == "1.0" else "schemaurl"
    optional = {
        "subject": filled,
        "time": times,
        "datacontenttype": media_types,
        schema: filled.map("urn:{}".format),
    }
    attributes |= draw(st.fixed_dictionaries({}, optional=optional))
    attributes |= draw(st.dictionaries(names, texts, max_size=4))
    return Event(attributes, draw(datas))
