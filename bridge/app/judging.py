"""What became of an event in a test, held against what was expected: each difference, its line.

Happened(reply, published, dead letter, refusal, requests)  ◀──▶  Case.expect, Case.asked
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from bridge.app.cases import Case, Data, Expected
from bridge.config.cases import ExpectedRefusal
from bridge.config.problems import KeyPath
from bridge.core.differences import NOTHING, as_json, differences, read_json
from bridge.core.errors import BridgeError, Unavailable
from bridge.core.event import Event
from bridge.core.ports import Request

#: Differences of one value that are told, and characters of each.
MAX_TOLD: Final = 20
MAX_CHARACTERS: Final = 2000


@dataclass(slots=True, kw_only=True)
class Happened:
    """What became of the event of one test.

    *untaken*: why no pipeline takes it. *expired*: its pipeline found that its time is over.
    *published* and *letters*: what sinks, by name, and
    the dead letter were sent. *unanswered*: whether the model was asked without an answer, and
    *unfetched*: what a store was asked for that the test does not have.
    """

    taken_by: str | None = None
    untaken: str = ""
    reply: Event | None = None
    published: dict[str, Event] = field(default_factory=dict)
    letter: Event | None = None
    refused: BridgeError | None = None
    requests: list[Request] = field(default_factory=list)
    unanswered: bool = False
    unfetched: str | None = None
    expired: bool = False

    def outcomes(self) -> dict[str, str]:
        """Return what became of the event, in words, by the names that a test file has."""
        found: dict[str, str] = {}
        if self.reply is not None:
            found["reply"] = f"a reply of type {as_json(self.reply.type)}"
        if self.published:
            found["published"] = f"published to {', '.join(self.published)}"
        if self.letter is not None:
            reason, text = _letter(self.letter)
            found["dead_letter"] = f"sent to the dead letter ({reason}): {text}"
        if self.refused is not None:
            found["refused"] = f"{verdict(self.refused)}: {self.refused}"
        if not found and self.taken_by is None:
            found["filtered"] = f"filtered, since no pipeline takes it:\n{self.untaken}"
        elif not found and self.expired:
            found["filtered"] = f"filtered by pipeline '{self.taken_by}': its expirytime has passed"
        elif not found:
            found["filtered"] = f"filtered by the transformer of pipeline '{self.taken_by}'"
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One thing that is not as a test expects, at *path* of the test, on a *line* of its file."""

    path: KeyPath
    line: int
    expected: str
    actual: str


def judge(case: Case, happened: Happened) -> list[Failure]:
    """Return everything that is not as *case* expects."""
    return _Judge(case, happened).failures()


def verdict(error: BridgeError) -> str:
    """Return what *error* means to whoever delivers the event."""
    if isinstance(error, Unavailable):
        return f"not now ({error.reason})"
    return f"refused for good ({error.reason})"


#: How an outcome that was expected is called.
_IN_WORDS: Final[Mapping[str, str]] = {
    "reply": "a reply",
    "published": "an event published",
    "filtered": "filtered",
    "dead_letter": "sent to the dead letter",
    "refused": "refused",
}


