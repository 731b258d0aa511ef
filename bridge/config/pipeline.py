"""What the file itself may say: pipelines, the admin pages, lifecycle, log.

The sections of components stay raw mappings here: what they may hold depends on their
`type`, which only `bridge.app` can look up (`bridge.config.kinds`).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from bridge.config.notifications import Notifications
from bridge.config.options import HttpClientOptions, Options, RetryOptions, Seconds
from bridge.config.template import placeholders
from bridge.core.errors import DecodeError
from bridge.core.event import CORE, SPECVERSIONS, check_name, check_string

#: The section of a component; it may hold secrets, so no field that has one is in a `repr`.
Section = dict[str, Any]

#: A name fit for a metric label, a host name and a Kubernetes object (RFC 1123 label).
Name = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        description="up to 63 of a-z, 0-9 and '-', none of '-' at an end",
    ),
]

#: Seconds, none allowed.
Pause = Annotated[float, Field(ge=0)]

#: Type and source of a response, as published for Seldon Core before and after 1.2.
PRESETS: Final = {
    "seldon": ("seldon.{name}.response", "seldon.{name}"),
    "seldon_namespaced": ("seldon.{name}.{namespace}.response", "seldon.{name}"),
}


class FilterOptions(Options):
    """Which events a pipeline takes, in the words of a Knative Trigger's `filter`."""

    attributes: dict[str, str] = Field(default_factory=dict)
    """Attributes that must have exactly these values; an empty value takes any."""


class DialectOptions(Options):
    """One filter in the words of a Knative Trigger's `filters`: exactly one of these."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    exact: dict[str, str] | None = None
    """Attributes that must be equal to these values."""
    prefix: dict[str, str] | None = None
    """Attributes that must start with these values."""
    suffix: dict[str, str] | None = None
    """Attributes that must end with these values."""
    all: list[DialectOptions] | None = None
    """Filters that must all match."""
    any: list[DialectOptions] | None = None
    """Filters of which one must match."""
    not_: DialectOptions | None = Field(default=None, alias="not")
    """A filter that must not match."""

    @model_validator(mode="after")
    def _one_dialect(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError(
                "expected exactly one of exact, prefix, suffix, all, any, not in each filter"
            )
        return self

    def raw(self) -> dict[str, Any]:
        """Return the filter as the file, and a Trigger, spells it."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class ResponseOptions(Options):
    """How response events are called."""

    preset: Literal["seldon", "seldon_namespaced"] = "seldon"
    """Which published form of Seldon's events `type` and `source` follow by default."""
    name: str | None = None
    """What `{name}` stands for; by default the pipeline's own name."""
    type: str | None = None
    """Type of a response, a template over `{name}`, `{namespace}` and attributes of the request."""
    source: str | None = None
    """Source of a response, a template as `type` is."""
    specversion: Literal["request", "1.0"] = "request"
    """Version of CloudEvents that a response follows; `request` answers in kind."""
    extensions: dict[str, str] = Field(default_factory=dict)
    """Further attributes of every response, by name."""
    correlate: bool = False
    """Whether a request's `correlationid` comes back as `replyid`, as Knative's RequestReply \
waits for."""
    error_type: str | None = None
    """Type of the event that tells of a request refused for good, a template as `type` is; \
by default there is none, and the sender is answered 4xx."""
    error_detail: Literal["full", "reason"] = "full"
    """What such an event says: the error's text too, which may quote the model and the data, or \
only its reason in one word."""

    @field_validator("type", "source", "error_type")
    @classmethod
    def _is_template(cls, text: str | None) -> str | None:
        if text is not None:
            if not text:
                raise ValueError("expected text that is not empty")
            placeholders(text)
            _check_text(text)
        return text

    @field_validator("extensions")
    @classmethod
    def _are_extensions(cls, extensions: dict[str, str]) -> dict[str, str]:
        for name, value in extensions.items():
            check_extension(name, value)
        return extensions

    def type_template(self) -> str:
        """Return the template of a response's type."""
        return self.type or PRESETS[self.preset][0]

    def source_template(self) -> str:
        """Return the template of a response's source."""
        return self.source or PRESETS[self.preset][1]


