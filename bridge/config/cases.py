"""What a test file may say: events, the model's given answers, what is to come of them.

bridge.yaml         the configuration
bridge_test.yaml    its tests, run by `bridge test`
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from bridge.config.options import Options
from bridge.config.problems import did_you_mean
from bridge.core import errors
from bridge.core.attributes import is_timestamp, shown
from bridge.core.errors import EventError, Unavailable

#: When a test takes place, if it does not say.
TIME = "2020-01-01T00:00:00Z"

#: The forms in which data is given, or expected; one at a time.
GIVEN = ("data", "text", "base64", "data_file")
EXPECTED = (*GIVEN, "contains")

#: What can become of an event.
OUTCOMES = ("reply", "published", "filtered", "dead_letter", "refused")


class GivenData(Options):
    """Data that is given, in one of four forms."""

    data: Any = None
    """Data as JSON, written as YAML."""
    text: str | None = None
    """Data as text, byte for byte."""
    base64: str | None = None
    """Data in base64."""
    data_file: str | None = None
    """File with the data, from the test file's folder."""

    @model_validator(mode="after")
    def _in_one_form(self) -> Self:
        _at_most_one(self, GIVEN)
        return self


class FetchedOptions(GivenData):
    """What lies where the `dataref` of an event refers to."""

    content_type: str | None = None
    """Media type that its store says; by default that of its form."""

    @model_validator(mode="after")
    def _is_there(self) -> Self:
        _exactly_one(self, GIVEN)
        return self


class EventOptions(GivenData):
    """The event that a test sends."""

    file: str | None = None
    """File with the event in CloudEvents' JSON format, from the test file's folder."""
    attributes: dict[str, str | None] = Field(default_factory=dict)
    """Attributes, in place of those of `file`; without a value: not there."""
    path: str | None = None
    """HTTP path that it comes on; by default the named pipeline's own, else `/`."""
    headers: dict[str, str] = Field(default_factory=dict)
    """HTTP headers that come with it."""
    wants_reply: bool = False
    """Whether the sender asks for a reply, as `Prefer: reply` does."""
    fetched: FetchedOptions | None = None
    """What lies where its `dataref` refers to: a test fetches nothing itself."""


class AnswerOptions(GivenData):
    """What a model answers to one request: data, a refusal or an outage."""

    content_type: str | None = None
    """Media type of the answer; by default JSON's for `data` and files called `.json`."""
    refuses: str | None = None
    """Why the model refuses the request, for good."""
    unavailable: str | None = None
    """Why the model cannot be asked now."""

    @model_validator(mode="after")
    def _is_one_answer(self) -> Self:
        _exactly_one(self, (*GIVEN, "refuses", "unavailable"))
        return self


class ExpectedData(Options):
    """Data that is expected; only what is written is compared."""

    data: Any = None
    """Data as JSON, written as YAML: the very same value."""
    contains: Any = None
    """Data as JSON, of which objects may have further members."""
    text: str | None = None
    """Data as text, byte for byte."""
    base64: str | None = None
    """Data in base64, byte for byte."""
    data_file: str | None = None
    """File with the data: as JSON if it is called `.json`, otherwise byte for byte."""
    tolerance: Annotated[float, Field(ge=0)] = 0.0
    """How far a number in JSON may be from the one expected."""

    @model_validator(mode="after")
    def _in_one_form(self) -> Self:
        _at_most_one(self, EXPECTED)
        return self


class ExpectedEvent(ExpectedData):
    """An event that is expected."""

    attributes: dict[str, str | None] = Field(default_factory=dict)
    """Attributes that must have these values; without a value: must not be there."""


class ExpectedRequest(ExpectedData):
    """One request to the model that is expected."""

    content_type: str | None = None
    """Media type of the data."""


class ExpectedRefusal(Options):
    """A refusal that is expected."""

    reason: str | None = None
    """The one word for it, as in `Kne-Bridgereason`: `transform`, `rejected`, `unavailable`."""
    text: str | None = None
    """Text that it must contain."""

    @field_validator("reason")
    @classmethod
    def _is_known(cls, reason: str | None) -> str | None:
        known = sorted(_reasons())
        if reason is not None and reason not in known:
            raise ValueError(f"no reason '{reason}'{did_you_mean(reason, known)}")
        return reason


