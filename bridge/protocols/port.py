"""The ports of a protocol: how bodies say tensors, what to send, how to judge what comes back.

    Request ──call──▶ headers, body ──(models/rest.py, transports)──▶ status, headers, body
    Request ──call──▶ one message   ──(models/grpc.py)──────────────▶ one message, or a status
                                             Payload, Rejected or Unavailable ◀──judge──┘

A payload is a Body in the protocol's own form, which goes over the wire as it came, or
Tensors, where the payload was written in another form or the wire has no JSON.

A protocol is pure: given bytes, it returns values. It knows no connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from bridge.core.errors import Rejected, Unavailable
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.core.tensors import Tensors

#: Header lines, names in lower case.
Headers = Sequence[tuple[bytes, bytes]]

#: A payload on its way to a model, or back: bytes in the protocol's own form, or tensors.
Payload = Body | Tensors

#: The forms that a payload can be written in, all of them JSON.
FormName = Literal["seldon", "tensorflow", "kserve", "oip"]

#: What NaN and the infinities become in JSON, which has no form for them: null, their names
#: as text ("NaN", "Infinity", "-Infinity"), or a refusal.
NonFinite = Literal["null", "text", "refuse"]

#: What a tensor is called that its form gives no name, in a request and in an answer.
UNNAMED_INPUT, UNNAMED_OUTPUT = "input", "output"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which model of a server is asked.

    *name*: its name, *version* or *label* (TensorFlow Serving) which of it, *signature* which
    of its functions (TensorFlow Serving); None leaves the choice to the server.
    """

    name: str | None = None
    version: str | None = None
    label: str | None = None
    signature: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a model says of one of its tensors; -1 in *shape* is any count, None is not told."""

    name: str
    datatype: str | None = None
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a model says of itself."""

    name: str
    versions: tuple[str, ...] = ()
    platform: str = ""
    inputs: tuple[Spec, ...] = ()
    outputs: tuple[Spec, ...] = ()


class Form(Protocol):
    """How the bodies of one protocol say tensors, in JSON.

    Reading raises DecodeError, naming the member and what was expected; writing raises
    Rejected where the form has no room for a tensor (its datatype, their number).
    """

    def read_request(self, body: Body) -> Tensors:
        """Return the tensors that a model is asked with."""
        ...

    def write_request(self, tensors: Tensors, *, id: str) -> Body:
        """Return the body that asks with *tensors*; *id* is the puid."""
        ...

    def read_answer(self, body: Body) -> Tensors:
        """Return the tensors of a model's answer."""
        ...

    def write_answer(self, tensors: Tensors, *, like: Body, id: str) -> Body:
        """Return the body that answers *like*, a request of this form, in kind.

        Rows are answered with rows and an `ndarray` with an `ndarray`; what else *like* says
        that an answer repeats (an id, tags) is repeated.
        """
        ...


class RestProtocol(Protocol):
    """What one family of model servers speaks over HTTP; built for one model of theirs.

    *form*: that of its bodies.
    """

    form: FormName

    def path(self) -> str:
        """Return where the model answers, below the server's base URL."""
        ...

    def probe_path(self) -> str:
        """Return where the server says that it, and where it can the model, is well."""
        ...

    def metadata_path(self) -> str | None:
        """Return where the model tells of its tensors; None: nowhere."""
        ...

    def read_metadata(self, body: bytes) -> Metadata:
        """Return what the model tells there; raise DecodeError if it is none."""
        ...

    def call(self, request: Request, payload: Payload) -> tuple[Headers, bytes]:
        """Return the headers and the body that ask *payload*.

        Raise Rejected if it cannot be said in this protocol. `request.payload` is what came.
        """
        ...

    def judge(self, status: int, headers: Headers, body: bytes, who: str) -> Payload:
        """Return the answer: a Body in the own form, its bytes unchanged, or Tensors.

        Raise Rejected if the model judged the request or answered garbage, Unavailable if
        the request is worth another try. The texts begin with *who*.
        """
        ...


class GrpcProtocol(Protocol):
    """What one family of model servers speaks over gRPC; built for one model of theirs.

    *form*: that of the JSON bodies which it can say without tensors as well. Methods are full
    names, `/package.Service/Method`. *id_key*: the key of
    metadata that carries the puid, if one does.
    """

    form: FormName
    method: str
    id_key: str | None

    def call(self, request: Request, payload: Payload) -> bytes:
        """Return the message that asks *payload*; raise Rejected if it cannot be said."""
        ...

    def answer(self, message: bytes, payload: Payload, who: str) -> Payload:
        """Return what *message* answers to *payload*.

        A Body in the own form where *payload* was one and the answer is told best so, else
        Tensors. Raise Rejected for garbage, or for a failure that the message tells of.
        """
        ...

    def judge(self, code: str, text: str, who: str) -> Rejected | Unavailable:
        """Return what the gRPC status *code* (as `UNAVAILABLE`) with *text* means."""
        ...

    def probe(self) -> tuple[str, bytes] | None:
        """Return method and message of the protocol's own health check; None: it has none."""
        ...

    def is_well(self, message: bytes) -> bool:
        """Whether the answer to the probe says that the model is ready."""
        ...

    def metadata(self) -> tuple[str, bytes] | None:
        """Return method and message that ask what the model takes; None: it has none."""
        ...

    def read_metadata(self, message: bytes) -> Metadata:
        """Return what the model tells there."""
        ...


def header(headers: Headers, name: bytes) -> bytes | None:
    """Return the first header called *name* (lower case), or None."""
    for known, value in headers:
        if known == name:
            return value
    return None
