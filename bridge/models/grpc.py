"""A model behind gRPC: one message out, one message back, from whichever of its servers is free.

    Request ──transcoding──▶ protocol.call ──▶ a replica ──▶ transports.grpc ══▶ model server
       Body ◀──transcoding── protocol.answer ◀── message, or judge ◀── status ◀══

Nothing here is tried again: that is middleware. Metadata that a server answers with never
enters our world.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, Self

from bridge.config.problems import tried
from bridge.core.clock import Clock, SystemClock
from bridge.core.errors import (
    ConfigError,
    DeadlineExceeded,
    DecodeError,
    EventError,
    Rejected,
    Unavailable,
)
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.models.agreement import disagreements
from bridge.models.asking import AskingOptions
from bridge.models.grpc_servers import GrpcServer, GrpcServers, GrpcServersOptions
from bridge.models.replicas import Replicas
from bridge.models.transcoding import Transcoding
from bridge.protocols.port import Payload
from bridge.protocols.statuses import judged
from bridge.protocols.verdicts import forwarded, worded
from bridge.transports.grpc import GrpcStatus
from bridge.transports.grpc_metadata import ChannelMetadata, is_value
from bridge.transports.names import Lookup, lookup

if TYPE_CHECKING:
    from bridge.protocols.port import GrpcProtocol, Metadata


class GrpcModelOptions(GrpcServersOptions, AskingOptions):
    """A model server that is asked over gRPC."""

    type: Literal["grpc"] = "grpc"
    """The kind: a model behind gRPC."""
    protocol: Literal["seldon", "tensorflow", "oip"] = "seldon"
    """What the server speaks: Seldon v1, TensorFlow Serving, or the Open Inference Protocol \