class ModelCase(Options):
    """What the model is asked in a test, and what it answers."""

    answers: list[AnswerOptions] | None = None
    """Answers in a row, one for each request; without them a `local` model answers itself."""
    asked: list[ExpectedRequest] | None = None
    """Requests that are expected, in a row; `[]`: none."""


class Expectation(Options):
    """What is to come of the event: each outcome that is named, and no other."""

    taken_by: str | None = None
    """Pipeline that takes the event; alone, the event is not given to it."""
    reply: ExpectedEvent | None = None
    """The response that goes back to the sender."""
    published: ExpectedEvent | None = None
    """The event that every sink, or K_SINK, is sent."""
    filtered: bool = False
    """Whether nobody takes the event, or a transformer has nothing to say about it."""
    dead_letter: ExpectedRefusal | None = None
    """Why the event is sent to the dead letter."""
    refused: ExpectedRefusal | None = None
    """Why the event is refused, for good or for now."""

    @property
    def outcomes(self) -> list[str]:
        """What is expected to become of the event, by name."""
        return [name for name in OUTCOMES if getattr(self, name)]

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.outcomes and self.taken_by is None:
            names = ", ".join((*OUTCOMES, "taken_by"))
            raise ValueError(f"expects nothing: expected at least one of {names}")
        return self


class CaseOptions(Options):
    """One test: an event, and what is to come of it."""

    name: Annotated[str, Field(min_length=1)]
    """What holds, in words; no two tests of a file have the same."""
    pipeline: str | None = None
    """Pipeline that gets the event; by default paths and filters decide, in the file's order."""
    environ: dict[str, SecretStr] = Field(default_factory=dict)
    """Variables of the configuration for this test, beside the file's own."""
    time: str = TIME
    """When it takes place, in RFC 3339."""
    event: EventOptions
    """The event."""
    model: ModelCase = ModelCase()
    """What the model is asked, and what it answers."""
    expect: Expectation
    """What is to come of the event."""

    @field_validator("time")
    @classmethod
    def _is_time(cls, time: str) -> str:
        try:
            nanoseconds(time)
        except ValueError as error:
            raise ValueError(f"is {shown(time)}: expected a time as {TIME}") from error
        return time


class CasesOptions(Options):
    """The whole test file."""

    environ: dict[str, SecretStr] = Field(default_factory=dict)
    """Variables of the configuration for every test; those of the process do not count."""
    tests: Annotated[list[CaseOptions], Field(min_length=1)]
    """The tests, each run by itself."""


def nanoseconds(time: str) -> int:
    """Return RFC 3339's *time* as nanoseconds since 1970; raise ValueError if it is none."""
    if not is_timestamp(time):
        raise ValueError(time)
    head, digits, offset = _PARTS.fullmatch(time).groups("")  # type: ignore[union-attr]  # it is
    second = datetime.fromisoformat(head + offset.upper().replace("Z", "+00:00"))
    fraction = int(digits[:9].ljust(9, "0"))
    return (second - _EPOCH) // timedelta(seconds=1) * 1_000_000_000 + fraction


_PARTS = re.compile(r"(.{19})(?:\.([0-9]+))?(.+)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _reasons() -> set[str]:
    """Return the words for what an event may be refused for."""
    return {
        error.reason
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, (EventError, Unavailable))
    }


def _given(options: Options, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if name in options.model_fields_set]


def _at_most_one(options: Options, names: tuple[str, ...]) -> None:
    given = _given(options, names)
    if len(given) > 1:
        raise ValueError(f"has {' and '.join(given)}: expected one of {', '.join(names)}")


def _exactly_one(options: Options, names: tuple[str, ...]) -> None:
    _at_most_one(options, names)
    if not _given(options, names):
        raise ValueError(f"says nothing: expected one of {', '.join(names)}")
