"""One pipeline of the file, built: its steps, what they connect to, its handler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge import models, sinks, sources
from bridge.app import responses
from bridge.app.parts import Parts
from bridge.config.kinds import Chosen, choose
from bridge.config.options import Options
from bridge.config.pipeline import PipelineOptions, StepOptions
from bridge.config.problems import KeyPath
from bridge.config.validate import parse
from bridge.core.errors import ConfigError
from bridge.core.filters import Predicate, compile_attributes, compile_filters
from bridge.core.ports import Component, Handler, Model, Sink
from bridge.runtime.claims import ClaimStore
from bridge.runtime.failures import ErrorEvents, teller
from bridge.runtime.guard import GuardedModel, GuardedSink
from bridge.runtime.middleware import handler
from bridge.runtime.pipeline import Pipeline, Timings
from bridge.runtime.retry import Step, TriedModel, TriedSink
from bridge.transformers.user import TransformerOptions, UserTransformer


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One pipeline and everything it needs. *handle* does not filter: see `listeners`.

    *accepts* is what *filters*, which can be compared, say.
    """

    name: str
    path: KeyPath
    pipeline: Pipeline
    accepts: Predicate | None
    filters: object
    components: Mapping[str, Component]
    source: Chosen[Options]
    handle: Handler


def line(name: str, options: PipelineOptions, parts: Parts) -> Line | None:
    """Return the pipeline *name*, or None where its problems are with *parts*."""
    return _Builder(name, options, parts).line()


