"""A client's channel of gRPC to one address: calls of bytes, under a deadline.

    call(method, message) ──▶ grpc.aio ══▶ server
            bytes, or GrpcStatus ◀── a message, or a status ◀══

A channel has one address, so that its owner knows which server failed. It never tries again,
heeds no proxy of the environment, and gives up a connection that is silent for
`keepalive_seconds` and then `keepalive_timeout_seconds`: the calls on it fail as UNAVAILABLE.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bridge.config.grpc import GrpcClientOptions
from bridge.config.options import ClientTlsOptions
from bridge.config.watched import mark
from bridge.core.clock import Clock
from bridge.core.errors import BridgeError, ConfigError, DeadlineExceeded, Rejected, Unavailable
from bridge.transports.grpc_metadata import Metadata
from bridge.transports.http.tls import client_context, tell_of_certificates
from bridge.transports.names import Target

if TYPE_CHECKING:
    import grpc.aio

#: Longest pause before a connection that failed is tried again, in seconds.
MAX_RECONNECT_SECONDS: Final = 5.0

#: Longest metadata of an answer. A status's text is among them, which may quote what was asked;
#: gRPC's own limit of 8 to 16 KB would make an outage of a refusal in many words.
MAX_METADATA_BYTES: Final = 1024 * 1024


class GrpcStatus(BridgeError):
    """A call that ended with the status *code*, as `UNAVAILABLE`; *text* is its message."""

    reason = "status"

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class GrpcChannel:
    """A channel to one *address*. Built within a running loop; connects when it is called.

    *authority*: what the server is called there, host and port. *credentials*: those of
    `ChannelTls`, None for a connection in the clear.
    """

    def __init__(
        self,
        address: Target,
        options: GrpcClientOptions,
        *,
        authority: str,
        credentials: grpc.ChannelCredentials | None,
    ) -> None:
        grpc = _grpc()
        self._max_bytes = options.max_message_bytes
        arguments = _arguments(options, authority)
        target = f"{'ipv6' if ':' in address.host else 'ipv4'}:{address}"
        if credentials is None:
            self._channel = grpc.aio.insecure_channel(target, options=arguments)
        else:
            self._channel = grpc.aio.secure_channel(target, credentials, options=arguments)
        self._methods: dict[str, Any] = {}
        self._error, self._misused = grpc.aio.AioRpcError, grpc.aio.UsageError

    async def call(
        self, method: str, message: bytes, metadata: Metadata, *, timeout_seconds: float
    ) -> bytes:
        """Return the message that answers *message*.

        Raise GrpcStatus for any other end of the call, DeadlineExceeded after
        *timeout_seconds*, Rejected for a message larger than may be sent. Cancelled, the call
        is cancelled at the server as well.
        """
        if len(message) > self._max_bytes:
            raise Rejected(
                f"a request of {len(message)} bytes: expected {self._max_bytes} at most "
                "(max_message_bytes)"
            )
        ask = self._methods.get(method)
        if ask is None:
            ask = self._methods[method] = self._channel.unary_unary(method, None, None)
        try:
            answer: bytes | None = await ask(message, timeout=timeout_seconds, metadata=metadata)
        except self._error as error:
            code, text = error.code().name, error.details() or ""
            if code == "DEADLINE_EXCEEDED":
                raise DeadlineExceeded(f"no answer within {timeout_seconds:.3g} s") from error
            raise GrpcStatus(code, text) from error
        except self._misused as error:  # it was closed between the choice of it and the call
            raise Unavailable("the channel was closed") from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody gave this call up: its channel was closed.
            raise Unavailable("the channel was closed") from error
        if answer is None:
            raise GrpcStatus("INTERNAL", "OK, and no message")
        return answer

    async def close(self, grace_seconds: float | None = None) -> None:
        """Close the channel; calls under way have *grace_seconds* to end. May be called twice."""
        await self._channel.close(grace_seconds)


class ChannelTls:
    """What channels of *options* prove themselves with, made anew when its files change.

    Raise ConfigError naming every file that is missing or is not what it should be.
    """

    def __init__(self, options: ClientTlsOptions, *, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._seen = self._marks()
        self._credentials = self._made(tell=False)

    @property
    def credentials(self) -> grpc.ChannelCredentials:
        """Those of the files as they were last read."""
        return self._credentials

    def tell(self) -> None:
        """Warn in the log of certificates that end soon."""
        tell_of_certificates(client_context(self._options, clock=self._clock))

    def changed(self) -> bool:
        """Whether the files have changed, and could be read again.

        Raise ConfigError, once for each change, where they could not: the old ones stay.
        """
        marks = self._marks()
        if marks == self._seen:
            return False
        self._seen = marks
        self._credentials = self._made(tell=True)
        return True

    def _made(self, *, tell: bool) -> grpc.ChannelCredentials:
        # The same files as for HTTP, so that what is wrong with them is told in the same words.
        context = client_context(self._options, clock=self._clock)
        if tell:
            tell_of_certificates(context)
        options = self._options
        chain = key = None
        try:
            if options.cert_file is not None:
                chain = Path(options.cert_file).read_bytes()
                key = chain if options.key_file is None else Path(options.key_file).read_bytes()
            roots = _roots(options)
        except OSError as error:
            raise ConfigError(f"tls: {error.filename}: {error.strerror}") from error
        credentials: grpc.ChannelCredentials = _grpc().ssl_channel_credentials(roots, key, chain)
        return credentials

    def _marks(self) -> list[object]:
        options = self._options
        files = [
            Path(file) for file in (options.ca_file, options.cert_file, options.key_file) if file
        ]
        if options.ca_folder is not None:
            files += _files(options.ca_folder)
        return [(file, mark(file)) for file in files]


def _grpc() -> Any:
    """Return the package grpc, which tells of less on standard error than it would.

    A connection that a server closes is told of in its own form there, between our log's lines.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    import grpc.aio

    return grpc


