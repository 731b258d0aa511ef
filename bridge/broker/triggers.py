"""Knative's Triggers and Brokers, read from the YAML that a cluster would be given.

    *.yaml ──▶ kind: Broker, kind: Trigger ──▶ Declared(brokers, triggers)
              (Deployment, Service and every other kind in the files are passed over)

What a cluster resolves by asking its API, `--resolve Kind/name=URL` resolves here. What this
broker does not do is refused by name, so that no setting is silently without effect.
Source: Knative pkg/apis/eventing/v1, pkg/apis/duck/v1 (v0.50.0).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from bridge.broker import durations
from bridge.broker.destinations import destination
from bridge.broker.manifest import Value, documents
from bridge.broker.retries import Delivery
from bridge.core.errors import ConfigError
from bridge.core.event import Event
from bridge.core.filters import Predicate, compile_attributes, compile_filters

GROUP = "eventing.knative.dev"
VERSIONS = ("v1", "v1beta1", "v1alpha1")

#: Other kinds of the group; a kind beside these is a typing error.
OTHER_KINDS = ("EventType", "EventPolicy", "EventTransform", "RequestReply")

DEFAULT_NAMESPACE = "default"
DEFAULT_BROKER = "default"

#: Longest name of a Kubernetes object (RFC 1123 subdomain).
MAX_NAME = 253
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Who gets which events of which broker, and how."""

    namespace: str
    name: str
    broker: str
    accepts: Predicate
    subscriber_url: str
    delivery: Delivery = field(default_factory=Delivery)

    @property
    def key(self) -> str:
        """The trigger's name for people, `namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @property
    def address(self) -> str:
        """The broker it takes from, `namespace/broker`."""
        return f"{self.namespace}/{self.broker}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What the files say. *brokers*: every `namespace/name` that is declared or used."""

    brokers: tuple[str, ...]
    triggers: tuple[Trigger, ...]


def read(paths: Sequence[Path], resolve: Mapping[str, str]) -> Declared:
    """Return the brokers and triggers of *paths*, in the order in which they stand there.

    *resolve* gives the URL of a `ref`, by `Kind/name` or `Kind/namespace/name`. Raise
    ConfigError with file and line for anything unknown, missing, twice or unresolved, a line
    for each document that is wrong, and if there is no Trigger at all.
    """
    problems: list[str] = []
    read_brokers: dict[str, Delivery] = {}
    read_triggers: list[tuple[Value, Value]] = []
    for path in paths:
        for document in documents(path):
            with _collecting(problems):
                kind = _eventing_kind(document)
                if kind == "Broker":
                    key, delivery = _broker(document, resolve)
                    if key in read_brokers:
                        raise document.wrong(f"Broker {key} is declared twice")
                    read_brokers[key] = delivery
                elif kind == "Trigger":
                    entries = document.fields("apiVersion", "kind", "metadata", "spec", "status")
                    read_triggers.append((document, document.needed("spec", entries)))
    triggers: dict[str, Trigger] = {}
    for document, spec in read_triggers:
        with _collecting(problems):
            trigger = _trigger(document, spec, read_brokers, resolve)
            if trigger.key in triggers:
                raise document.wrong(f"Trigger {trigger.key} is declared twice")
            triggers[trigger.key] = trigger
    if problems:
        raise ConfigError("\n".join(problems))
    if not triggers:
        names = ", ".join(map(str, paths)) or "no file given"
        raise ConfigError(f"{names}: no Trigger found, expected `kind: Trigger` of {GROUP}")
    addresses = dict.fromkeys([*read_brokers, *(t.address for t in triggers.values())])
    return Declared(brokers=tuple(addresses), triggers=tuple(triggers.values()))


@contextmanager
def _collecting(problems: list[str]) -> Iterator[None]:
    """Keep what is wrong with one document, so that the next one is read all the same."""
    try:
        yield
    except ConfigError as error:
        problems.append(str(error))


def _eventing_kind(document: Value) -> str | None:
    """Return `Broker` or `Trigger`, or None for a document that is none of ours."""
    entries = document.entries()
    kind = document.needed("kind", entries).string()
    api_version = document.needed("apiVersion", entries)
    group, _, version = api_version.string().rpartition("/")
    if group != GROUP:
        if kind in ("Trigger", "Broker") and get_close_matches(group, [GROUP], cutoff=0.8):
            raise api_version.wrong(f"unknown group {group!r}, did you mean '{GROUP}'?")
        return None
    if kind in OTHER_KINDS:
        return None
    if kind not in ("Trigger", "Broker"):
        raise entries["kind"].wrong(f"unknown kind {kind!r} of {GROUP}, expected Trigger or Broker")
    if version not in VERSIONS:
        expected = ", ".join(VERSIONS)
        raise api_version.wrong(f"unknown version {version!r}, expected one of {expected}")
    return kind


