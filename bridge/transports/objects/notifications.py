"""What a bucket notifies of, as the store keeps it: read whole, changed, and written back whole.

    GET ?notification ─▶ Configuration ──with, without rules──▶ PUT ?notification

S3 knows only whole configurations: what is left out is gone. So everything that is no rule of
ours goes back as it came, elements that nobody here knows among it. Source: Amazon S3 API
reference, NotificationConfiguration; minio/minio internal/event/config.go where it differs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree

from bridge.core.errors import Unavailable
from bridge.transports.objects.documents import BadDocument, root_of
from bridge.transports.objects.names import bucket_path, named
from bridge.transports.objects.store import ObjectStore

#: How a rule, and the target in it, are called, by the service in the target's ARN.
ELEMENTS: Final = {
    "sqs": ("QueueConfiguration", "Queue"),
    "sns": ("TopicConfiguration", "Topic"),
    "lambda": ("CloudFunctionConfiguration", "CloudFunction"),
}

_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which events of which keys go to which target; *id* is what its author calls it."""

    target: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""
    id: str = ""

    def tells_the_same(self, other: Rule) -> bool:
        """Whether *other* sends exactly what this rule sends, whatever it is called."""
        return self.is_for_the_same(other) and set(self.events) == set(other.events)

    def is_for_the_same(self, other: Rule) -> bool:
        """Whether *other* has the same target and the same keys."""
        return (_target(self), self.prefix, self.suffix) == (
            _target(other),
            other.prefix,
            other.suffix,
        )

    def overlaps(self, other: Rule) -> bool:
        """Whether some event of some key would be for both: S3 allows that of no two rules."""
        return (
            self.shares_events(other)
            and _one_begins(self.prefix, other.prefix)
            and _one_begins(self.suffix[::-1], other.suffix[::-1])
        )

    def shares_events(self, other: Rule) -> bool:
        """Whether some event is for both."""
        return any(_is_among(a, b) for a in self.events for b in other.events)


class Configuration:
    """All that one bucket notifies of. Never changed in place."""

    def __init__(self, root: ElementTree.Element) -> None:
        self._root = root

    @classmethod
    def empty(cls) -> Configuration:
        """Return that of a bucket that notifies nobody."""
        return cls(ElementTree.Element("NotificationConfiguration"))

    @classmethod
    def parse(cls, body: bytes) -> Configuration:
        """Return what *body* says; raise BadDocument where it is none."""
        root = root_of(body)
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        if root.tag != "NotificationConfiguration":
            raise BadDocument("expected NotificationConfiguration")
        root.attrib.clear()
        return cls(root)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule in it, in the store's order."""
        return tuple(rule for _, rule in self._elements())

    def changed(
        self, *, without: Collection[Rule] = (), plus: Iterable[Rule] = ()
    ) -> Configuration:
        """Return this configuration without some of its rules, and with others at its end."""
        root = deepcopy(self._root)
        for element, rule in Configuration(root)._elements():
            if rule in without:
                root.remove(element)
        for rule in plus:
            root.append(_element(rule))
        return Configuration(root)

    def encode(self) -> bytes:
        """Return it as the store takes it."""
        root = deepcopy(self._root)
        root.set("xmlns", _NAMESPACE)
        written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
        return written

    def _elements(self) -> list[tuple[ElementTree.Element, Rule]]:
        targets = dict(ELEMENTS.values())
        return [
            (element, _rule(element, targets[element.tag]))
            for element in self._root
            if element.tag in targets
        ]


async def read(store: ObjectStore, bucket: str) -> Configuration:
    """Return what *bucket* notifies of; raise what `ObjectStore` raises."""
    answer = await store.ask("GET", bucket_path(bucket), query=_QUERY)
    if answer.status != 200:
        raise store.refused(answer, _what(bucket), bucket)
    try:
        return Configuration.parse(answer.body)
    except BadDocument as error:
        raise Unavailable(f"{_what(bucket)}: no notifications: {error}") from error


async def write(store: ObjectStore, bucket: str, configuration: Configuration) -> None:
    """Return when the store has *configuration* for *bucket*, in place of what it had.

    Nothing tells whether somebody else has written one since it was read: S3 has no condition
    for this. Raise what `ObjectStore` raises.
    """
    body = configuration.encode()
    answer = await store.ask("PUT", bucket_path(bucket), query=_QUERY, body=body)
    if answer.status != 200:
        raise store.refused(answer, _what(bucket), bucket)


_QUERY: Final = "notification="


def _what(bucket: str) -> str:
    return f"notifications of {named(bucket)}"


def _rule(element: ElementTree.Element, target: str) -> Rule:
    found = {"prefix": "", "suffix": ""}
    for one in element.iterfind("Filter/S3Key/FilterRule"):
        # AWS answers with `Prefix` what was written as `prefix`.
        found[one.findtext("Name", "").lower()] = one.findtext("Value", "")
    return Rule(
        target=element.findtext(target, ""),
        events=tuple(event.text or "" for event in element.iterfind("Event")),
        prefix=found["prefix"],
        suffix=found["suffix"],
        id=element.findtext("Id", ""),
    )


def _element(rule: Rule) -> ElementTree.Element:
    name, target = ELEMENTS[rule.target.split(":")[2]]
    element = ElementTree.Element(name)
    _add(element, "Id", rule.id)
    _add(element, target, rule.target)
    for event in rule.events:
        _add(element, "Event", event)
    filters = [("prefix", rule.prefix), ("suffix", rule.suffix)]
    if rule.prefix or rule.suffix:
        key = _add(_add(element, "Filter"), "S3Key")
        for side, value in filters:
            if value:
                one = _add(key, "FilterRule")
                _add(one, "Name", side)
                _add(one, "Value", value)
    return element


def _add(element: ElementTree.Element, name: str, text: str | None = None) -> ElementTree.Element:
    added = ElementTree.SubElement(element, name)
    added.text = text
    return added


def _target(rule: Rule) -> str:
    """Return the rule's target; MinIO's without its region, which it adds where it has one."""
    parts = rule.target.split(":")
    if parts[:2] == ["arn", "minio"] and len(parts) > 3:
        parts[3] = ""
    return ":".join(parts)


def _one_begins(a: str, b: str) -> bool:
    return a.startswith(b) or b.startswith(a)


def _is_among(a: str, b: str) -> bool:
    """Whether one event name is the other, or all that the other's `*` stands for."""
    return a == b or any(
        wide.endswith("*") and narrow.startswith(wide[:-1]) for wide, narrow in ((a, b), (b, a))
    )
