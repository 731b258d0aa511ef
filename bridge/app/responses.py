"""What makes a pipeline's responses and error events; one that would come back is a problem.

response: {type, source, …} ─▶ Respond        error_type ─▶ another Respond
"""

from __future__ import annotations

from bridge.app.parts import Parts
from bridge.config.pipeline import ResponseOptions
from bridge.config.problems import KeyPath
from bridge.config.template import compile_template, constant
from bridge.core.errors import ConfigError
from bridge.core.event import Event
from bridge.core.filters import Predicate
from bridge.runtime.response import Respond, responder


def respond(
    pipeline: str, options: ResponseOptions, accepts: Predicate | None, parts: Parts
) -> Respond | None:
    """Return what makes the responses of *pipeline*, or None where its problems are with *parts*.

    *accepts*: the pipeline's own filter.
    """
    path = ("pipelines", pipeline, "response")
    return _responder(
        "response",
        options.type_template(),
        options=options,
        accepts=accepts,
        path=path,
        parts=parts,
    )


def respond_with_errors(
    pipeline: str,
    options: ResponseOptions,
    accepts: Predicate | None,
    parts: Parts,
    *,
    answering: str | None,
) -> Respond | None:
    """Return what makes the error events of *pipeline*, None where it has none, or problems.

    *answering*: the kind of its source, where that answers its callers with the error itself.
    """
    if options.error_type is None:
        return None
    path = ("pipelines", pipeline, "response", "error_type")
    if answering is not None:
        parts.problem(
            path, f"a {answering} source answers its callers with the error itself: expected none"
        )
        return None
    if options.error_type == options.type_template():
        parts.problem(
            path, "nobody could tell an error event from a response: expected another type"
        )
        return None
    return _responder(
        "error event",
        options.error_type,
        options=options,
        accepts=accepts,
        path=path,
        parts=parts,
    )


def _responder(
    what: str,
    type_: str,
    *,
    options: ResponseOptions,
    accepts: Predicate | None,
    path: KeyPath,
    parts: Parts,
) -> Respond | None:
    """Return what makes the events of one type."""
    name, namespace = options.name or str(path[1]), parts.platform.namespace
    source = options.source_template()
    extensions = {**options.extensions, **parts.platform.extensions}
    try:
        fixed_type, fixed_source = (
            constant(text, name=name, namespace=namespace) for text in (type_, source)
        )
        known = fixed_type is not None and fixed_source is not None
        if known and accepts is not None:
            sample = {"id": "1", "type": str(fixed_type), "source": str(fixed_source)}
            if accepts(Event({"specversion": "1.0", **sample, **extensions})):
                parts.problem(
                    path,
                    f"the {what} would be taken for a request: the pipeline's own filter "
                    f"accepts type '{fixed_type}' from '{fixed_source}'",
                )
        return responder(
            type=compile_template(type_, name=name, namespace=namespace),
            source=compile_template(source, name=name, namespace=namespace),
            clock=parts.clock,
            specversion=None if options.specversion == "request" else options.specversion,
            extensions=extensions,
            correlate=options.correlate,
            accepts=None if known else accepts,
        )
    except ConfigError as error:
        parts.problem(path, str(error))
        return None