class ClaimStoreOptions(HttpClientOptions):
    """A store of data that events refer to; only what lies below its `url` is fetched."""

    timeout_seconds: Seconds = 10.0
    """Longest wait for the data, within the event's own deadline."""
    queries: bool = False
    """Whether a reference may have a query, as presigned URLs do."""


class ClaimCheckOptions(Options):
    """Where the data of an event may lie that has a `dataref` instead."""

    stores: Annotated[list[ClaimStoreOptions], Field(min_length=1)]
    """The stores that are asked; a reference goes to the first whose `url` it lies below."""


class StepOptions(Options):
    """What may stand in the section of any model, sink or dead letter, beside its own options."""

    retry: RetryOptions = RetryOptions()
    """How often the step is tried within one delivery."""
    timeout_seconds: Seconds | None = None
    """Longest wait for one try; the event's own deadline always holds as well."""


class PipelineOptions(Options):
    """One pipeline: where its events come from, what answers them, where the answers go."""

    source: Section = Field(repr=False)
    """Where events come from, by `type`."""
    filter: FilterOptions = FilterOptions()
    """Which events this pipeline takes; the others are settled and counted as filtered."""
    filters: list[DialectOptions] = Field(default_factory=list)
    """Further filters, which must all match."""
    expired: Literal["filter", "process"] = "filter"
    """What becomes of an event whose `expirytime` has passed: it is settled and counted as \
filtered, or processed like any other."""
    claim_check: ClaimCheckOptions | None = None
    """Where the data of an event may be fetched that has a `dataref` instead; without it such \
an event is refused."""
    transformer: Section | None = Field(default=None, repr=False)
    """What happens to a payload before and after the model."""
    model: Section | None = Field(default=None, repr=False)
    """What answers a payload, by `type`; without one, events pass as they came."""
    response: ResponseOptions = ResponseOptions()
    """How response events are called."""
    reply: Literal["when_no_sinks", "always"] = "when_no_sinks"
    """When a response goes back to the sender: only where there are no sinks, or always."""
    sinks: list[Section] = Field(default_factory=list, repr=False)
    """Where responses go, each by `type`; an event is settled when every sink has it."""
    dead_letter: Section | None = Field(default=None, repr=False)
    """Sink for events that are refused for good, by `type`; without one the sender is told."""
    deadline_seconds: Seconds = 30.0
    """Longest time for one event; an outage after that."""


class AdminOptions(Options):
    """The pages for operators: `/healthz`, `/readyz`, `/metrics`."""

    host: str = "0.0.0.0"  # noqa: S104  # probes and Prometheus come from outside the pod
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8081
    """Port to listen on; 0 picks a free one."""


class LifecycleOptions(Options):
    """How the process stops; both pauses together fit in Kubernetes' 30 seconds."""

    shutdown_delay_seconds: Pause = 5.0
    """How long events are still accepted after SIGTERM, until nobody sends any here."""
    drain_seconds: Pause = 20.0
    """How long running events may take after that; then they are cancelled and given back."""


class LogOptions(Options):
    """What is written to the log, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is written; `debug` has a line for every event."""
    format: Literal["json", "console"] = "json"
    """One JSON object a line, or lines for a person."""


class FileOptions(Options):
    """The whole file."""

    pipelines: Annotated[dict[Name, PipelineOptions], Field(min_length=1)]
    """The pipelines by name."""
    admin: AdminOptions = AdminOptions()
    """The pages for operators."""
    lifecycle: LifecycleOptions = LifecycleOptions()
    """How the process stops."""
    log: LogOptions = LogOptions()
    """What is written to the log, and how."""
    notifications: Notifications = Field(default_factory=list)
    """Notifications of buckets that `bridge objects notify` sets up; running needs none of it."""


def check_extension(name: str, value: str) -> None:
    """Raise ValueError unless an extension may be called *name* and hold *value*."""
    if name in CORE:
        raise ValueError(f"'{name}' is an attribute of the specification: expected an extension")
    try:
        check_name(name, SPECVERSIONS[0])
    except DecodeError as error:
        raise ValueError(str(error)) from error
    _check_text(value, name)


def _check_text(text: str, name: str = "the text") -> None:
    try:
        check_string(name, text)
    except DecodeError as error:
        raise ValueError(str(error)) from error