(KServe V2)."""


class GrpcModel:
    """A model over gRPC. Safe to call concurrently."""

    Options = GrpcModelOptions

    def __init__(
        self, options: GrpcModelOptions, *, clock: Clock | None = None, lookup: Lookup = lookup
    ) -> None:
        """Raise ConfigError for a target, a key of metadata or a certificate that cannot work."""
        self._options = options
        self._clock = clock or SystemClock()
        self._protocol = _protocol(options)
        self._transcoding = Transcoding(options, self._protocol.form, wire=True)
        problems: list[str] = []
        metadata = tried(partial(ChannelMetadata, options, clock=self._clock), problems)
        servers = tried(
            partial(
                GrpcServers,
                options,
                called=self._called,
                probe=self._ping,
                clock=self._clock,
                lookup=lookup,
                grace_seconds=options.timeout_seconds,
            ),
            problems,
        )
        if metadata is None or servers is None:
            raise ConfigError("; ".join(dict.fromkeys(problems)))
        self._metadata, self._servers = metadata, servers
        self._id_key = self._protocol.id_key
        if self._id_key in metadata.names:
            raise ConfigError(f"headers: '{self._id_key}' is the protocol's own: expected another")

    async def __aenter__(self) -> Self:
        """Look the names up; connections are made when there is something to ask."""
        await self._servers.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close every connection; may be called twice."""
        await self._servers.__aexit__(*exc)

    async def predict(self, request: Request) -> Body:
        """Return the server's answer, in kind.

        Raise Rejected if the model refused the request or answered garbage, Unavailable if
        it could not be asked, DeadlineExceeded after `timeout_seconds` or at the request's
        own deadline; each names the model and the server. DecodeError where the payload is
        not in the form it should be in.
        """
        deadline = self._clock.monotonic() + self._options.timeout_seconds
        if request.deadline is not None and request.deadline < deadline:
            deadline = request.deadline
        payload = self._transcoding.request(request.payload)
        message, metadata = self._message(request, payload), self._beside(request)
        replicas = self._servers.replicas
        if not replicas.members:
            await self._servers.found(deadline)
        timeout = deadline - self._clock.monotonic()
        if timeout <= 0:
            raise DeadlineExceeded(f"{self._called} was not asked: the event's time is used up")
        patience = self._options.timeout_seconds / 2
        with replicas.one(patience_seconds=patience, until=request.deadline) as replica:
            server = replica.far_end
            answer = await self._call(server, message, metadata, timeout)
        if isinstance(answer, bytes):
            replicas.answered(replica)
            said = self._protocol.answer(answer, payload, server.who)
            return self._transcoding.answer(
                said, like=request.payload, id=request.id, who=server.who
            )
        refusal = self._protocol.judge(answer.code, answer.text, server.who)
        replicas.answered(replica, refusal if isinstance(refusal, Unavailable) else None)
        raise refusal from answer

    async def ping(self) -> None:
        """Return if one of the servers says that the model is ready, or answers at all."""
        await self._servers.found(self._clock.monotonic() + self._options.timeout_seconds)
        await self._servers.replicas.ping()

    async def metadata(self) -> Metadata | None:
        """Return what the model says of itself; None where its protocol has no such words.

        Raise Unavailable if it does not answer, Rejected if what it answers is none.
        """
        question = self._protocol.metadata()
        if question is None:
            return None
        await self._servers.found(self._clock.monotonic() + self._options.timeout_seconds)
        return await self._servers.replicas.first(partial(self._told, question))

    @property
    def protocol(self) -> GrpcProtocol:
        """What the servers speak."""
        return self._protocol

    @property
    def servers(self) -> Replicas[GrpcServer]:
        """The servers that are known now."""
        return self._servers.replicas

    @property
    def transcoding(self) -> Transcoding:
        """How payloads become requests of this model, and its answers payloads."""
        return self._transcoding

    async def disagreements(self) -> list[str]:
        """Return what the file says of the model's tensors that the model itself does not.

        A server without words for them, as pythie-serving, or whose class wrote none, as with
        Seldon, is no worse for it: `ping` says whether it answers.
        """
        try:
            told = await self.metadata()
        except Unavailable as error:
            code = getattr(error.__cause__, "code", None)
            if code == "UNIMPLEMENTED" or (code == "UNKNOWN" and self._protocol.form == "seldon"):
                return []
            raise
        return [] if told is None else disagreements(self._options, told)

    def describe(self) -> str:
        """Return the call that one event becomes, but for what may be a secret."""
        lines = [
            f"{self._protocol.method}",
            f":authority: {self._servers.authority(self._servers.targets[0])}",
            *(f"{name}: ***" for name in self._metadata.names),
        ]
        if self._id_key is not None:
            lines.append(f"{self._id_key}: <the event's puid>")
        said = f"as {self._options.protocol} says it"
        body = f"<the event's data, or what preprocess made of it, {said}>"
        also = [f"or to {one}, where fewer are under way" for one in self._servers.targets[1:]]
        return "\n".join((*lines, "", body, *also))

    def _message(self, request: Request, payload: Payload) -> bytes:
        """Return the message that asks *payload*; raise Rejected if it cannot be said."""
        try:
            return self._protocol.call(request, payload)
        except (DecodeError, UnicodeEncodeError) as error:  # half of a pair, which JSON can escape
            raise Rejected(f"{self._called} was not asked: {error}") from error

    def _beside(self, request: Request) -> list[tuple[str, str]]:
        """Return the metadata of a call."""
        beside = [*self._metadata.now()]
        if self._id_key is not None and is_value(request.id):
            beside.append((self._id_key, request.id))
        if request.headers:
            own = () if self._id_key is None else (self._id_key.encode(),)
            beside += self._metadata.beside(forwarded(request.headers, own))
        return beside

    async def _call(
        self,
        server: GrpcServer,
        message: bytes,
        metadata: Sequence[tuple[str, str]],
        timeout_seconds: float,
    ) -> bytes | GrpcStatus:
        """Return what *server* answers: a message, or the status by which it judges the request.

        Raise Unavailable where nobody answered.
        """
        try:
            return await server.channel.call(
                self._protocol.method, message, metadata, timeout_seconds=timeout_seconds
            )
        except GrpcStatus as status:
            if status.code != "UNAVAILABLE":
                return status
            self._servers.look()
            raise self._protocol.judge(status.code, status.text, server.who) from status
        except (Unavailable, EventError) as error:
            self._servers.look()
            raise type(error)(f"{server.who}: {error}") from error

    async def _ping(self, server: GrpcServer) -> None:
        """Return if *server* says that it is well; raise Unavailable if not."""
        question = self._protocol.probe()
        if question is None:
            return
        answer = await self._put(server, *question)
        if isinstance(answer, GrpcStatus):
            # pythie-serving answers, and knows no such question.
            if answer.code == "UNIMPLEMENTED" and self._options.protocol == "tensorflow":
                return
            refusal = judged(answer.code, answer.text, server.who, question[0])
            if isinstance(refusal, Unavailable):
                raise refusal from answer
            # Seldon's probe is the question for the metadata, which a model may not have; of
            # the others' no status but OK says that a model is well: MLServer tells UNKNOWN of
            # one that is not there.
            if self._options.protocol != "seldon":
                raise Unavailable(str(refusal)) from answer
            return
        try:
            well = self._protocol.is_well(answer)
        except Rejected as error:
            raise Unavailable(f"{server.who}: {error}") from error
        if not well:
            raise Unavailable(f"{server.who} answered that the model is not ready")

    async def _told(self, question: tuple[str, bytes], server: GrpcServer) -> Metadata:
        """Return what *server* tells of the model, asked *question*."""
        message = await self._put(server, *question)
        if isinstance(message, GrpcStatus):
            told = f"{message.code} to its metadata: {worded(message.text)}"
            raise Unavailable(f"{server.who} answered {told}") from message
        try:
            return self._protocol.read_metadata(message)
        except EventError as error:
            raise Rejected(f"{server.who} answered garbage to its metadata: {error}") from error

    async def _put(self, server: GrpcServer, method: str, message: bytes) -> bytes | GrpcStatus:
        """Return what *server* answers to a question of ours; raise Unavailable where nothing."""
        try:
            return await server.channel.call(
                method, message, self._metadata.now(), timeout_seconds=self._options.timeout_seconds
            )
        except GrpcStatus as status:
            return status
        except Unavailable as error:
            raise type(error)(f"{server.who}: {error}") from error

    @property
    def _called(self) -> str:
        return f"model {self._options.name!r}" if self._options.name else "model"


def _protocol(options: GrpcModelOptions) -> GrpcProtocol:
    """Return what the server speaks, imported now and not before.

    Raise ConfigError where the options are not those of the protocol, or gRPC is not there.
    """
    for name in ("google.protobuf", "grpc"):
        if not _is_installed(name):
            raise ConfigError(f"{name} is not installed: expected the extra inference-bridge[grpc]")
    asked, non_finite = options.asked(), options.non_finite
    if options.protocol == "oip":
        from bridge.protocols.oip_grpc import OipGrpc

        return OipGrpc(asked, non_finite=non_finite)
    if options.protocol == "tensorflow":
        from bridge.protocols.tensorflow_grpc import TensorflowGrpc

        return TensorflowGrpc(asked, non_finite=non_finite)
    from bridge.protocols.seldon_grpc import SeldonGrpc

    return SeldonGrpc(asked, non_finite=non_finite)


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # the package around it is not there either
        return False
