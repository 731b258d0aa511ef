"""A test file to cases: read, checked, every file that it names read too.

    bridge_test.yaml ──CasesOptions──▶ Case(event, answers, expectations), each with its lines

Everything wrong with the file is told at once, and before any test runs.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bridge.codecs import http as codec
from bridge.config.cases import (
    AnswerOptions,
    CaseOptions,
    CasesOptions,
    EventOptions,
    Expectation,
    ExpectedData,
    ExpectedEvent,
    ExpectedRequest,
    FetchedOptions,
    GivenData,
)
from bridge.config.file import Document, load
from bridge.config.problems import KeyPath, Problems
from bridge.config.validate import parse
from bridge.core.attributes import check_attributes
from bridge.core.differences import read_json
from bridge.core.errors import BridgeError, DecodeError, Rejected, Unavailable
from bridge.core.event import Event, Origin
from bridge.core.payload import JSON, Body

#: How the file of the tests of `x.yaml` is called: `x_test.yaml`.
SUFFIX: Final = "_test"

#: Largest file of data that a test may name.
MAX_DATA_BYTES: Final = 64 * 1024 * 1024

#: What an event has that does not say so itself.
ATTRIBUTES: Final[Mapping[str, str]] = {
    "specversion": "1.0",
    "id": "1",
    "source": "bridge.test",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Data that is expected at *path* of the test file: a JSON value, or bytes."""

    path: KeyPath
    value: Any
    is_json: bool
    subset: bool = False
    tolerance: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """An event, or a request to the model, that is expected at *path* of the test file."""

    path: KeyPath
    attributes: Mapping[str, str | None]
    data: Data | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test, with everything read that it names.

    *at*: the path it comes on, if the test says. *fetched*: what its `dataref` refers to.
    *answers* None: the model is not replaced. *asked* None: whatever it is asked is right.
    *events*: what is expected of an event that comes out, by outcome.
    """

    document: Document
    path: KeyPath
    config: Path
    name: str
    pipeline: str | None
    environ: Mapping[str, str]
    time: str
    event: Event
    at: str | None
    fetched: Body | None
    answers: tuple[Body | BridgeError, ...] | None
    asked: tuple[Expected, ...] | None
    expect: Expectation
    events: Mapping[str, Expected]

    @property
    def line(self) -> int:
        """The line that the test begins on."""
        return self.document.line_of(self.path)


def path_of_tests(config: Path) -> Path:
    """Return where the tests of the configuration *config* are."""
    return config.with_name(f"{config.stem}{SUFFIX}{config.suffix}")


def path_of_config(tests: Path) -> Path:
    """Return the configuration that the file *tests* is about."""
    return tests.with_name(f"{tests.stem.removesuffix(SUFFIX)}{tests.suffix}")


def load_cases(path: Path, environ: Mapping[str, str]) -> list[Case]:
    """Return the tests in the file at *path*, `${VAR}` in it taken from *environ*.

    Raise ConfigError with a line for each thing that is wrong with it.
    """
    problems = Problems()
    document = load(path, environ, problems, top="tests")
    options = parse(document, (), CasesOptions, problems)
    if options is None:
        problems.check()
        raise AssertionError("tests that could not be parsed, without a problem")
    reader = _Reader(document, problems)
    shared = {name: text.get_secret_value() for name, text in options.environ.items()}
    lines: dict[str, int] = {}
    cases = []
    for index, test in enumerate(options.tests):
        at: KeyPath = ("tests", index)
        if test.name in lines:
            first = f"a test of this name is on line {lines[test.name]}: expected another name"
            problems.add(document.problem((*at, "name"), first))
        lines.setdefault(test.name, document.line_of((*at, "name")))
        cases.append(reader.case(at, test, shared))
    problems.check()
    return [case for case in cases if case is not None]


class _Reader:
    """Makes cases of one file, keeping what is wrong with it."""

    def __init__(self, document: Document, problems: Problems) -> None:
        self._document = document
        self._problems = problems

    def case(self, path: KeyPath, test: CaseOptions, shared: Mapping[str, str]) -> Case | None:
        event = self._event((*path, "event"), test.event)
        lies_there = test.event.fetched
        fetched = None
        if lies_there is not None:
            fetched = self._typed((*path, "event", "fetched"), lies_there)
        answers, asked = test.model.answers, test.model.asked
        given = None
        if answers is not None:
            there = (*path, "model", "answers")
            given = [self._answer((*there, place), one) for place, one in enumerate(answers)]
        requests = None
        if asked is not None:
            there = (*path, "model", "asked")
            requests = tuple(
                self._expected((*there, place), one) for place, one in enumerate(asked)
            )
        outcomes = {"reply": test.expect.reply, "published": test.expect.published}
        events = {
            name: self._expected((*path, "expect", name), one)
            for name, one in outcomes.items()
            if one is not None
        }
        if event is None:
            return None
        own = {name: text.get_secret_value() for name, text in test.environ.items()}
        return Case(
            document=self._document,
            path=path,
            config=path_of_config(Path(self._document.name)),
            name=test.name,
            pipeline=test.pipeline,
            environ={**shared, **own},
            time=test.time,
            event=event,
            at=test.event.path,
            fetched=fetched,
            answers=None if given is None else tuple(one for one in given if one is not None),
            asked=requests,
            expect=test.expect,
            events=events,
        )

    def _problem(self, path: KeyPath, text: str) -> None:
        self._problems.add(self._document.problem(path, text))

    def _event(self, path: KeyPath, options: EventOptions) -> Event | None:
        """Return the event of a test, without a path; None where something is wrong with it."""
        attributes: dict[str, str] = dict(ATTRIBUTES)
        data: bytes | None = None
        if options.file is not None:
            whole = self._file((*path, "file"), options.file)
            if whole is None:
                return None
            try:
                read = codec.decode(((b"content-type", codec.STRUCTURED_TYPE),), whole)
            except DecodeError as error:
                self._problem((*path, "file"), f"{options.file}: {error}")
                return None
            attributes, data = dict(read.attributes), read.data
        given = self._given(path, options)
        if given is not None:
            data = given.data
            if given.content_type is not None:
                attributes.setdefault("datacontenttype", given.content_type)
        for name, text in options.attributes.items():
            attributes.pop(name, None)
            if text is not None:
                attributes[name] = text
        try:
            check_attributes(attributes)
        except DecodeError as error:
            self._problem((*path, "attributes"), str(error))
            return None
        headers = tuple(
            (name.lower().encode(), text.encode()) for name, text in options.headers.items()
        )
        origin = Origin("http", "", options.wants_reply, headers)
        return Event(attributes, data, origin)

    def _answer(self, path: KeyPath, options: AnswerOptions) -> Body | BridgeError | None:
        if options.refuses is not None:
            return Rejected(options.refuses)
        if options.unavailable is not None:
            return Unavailable(options.unavailable)
        return self._typed(path, options)

    def _typed(self, path: KeyPath, options: AnswerOptions | FetchedOptions) -> Body | None:
        """Return data that is given, under the media type that is given with it, if one is."""
        body = self._given(path, options)
        if body is not None and options.content_type is not None:
            body.content_type = options.content_type
        return body

    def _given(self, path: KeyPath, options: GivenData) -> Body | None:
        """Return data that is given, with the media type of its form; None: none, or wrong."""
        if "data" in options.model_fields_set:
            try:
                return Body.of(options.data)
            except TypeError as error:
                self._problem((*path, "data"), f"has no form in JSON: {error}")
                return None
        if options.text is not None:
            return Body(options.text.encode(), "text/plain; charset=utf-8")
        if options.base64 is not None:
            decoded = self._base64((*path, "base64"), options.base64)
            return None if decoded is None else Body(decoded, None)
        if options.data_file is not None:
            read = self._file((*path, "data_file"), options.data_file)
            kind = JSON if options.data_file.endswith(".json") else None
            return None if read is None else Body(read, kind)
        return None

    def _expected(self, path: KeyPath, options: ExpectedEvent | ExpectedRequest) -> Expected:
        if isinstance(options, ExpectedEvent):
            attributes: Mapping[str, str | None] = options.attributes
        else:
            said = options.content_type
            attributes = {} if said is None else {"content_type": said}
        return Expected(path=path, attributes=attributes, data=self._data(path, options))

    def _data(self, path: KeyPath, options: ExpectedData) -> Data | None:
        for name in ("data", "contains"):
            if name in options.model_fields_set:
                return Data(
                    path=(*path, name),
                    value=getattr(options, name),
                    is_json=True,
                    subset=name == "contains",
                    tolerance=options.tolerance,
                )
        if options.text is not None:
            return Data(path=(*path, "text"), value=options.text.encode(), is_json=False)
        if options.base64 is not None:
            at = (*path, "base64")
            return Data(path=at, value=self._base64(at, options.base64), is_json=False)
        if options.data_file is None:
            return None
        at = (*path, "data_file")
        value: Any = self._file(at, options.data_file)
        is_json = options.data_file.endswith(".json")
        if is_json and value is not None:
            try:
                value = read_json(value)
            except ValueError as error:
                self._problem(at, f"{options.data_file}: is no JSON: {error}")
        return Data(path=at, value=value, is_json=is_json, tolerance=options.tolerance)

    def _base64(self, path: KeyPath, text: str) -> bytes | None:
        try:
            return b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            self._problem(path, f"expected base64: {error}")
            return None

    def _file(self, path: KeyPath, name: str) -> bytes | None:
        try:
            with (self._document.folder / name).open("rb") as file:
                data = file.read(MAX_DATA_BYTES + 1)
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else str(error)
            self._problem(path, f"{name}: cannot be read: {said}")
            return None
        if len(data) > MAX_DATA_BYTES:
            self._problem(path, f"{name}: larger than {MAX_DATA_BYTES} bytes")
            return None
        return data
