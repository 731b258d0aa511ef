"""What every model behind a server may be told: which model it is, and how payloads say tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from bridge.config.options import Options, Seconds
from bridge.protocols.port import Asked, FormName, NonFinite

#: The datatypes of tensors, as the Open Inference Protocol calls them.
Datatype = Literal[
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP16",
    "BF16",
    "FP32",
    "FP64",
    "BYTES",
]


class TensorOptions(Options):
    """Where one tensor comes from, and what it becomes."""

    from_: str | None = Field(default=None, alias="from")
    """Name of the tensor that it is made of, or of a column of the only one; by default its own \
name, or the only tensor there is."""
    datatype: Datatype | None = None
    """Datatype that its values are made; by default they stay what they are."""
    shape: Annotated[list[Annotated[int, Field(ge=-1)]], Field(min_length=1)] | None = None
    """Shape that its values are given; one of its numbers may be -1."""


class AskingOptions(Options):
    """Which model is asked, and in which words."""

    name: str | None = None
    """The model's name, for protocols that have it in the request, and in errors."""
    version: str | None = None
    """Version of the model to ask; by default the server chooses."""
    label: str | None = None
    """Label of the version to ask (TensorFlow Serving), instead of `version`."""
    signature: str | None = None
    """Which of the model's functions to ask (TensorFlow Serving); by default the server's."""
    form: FormName | None = None
    """Form in which events and transformers write payloads, and answers are wanted; by default \
the protocol's own, and then nobody rewrites them."""
    inputs: Mapping[str, TensorOptions] = {}
    """What the model is given, by its own names; by default every tensor as it is called."""
    outputs: Mapping[str, TensorOptions] = {}
    """What the answer holds, by the names it has there; by default every tensor of the model's."""
    non_finite: NonFinite = "null"
    """What NaN and the infinities become in an answer's JSON, which has no form for them: null, \
their names as text, or the event is refused."""
    timeout_seconds: Seconds = 30.0
    """Longest wait for an answer, a free connection included."""

    @field_validator("non_finite", mode="before")
    @classmethod
    def _is_called_null(cls, value: object) -> object:
        """YAML reads an unquoted `null` as nothing, and here it is a word."""
        return "null" if value is None else value

    @model_validator(mode="after")
    def _one_version(self) -> Self:
        if self.version is not None and self.label is not None:
            raise ValueError("version and label: expected one of them")
        return self

    def asked(self) -> Asked:
        """Return which model is asked."""
        return Asked(
            name=self.name, version=self.version, label=self.label, signature=self.signature
        )


__all__ = ["AskingOptions", "Datatype", "FormName", "TensorOptions"]