def _broker(document: Value, resolve: Mapping[str, str]) -> tuple[str, Delivery]:
    entries = document.fields("apiVersion", "kind", "metadata", "spec", "status")
    namespace, name = _metadata(document, entries)
    delivery = Delivery()
    if "spec" in entries:
        spec = entries["spec"].fields("config", "delivery")
        if "delivery" in spec:
            delivery = _delivery(spec["delivery"], namespace, resolve)
    return f"{namespace}/{name}", delivery


def _trigger(
    document: Value, spec: Value, brokers: Mapping[str, Delivery], resolve: Mapping[str, str]
) -> Trigger:
    namespace, name = _metadata(document, document.entries())
    entries = spec.fields("broker", "brokerRef", "filter", "filters", "subscriber", "delivery")
    if "brokerRef" in entries:
        raise entries["brokerRef"].wrong("not supported by the local broker, expected `broker`")
    broker = _name(entries["broker"]) if "broker" in entries else DEFAULT_BROKER
    # Knative takes the broker's settings as a whole, and only where the trigger has none.
    delivery = brokers.get(f"{namespace}/{broker}", Delivery())
    if "delivery" in entries:
        delivery = _delivery(entries["delivery"], namespace, resolve)
    return Trigger(
        namespace=namespace,
        name=name,
        broker=broker,
        accepts=_accepts(entries),
        subscriber_url=destination(spec.needed("subscriber", entries), namespace, resolve),
        delivery=delivery,
    )


def _accepts(spec: Mapping[str, Value]) -> Predicate:
    """Return the trigger's filter; `filters` replaces `filter`, neither takes every event."""
    compile_: Callable[[Any], Predicate]
    if "filters" in spec and spec["filters"].items():
        value = spec["filters"]
        compile_ = compile_filters
    elif "filter" in spec:
        attributes = spec["filter"].fields("attributes").get("attributes")
        if attributes is None:
            return _everything
        value = attributes
        for attribute in value.entries().values():
            attribute.string()
        compile_ = compile_attributes
    else:
        return _everything
    plain: Any = value.plain()
    try:
        return compile_(plain)
    except ConfigError as error:
        raise value.wrong(str(error)) from error


def _everything(_event: Event) -> bool:
    return True


def _delivery(value: Value, namespace: str, resolve: Mapping[str, str]) -> Delivery:
    entries = value.fields(
        *("deadLetterSink", "retry", "timeout", "backoffPolicy", "backoffDelay"),
        *("retryAfterMax", "format"),
    )
    policy = entries.get("backoffPolicy")
    form = entries.get("format")
    dead_letter = entries.get("deadLetterSink")
    timeout_seconds = _duration(entries.get("timeout"))
    if timeout_seconds == 0:
        raise entries["timeout"].wrong("expected more than no time")
    return Delivery(
        retry=entries["retry"].count() if "retry" in entries else 0,
        backoff_policy=cast(Any, policy.choice("linear", "exponential")) if policy else None,
        backoff_delay_seconds=_duration(entries.get("backoffDelay")),
        timeout_seconds=timeout_seconds,
        retry_after_max_seconds=_duration(entries.get("retryAfterMax")),
        dead_letter_url=destination(dead_letter, namespace, resolve) if dead_letter else None,
        format=cast(Any, form.choice("binary", "json")) if form else "binary",
    )


def _duration(value: Value | None) -> float | None:
    if value is None:
        return None
    try:
        return durations.seconds(value.string())
    except ValueError as error:
        raise value.wrong(str(error)) from error


def _metadata(document: Value, entries: Mapping[str, Value]) -> tuple[str, str]:
    """Return namespace and name; whatever else metadata may hold is Kubernetes' own."""
    metadata = document.needed("metadata", entries)
    found = metadata.entries()
    namespace = _name(found["namespace"]) if "namespace" in found else DEFAULT_NAMESPACE
    return namespace, _name(metadata.needed("name", found))


def _name(value: Value) -> str:
    """Return a name as Kubernetes allows it: it goes into paths, headers and metrics."""
    name = value.string()
    if len(name) > MAX_NAME or _NAME.fullmatch(name) is None:
        raise value.wrong(f"{name[:80]!r}: expected a-z, 0-9, '-' and '.', as Kubernetes does")
    return name