class _Judge:
    def __init__(self, case: Case, happened: Happened) -> None:
        self._case = case
        self._happened = happened

    def failures(self) -> list[Failure]:
        happened, answers = self._happened, self._case.answers
        if happened.unanswered:
            return [self._unanswered()]
        if happened.unfetched is not None:
            expected = "`fetched`: a test asks no store"
            return [self._failure(("event",), expected, f"asked for {happened.unfetched}")]
        found = [*self._routed(), *self._outcome(), *self._requests()]
        if not found and answers is not None and len(happened.requests) < len(answers):
            asked = _counted(len(happened.requests), "request")
            expected = _counted(len(answers), "request")
            found.append(self._failure(("model", "answers"), expected, asked))
        return found

    def _failure(self, path: KeyPath, expected: str, actual: str) -> Failure:
        line = self._case.document.line_of((*self._case.path, *path))
        return Failure(path=path, line=line, expected=_cut(expected), actual=_cut(actual))

    def _unanswered(self) -> Failure:
        count = len(self._happened.requests)
        asked = self._happened.requests[-1].payload
        expected = f"an answer to request {count}: a test asks no model that is elsewhere"
        return self._failure(("model", "answers"), expected, f"asked {_text(asked.data)}")

    def _routed(self) -> Iterator[Failure]:
        expected, actual = self._case.expect.taken_by, self._happened.taken_by
        if expected is not None and expected != actual:
            why = f"no pipeline takes it:\n{self._happened.untaken}"
            told = why if actual is None else as_json(actual)
            yield self._failure(("expect", "taken_by"), as_json(expected), told)

    def _outcome(self) -> Iterator[Failure]:
        expected = self._case.expect.outcomes
        if not expected:
            return
        happened = self._happened.outcomes()
        if set(expected) != set(happened):
            path = ("expect", expected[0]) if len(expected) == 1 else ("expect",)
            words = " and ".join(_IN_WORDS[name] for name in expected)
            yield self._failure(path, words, " and ".join(happened.values()))
        if "reply" in expected and self._happened.reply is not None:
            yield from self._event("reply", self._happened.reply)
        if "published" in expected:
            told: set[tuple[KeyPath, str]] = set()
            for event in self._happened.published.values():  # the same one to each, mostly
                for failure in self._event("published", event):
                    if (failure.path, failure.actual) not in told:
                        told.add((failure.path, failure.actual))
                        yield failure
        letter, refused = self._happened.letter, self._happened.refused
        if self._case.expect.dead_letter is not None and letter is not None:
            yield from self._refusal("dead_letter", self._case.expect.dead_letter, *_letter(letter))
        if self._case.expect.refused is not None and refused is not None:
            yield from self._refusal(
                "refused", self._case.expect.refused, refused.reason, str(refused)
            )

    def _event(self, name: str, event: Event) -> Iterator[Failure]:
        expected = self._case.events[name]
        yield from self._attributes(expected, event.attributes, (*expected.path, "attributes"))
        yield from self._data(expected.data, event.data)

    def _refusal(
        self, name: str, expected: ExpectedRefusal, reason: str, text: str
    ) -> Iterator[Failure]:
        if expected.reason is not None and expected.reason != reason:
            path = ("expect", name, "reason")
            yield self._failure(path, as_json(expected.reason), f"{as_json(reason)}: {text}")
        if expected.text is not None and expected.text not in text:
            path = ("expect", name, "text")
            yield self._failure(path, f"… {as_json(expected.text)} …", as_json(text))

    def _requests(self) -> Iterator[Failure]:
        expected, requests = self._case.asked, self._happened.requests
        if expected is None:
            return
        if len(expected) != len(requests):
            counts = (_counted(len(every), "request") for every in (expected, requests))
            yield self._failure(("model", "asked"), *counts)
        for one, request in zip(expected, requests, strict=False):
            payload = request.payload
            found = {} if payload.content_type is None else {"content_type": payload.content_type}
            yield from self._attributes(one, found, one.path)
            yield from self._data(one.data, payload.data)

    def _attributes(
        self, expected: Expected, found: Mapping[str, str], path: KeyPath
    ) -> Iterator[Failure]:
        for name, value in expected.attributes.items():
            if found.get(name) != value:
                yield self._at(
                    (*path, name),
                    NOTHING if value is None else value,
                    found.get(name, NOTHING),
                )

    def _data(self, expected: Data | None, actual: bytes | None) -> Iterator[Failure]:
        if expected is None:
            return
        if not expected.is_json:
            if (actual or b"") != expected.value:
                found = self._from_test(expected.path)
                yield self._failure(found, _text(expected.value), _text(actual))
            return
        try:
            value = read_json(actual or b"")
        except ValueError:
            path = self._from_test(expected.path)
            yield self._failure(path, as_json(expected.value), f"no JSON: {_text(actual)}")
            return
        found_all = differences(
            expected.value, value, subset=expected.subset, tolerance=expected.tolerance
        )
        for difference in islice(found_all, MAX_TOLD):
            path = (*expected.path, *difference.place)
            yield self._at(path, difference.expected, difference.actual)
        more = sum(1 for _ in found_all)
        if more:
            path = self._from_test(expected.path)
            yield self._failure(path, "no further difference", f"{more} more")

    def _at(self, path: KeyPath, expected: Any, actual: Any) -> Failure:
        return self._failure(self._from_test(path), as_json(expected), as_json(actual))

    def _from_test(self, path: KeyPath) -> KeyPath:
        return path[len(self._case.path) :]


def _letter(letter: Event) -> tuple[str, str]:
    """Return reason and text of the refusal that a dead letter tells."""
    return letter.attributes["bridgeerrortype"], letter.attributes["bridgeerrortext"]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _text(data: bytes | None) -> str:
    """Return bytes as JSON's text where they are text, else in hexadecimal."""
    if data is None:
        return "nothing"
    head = data[:MAX_CHARACTERS]
    try:
        return as_json(data.decode())
    except UnicodeDecodeError:
        return head.hex(" ")


def _cut(text: str) -> str:
    more = len(text) - MAX_CHARACTERS
    return text if more <= 0 else f"{text[:MAX_CHARACTERS]}… {more} characters more"