class _Builder:
    """Builds one pipeline, section by section, so that every problem is found."""

    def __init__(self, name: str, options: PipelineOptions, parts: Parts) -> None:
        self._name = name
        self._options = options
        self._parts = parts
        self._path: KeyPath = ("pipelines", name)
        self._components: dict[str, Component] = {}

    def line(self) -> Line | None:
        options, parts, before = self._options, self._parts, len(self._parts.problems)
        source = self._chosen(("source",), sources.TYPES, "sources", Options)
        stores = self._claim_stores()
        transformer = self._transformer()
        model = self._model()
        targets = [self._sink(("sinks", index)) for index in range(len(options.sinks))]
        letter = self._sink(("dead_letter",)) if options.dead_letter is not None else None
        accepts = self._filter()
        passes = options.model is None and options.transformer is None
        answers = source is not None and bool(getattr(source.cls, "answers", False))
        again = source is not None and bool(getattr(source.cls, "delivers_again", False))
        if source is not None and again:
            self._check_letters(source.options)
        respond = tell_by = None
        if not passes or "response" in options.model_fields_set:
            respond = responses.respond(self._name, options.response, accepts, parts)
            tell_by = responses.respond_with_errors(
                self._name,
                options.response,
                accepts,
                parts,
                answering=source.kind if source is not None and answers else None,
            )
        elif not targets and parts.platform.sink_url is None:
            parts.problem(
                self._path, "nothing to do: expected a model, a transformer, sinks, or K_SINK"
            )
        if respond is None and passes and options.reply == "always":
            parts.problem(
                (*self._path, "reply"),
                "an event that is passed on as it came would be its own reply: expected a model, "
                "a transformer or a response",
            )
        if len(parts.problems) > before or source is None:
            return None
        ledger = parts.ledger.pipeline(self._name)
        ledger.deadline_seconds = options.deadline_seconds
        pipeline = Pipeline(
            name=self._name,
            clock=parts.clock,
            deadline_seconds=options.deadline_seconds,
            timings=Timings(
                preprocess=ledger.step("preprocess"),
                model=ledger.step("model"),
                postprocess=ledger.step("postprocess"),
                publish=ledger.step("publish"),
                **({"claim_check": ledger.step("claim_check")} if stores else {}),
            ),
            preprocess=transformer if transformer and transformer.has_preprocess else None,
            model=model,
            postprocess=transformer if transformer and transformer.has_postprocess else None,
            respond=respond,
            sinks=tuple(target for target in targets if target is not None),
            fallback=None if targets or answers else self._k_sink(),
            reply_always=answers or options.reply == "always",
            expires=options.expired == "filter",
            claim_stores=stores,
            overrides=parts.platform.extensions,
        )
        error_events = None
        if tell_by is not None:
            full = options.response.error_detail == "full"
            tell = teller(tell_by, pipeline=self._name, full=full)
            error_events = ErrorEvents(tell=tell, deliver=pipeline.deliver)
        return Line(
            name=self._name,
            path=self._path,
            pipeline=pipeline,
            accepts=accepts,
            filters=(options.filter, options.filters),
            components=self._components,
            source=source,
            handle=handler(
                pipeline,
                name=self._name,
                events=ledger.events,
                dead_letter_sink=letter if not again or _settles(source.options) else None,
                hold_after_refusals=source.options.hold_after_refusals if again else None,
                deadline_seconds=options.deadline_seconds,
                clock=parts.clock,
                error_events=error_events,
                debug=parts.debug,
            ),
        )

    def _check_letters(self, options: Any) -> None:
        """Refuse what would leave events of a source that delivers again itself nowhere to go."""
        own, parts = self._options, self._parts
        if own.dead_letter is None and _settles(options):
            parts.problem(
                self._path,
                "no dead_letter: expected a sink for events that are refused, or "
                "`on_dead_letter: hold` in source",
            )
        if own.response.error_type is not None and not _settles(options):
            parts.problem(
                (*self._path, "response", "error_type"),
                "an error event settles what `on_dead_letter: hold` in source is to hold: "
                "expected one of them",
            )
        if own.reply == "always" or not (own.sinks or parts.platform.sink_url):
            parts.problem(
                (*self._path, "reply") if own.reply == "always" else self._path,
                "nobody waits for a reply: expected sinks, or K_SINK",
            )

    def _chosen(
        self, steps: KeyPath, types: Mapping[str, str], room: str, around: type[Any]
    ) -> Chosen[Any] | None:
        return choose(
            self._parts.document,
            (*self._path, *steps),
            types,
            room,
            around=around,
            problems=self._parts.problems,
        )

    def _claim_stores(self) -> tuple[ClaimStore, ...]:
        """Return the stores that events may refer to, none where the file names none."""
        options = self._options.claim_check
        built = []
        for index, store in enumerate(options.stores if options is not None else ()):
            name = f"claim_check.stores.{index}"
            path = (*self._path, "claim_check", "stores", index)
            made: ClaimStore | None = self._parts.make(path, ClaimStore, store)
            if made is not None:
                self._components[name] = made
                built.append(made)
        return tuple(built)

    def _transformer(self) -> UserTransformer | None:
        if self._options.transformer is None:
            return None
        path, parts = (*self._path, "transformer"), self._parts
        options = parse(parts.document, path, TransformerOptions, parts.problems)
        if options is None:
            return None
        built: UserTransformer | None = parts.make(path, UserTransformer, options, name=self._name)
        if built is not None:
            self._components["transformer"] = built
        return built

    def _model(self) -> Model | None:
        if self._options.model is None:
            return None
        chosen = self._chosen(("model",), models.TYPES, "models", StepOptions)
        model: Model | None = self._parts.chosen((*self._path, "model"), chosen)
        if chosen is None or model is None:
            return None
        if is_users_own(chosen.kind):
            model = GuardedModel(model)
        step = self._step("model", chosen.around)
        model = model if step is None else TriedModel(model, step)
        self._components["model"] = model
        return model

    def _sink(self, steps: KeyPath) -> Sink | None:
        chosen = self._chosen(steps, sinks.TYPES, "sinks", StepOptions)
        sink: Sink | None = self._parts.chosen((*self._path, *steps), chosen)
        if chosen is None or sink is None:
            return None
        if steps[0] == "sinks" and chosen.kind == "kafka":
            self._check_timeout(steps, chosen.options.timeout_seconds)
        if steps[0] == "sinks" and chosen.kind == "objects":
            self._check_error_events(steps, chosen.options)
        if is_users_own(chosen.kind):
            sink = GuardedSink(sink)
        name = ".".join(map(str, steps))
        step = self._step(name, chosen.around)
        sink = sink if step is None else TriedSink(sink, step)
        self._components[name] = sink
        return sink

    def _check_error_events(self, steps: KeyPath, options: Any) -> None:
        """Refuse a sink that no error event could go to: its event would be held for ever."""
        if self._options.response.error_type is None:
            return
        needed = "an object to copy" if options.content == "copy" else "the response's data"
        if options.content == "copy" or "{data." in options.bucket + options.key:
            self._parts.problem(
                (*self._path, *steps),
                f"response.error_type: an error event goes to every sink, and has not {needed}: "
                "expected a dead_letter in its place, or another sink",
            )

    def _check_timeout(self, steps: KeyPath, timeout_seconds: float) -> None:
        """Refuse a Kafka sink that is cut off while it waits: its record goes out all the same.

        Each further try would then write the response once more.
        """
        deadline = self._options.deadline_seconds
        if timeout_seconds >= deadline:
            self._parts.problem(
                (*self._path, *steps, "timeout_seconds"),
                f"{timeout_seconds:g} s is no less than deadline_seconds, {deadline:g} s: expected "
                "less, or an event cut off while it is written would be written again",
            )

    def _step(self, name: str, options: StepOptions) -> Step | None:
        """Return how a step is tried, None where that is once and for as long as it takes."""
        if options.retry.attempts == 1 and options.timeout_seconds is None:
            return None
        return Step(
            name=name,
            retry=options.retry,
            clock=self._parts.clock,
            chance=self._parts.chance,
            timeout_seconds=options.timeout_seconds,
        )

    def _k_sink(self) -> Sink | None:
        """Return the sink that the platform names, for responses that nobody waits for."""
        platform = self._parts.platform
        if platform.sink_url is None:
            return None
        from bridge.config.options import ClientTlsOptions
        from bridge.sinks.http import HttpSink, HttpSinkOptions

        bundles = platform.trust_folder if Path(platform.trust_folder).is_dir() else None
        options = HttpSinkOptions(
            url=platform.sink_url,
            tls=ClientTlsOptions(ca_certs=platform.ca_certs, ca_folder=bundles),
            token_file=None if platform.audience is None else platform.token_file,
        )
        sink: Sink | None = self._parts.make((*self._path, "k_sink"), HttpSink, options)
        if sink is not None:
            self._components["k_sink"] = sink
        return sink

    def _filter(self) -> Predicate | None:
        """Return what the pipeline takes, None for everything."""
        attributes = self._options.filter.attributes
        filters = [entry.raw() for entry in self._options.filters]
        predicates: list[Predicate] = []
        try:
            if attributes:
                predicates.append(compile_attributes(attributes))
        except ConfigError as error:
            self._parts.problem((*self._path, "filter"), str(error))
        try:
            if filters:
                predicates.append(compile_filters(filters))
        except ConfigError as error:
            self._parts.problem((*self._path, "filters"), str(error))
        return _all(predicates)


def _settles(options: Any) -> bool:
    """Whether a source's refused events are settled by the dead letter."""
    return bool(options.on_dead_letter == "settle")


def is_users_own(kind: str) -> bool:
    """Whether *kind* is a class of the user's, `module:Class`, and none of ours."""
    return ":" in kind


def _all(predicates: Sequence[Predicate]) -> Predicate | None:
    if not predicates:
        return None
    if len(predicates) == 1:
        return predicates[0]
    return lambda event: all(accepts(event) for accepts in predicates)
