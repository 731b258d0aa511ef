"""The transformer: a user's class, in whichever of three forms it was written.

    type: module:Class ──load──▶ class ──which form?──┬─ own     preprocess(payload, ctx)
                                                      ├─ KServe  preprocess(inputs, headers)
                                                      └─ Seldon  transform_input(X, names)

The form is recognised once, when the file is loaded; per event there is one call and no
question. A step that the class does not have is absent: the pipeline skips it, and the
payload stays the bytes it was.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Self

from pydantic import Field

from bridge.config.options import Options
from bridge.core.errors import ConfigError, EventError, Unavailable
from bridge.core.payload import Body
from bridge.core.ports import Context
from bridge.core.usercode import UserCode, load_class
from bridge.transformers import kserve, own, seldon
from bridge.transformers.spelling import check_spelling


class TransformerOptions(Options):
    """What happens to a payload before and after the model."""

    type: str
    """The class, `module:Class` or `path/file.py:Class`, from the folder of this file first."""
    options: Annotated[dict[str, Any], Field(default_factory=dict, repr=False)]
    """What its constructor is called with, by name."""
    threads: Annotated[int, Field(ge=1)] = 1
    """Threads that its plain methods run on; more than one needs a class that is safe for it."""


class UserTransformer:
    """A user's class behind the port `Transformer`.

    Building imports the file and checks the class, its constructor and its methods; raise
    ConfigError for whatever is wrong. Entering makes the instance and calls its `load`.
    *folder* is the YAML file's; *name* the pipeline's, for a KServe class that is not given
    one.
    """

    Options = TransformerOptions

    def __init__(
        self, options: TransformerOptions, *, folder: Path, name: str = "transformer"
    ) -> None:
        arguments = kserve.arguments(options.options, name)
        cls = load_class(options.type, folder, arguments=arguments)
        check_spelling(cls)
        form = _form(cls, options.type)
        parameters = options.options
        if form is kserve:
            parameters = kserve.parameters(cls, options.options, name)
        self._code = UserCode(cls, parameters, threads=options.threads)
        self._preprocess, self._postprocess = form.steps(self._code)

    @property
    def has_preprocess(self) -> bool:
        """Whether there is anything to do before the model."""
        return self._preprocess is not None

    @property
    def has_postprocess(self) -> bool:
        """Whether there is anything to do after the model."""
        return self._postprocess is not None

    async def __aenter__(self) -> Self:
        """Make the instance and let it load; raise ConfigError or Unavailable if it cannot."""
        await self._code.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Let the instance close. May be called twice."""
        await self._code.__aexit__(*exc)

    async def ping(self) -> None:
        """Return if the class's own `ping` does, or if it has none; else raise Unavailable."""
        if not self._code.has("ping"):
            return
        try:
            await self._code.call("ping")
        except EventError as error:
            raise Unavailable(str(error)) from error

    async def preprocess(self, payload: Body, ctx: Context) -> Body | None:
        """Return what the model gets, or None: as the port says."""
        step = self._preprocess
        return payload if step is None else await step(payload, ctx)

    async def postprocess(self, payload: Body, ctx: Context) -> Body | None:
        """Return what the response event carries, or None: as the port says."""
        step = self._postprocess
        return payload if step is None else await step(payload, ctx)


def _form(cls: type, reference: str) -> ModuleType:
    """Return the module of the form that *cls* is written in."""
    if kserve.recognises(cls):
        return kserve
    forms = [form for form in (own, seldon) if form.recognises(cls)]
    if len(forms) == 1:
        return forms[0]
    found = "methods of both kinds" if forms else "neither"
    raise ConfigError(
        f"type '{reference}': {cls.__name__} has {found}: expected "
        "preprocess(self, payload, ctx) or postprocess(self, payload, ctx), "
        "or Seldon's transform_input(self, X, names) or transform_output(self, X, names)"
    )