def _arguments(options: GrpcClientOptions, authority: str) -> list[tuple[str, Any]]:
    """Return the channel's arguments (grpc/impl/channel_arg_names.h)."""
    timeout = _milliseconds(options.keepalive_timeout_seconds)
    arguments: list[tuple[str, Any]] = [
        ("grpc.default_authority", authority),
        ("grpc.max_send_message_length", options.max_message_bytes),
        ("grpc.max_receive_message_length", options.max_message_bytes),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.enable_retries", 0),  # trying again is middleware's
        ("grpc.enable_http_proxy", 0),
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.use_local_subchannel_pool", 1),  # closed with the channel, not shared with others
        ("grpc.keepalive_time_ms", _milliseconds(options.keepalive_seconds)),
        ("grpc.keepalive_timeout_ms", timeout),
        # A ping waits behind one that is not answered, for a minute by default.
        ("grpc.http2.ping_timeout_ms", timeout),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.min_reconnect_backoff_ms", _milliseconds(options.connect_timeout_seconds)),
        ("grpc.max_reconnect_backoff_ms", _milliseconds(MAX_RECONNECT_SECONDS)),
    ]
    if options.tls is not None:
        host = authority.rpartition(":")[0].strip("[]")
        arguments.append(("grpc.ssl_target_name_override", host))
    return arguments


def _milliseconds(seconds: float) -> int:
    return min(int(seconds * 1000) or 1, (1 << 31) - 1)


def _roots(options: ClientTlsOptions) -> bytes:
    """Return the PEM certificates to trust: ca_file's, or the system's with those beside them."""
    if options.ca_file is not None:
        found = [Path(options.ca_file).read_bytes()]
    else:
        found = [path.read_bytes() for path in _system()]
    if options.ca_certs is not None:
        found.append(options.ca_certs.encode())
    for path in _files(options.ca_folder) if options.ca_folder is not None else ():
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
        except (OSError, ValueError):
            continue  # no certificates: told of by the context of HTTP
        found.append(path.read_bytes())
    if not found:
        raise ConfigError("tls: the system has no certificates to trust: expected ca_file")
    return b"\n".join(found)


def _system() -> list[Path]:
    """Return the files of certificates that the system trusts."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile is not None:
        return [Path(paths.cafile)]
    if paths.capath is None:
        return []
    bundle = Path(paths.capath, "ca-certificates.crt")  # all of the folder's in one
    return [bundle] if bundle.is_file() else sorted({p.resolve() for p in _files(paths.capath)})


def _files(folder: str) -> list[Path]:
    return [
        Path(path, name)
        for path, folders, names in os.walk(folder, followlinks=True)
        for name in sorted(names)
        if not any(part.startswith("..") for part in (name, Path(path).name))
    ]
