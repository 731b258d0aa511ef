"""TLS of both ends: always verified, never below 1.2, and its files read again when they change.

    handshake ─▶ looked a moment ago, or the same files still? ─▶ the context known
               └▶ made anew ─▶ the new one, or, where the files cannot be used, the old one

Each handshake is handed to the context of the moment, a whole one made of the files as they
are: OpenSSL can add an authority to a context, but never takes one away. Connections that
are open stay as they are.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from bridge.config.options import ClientTlsOptions, ServerTlsOptions
from bridge.config.watched import LOOK_SECONDS, MAX_FILE_BYTES, mark
from bridge.core.clock import Clock, SystemClock, rfc3339
from bridge.core.errors import ConfigError
from bridge.transports.http.validity import ends

#: How long before its end a certificate is warned of, and how often.
WARN_SECONDS: Final = 7 * 24 * 3600
WARN_AGAIN_SECONDS: Final = 24 * 3600

#: Files of a folder of authorities that are read, at most.
MAX_FOLDER_FILES: Final = 1000

log = structlog.get_logger()


def client_context(options: ClientTlsOptions, *, clock: Clock | None = None) -> ssl.SSLContext:
    """Return what a client needs to verify a far end, and to prove itself if it must.

    Raise ConfigError naming every file or option that is missing or is not what it should be.
    """
    if options.key_file is not None and options.cert_file is None:
        raise ConfigError("tls: key_file without cert_file: expected both, or neither")
    files = (options.ca_file, options.cert_file, options.key_file)
    return _Context(
        ssl.PROTOCOL_TLS_CLIENT,
        lambda: _client(options),
        [Path(file) for file in files if file is not None],
        None if options.ca_folder is None else Path(options.ca_folder),
        clock or SystemClock(),
    )


def server_context(options: ServerTlsOptions, *, clock: Clock | None = None) -> ssl.SSLContext:
    """Return what a listener needs to prove itself, and to verify callers if it must.

    Raise ConfigError naming every file that is missing or is not what it should be.
    """
    files = (options.cert_file, options.key_file, options.client_ca_file)
    return _Context(
        ssl.PROTOCOL_TLS_SERVER,
        lambda: _server(options),
        [Path(file) for file in files if file is not None],
        None,
        clock or SystemClock(),
    )


def tell_of_certificates(context: ssl.SSLContext | None) -> None:
    """Warn in the log of what is wrong with the certificates of *context*, though it works.

    They have ended, or end within WARN_SECONDS, or a file of a folder holds none. For the
    one who begins to use it: when it is made the log may not be there yet.
    """
    if isinstance(context, _Context):
        context.tell()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What was made of the files: *ends* says when each file's certificates end."""

    context: ssl.SSLContext
    ends: Mapping[str, int]
    passed_over: Sequence[str] = ()


class _Context(ssl.SSLContext):
    """Hands each handshake to what *make* made of the files as they are.

    asyncio, uvloop and aiohttp all begin a handshake, of either side, with `wrap_bio`. Used
    in any other way it knows no authority and no certificate, and so trusts nobody.
    """

    def __init__(
        self,
        protocol: int,  # noqa: ARG002  # SSLContext takes it in __new__
        make: Callable[[], _Made],
        files: Sequence[Path],
        folder: Path | None,
        clock: Clock,
    ) -> None:
        self.minimum_version = ssl.TLSVersion.TLSv1_2
        self._make = make
        self._files = files
        self._folder = folder
        self._clock = clock
        self._look_at = clock.monotonic() + LOOK_SECONDS
        self._tell_at = clock.monotonic() + WARN_AGAIN_SECONDS
        self._seen = self._marks()
        self._made = make()

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin a handshake with the newest files that can be used."""
        now = self._clock.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self._look()
            if now >= self._tell_at:
                self.tell()
        context = self._made.context
        return context.wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def tell(self) -> None:
        """Warn of certificates that end soon, and of files that hold none."""
        self._tell_at = self._clock.monotonic() + WARN_AGAIN_SECONDS
        now = self._clock.now_ns() // 1_000_000_000
        for file, end in self._made.ends.items():
            if end - now < WARN_SECONDS:
                text = "certificate has expired" if end <= now else "certificate expires soon"
                log.warning(text, file=file, expires=rfc3339(end * 1_000_000_000))
        for file in self._made.passed_over:
            log.warning("no certificates in the file: passed over", file=file)

    def _look(self) -> None:
        marks = self._marks()
        if marks == self._seen:
            return
        self._seen = marks
        try:
            self._made = self._make()
        except ConfigError as error:
            log.warning("certificates not read again: going on with the old", error=str(error))
            return
        log.info("certificates read again", files=[str(file) for file, _ in marks])
        self.tell()

    def _marks(self) -> Sequence[tuple[Path, object]]:
        files = [*self._files, *(_below(self._folder) if self._folder is not None else ())]
        return [(file, mark(file)) for file in files]


@dataclass(slots=True)
class _Reading:
    """Files on their way into a context; what is wrong with them is told all at once."""

    ends: dict[str, int] = field(default_factory=dict)
    passed_over: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def verifier(self, ca_file: str | None) -> ssl.SSLContext:
        """Return a client's context that trusts *ca_file*, or the system's authorities."""
        try:
            context = ssl.create_default_context(cafile=ca_file)
            if ca_file is not None:
                self._last_end(ca_file)
        except (OSError, ValueError) as error:
            self._unusable("ca_file", str(ca_file), "PEM certificates", error)
            return ssl.create_default_context()
        return context

    def authorities(self, context: ssl.SSLContext, option: str, file: str) -> None:
        """Have *context* trust the certificates of *file*."""
        try:
            context.load_verify_locations(cafile=file)
            self._last_end(file)
        except (OSError, ValueError) as error:
            self._unusable(option, file, "PEM certificates", error)

    def folder(self, context: ssl.SSLContext, folder: str) -> None:
        """Have *context* trust the certificates of every file below *folder* that has some."""
        if not Path(folder).is_dir():
            self.problems.append(f"ca_folder '{folder}': expected a folder")
        for file in _below(Path(folder)):
            try:
                context.load_verify_locations(cafile=file)
            except (OSError, ValueError):
                self.passed_over.append(str(file))

    def chain(self, context: ssl.SSLContext, cert_file: str, key_file: str | None) -> None:
        """Have *context* prove itself with *cert_file*; its first link to end counts."""
        # An encrypted key must be an error here and not a question on somebody's terminal.
        try:
            context.load_cert_chain(cert_file, key_file, password=lambda: b"")
            self.ends[cert_file] = min(_ends(cert_file))
        except (OSError, ValueError) as error:
            files = cert_file if key_file is None else f"{cert_file}' with key_file '{key_file}"
            expected = "a PEM certificate chain and its unencrypted key"
            self._unusable("cert_file", files, expected, error)

    def made(self, context: ssl.SSLContext) -> _Made:
        """Return *context*, finished; raise ConfigError if anything was wrong."""
        if self.problems:
            raise ConfigError(f"tls: {'; '.join(self.problems)}")
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        return _Made(context=context, ends=self.ends, passed_over=self.passed_over)

    def _last_end(self, file: str) -> None:
        """Note when the last authority of *file* ends: until then it is of use."""
        found = _ends(file)
        if found:
            self.ends[file] = max(found)

    def _unusable(self, option: str, file: str, expected: str, error: Exception) -> None:
        if isinstance(error, ssl.SSLError) or not isinstance(error, OSError):
            cause = getattr(error, "reason", None) or str(error) or "unreadable"
        else:
            cause = error.strerror or str(error)
        self.problems.append(f"{option} '{file}': {cause}; expected {expected}")


def _client(options: ClientTlsOptions) -> _Made:
    reading = _Reading()
    context = reading.verifier(options.ca_file)
    if options.ca_certs is not None:
        try:
            context.load_verify_locations(cadata=options.ca_certs)
        except (OSError, ValueError):
            reading.problems.append("ca_certs: expected PEM certificates")
    if options.ca_folder is not None:
        reading.folder(context, options.ca_folder)
    if options.cert_file is not None:
        reading.chain(context, options.cert_file, options.key_file)
    return reading.made(context)


def _server(options: ServerTlsOptions) -> _Made:
    reading = _Reading()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    reading.chain(context, options.cert_file, options.key_file)
    if options.client_ca_file is not None:
        reading.authorities(context, "client_ca_file", options.client_ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    return reading.made(context)


def _ends(file: str) -> list[int]:
    with Path(file).open("rb") as opened:
        return ends(opened.read(MAX_FILE_BYTES))


def _below(folder: Path) -> list[Path]:
    """Return the files below *folder*, without the `..data` by which Kubernetes swaps them."""
    found: list[Path] = []
    for path, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith(".."))
        found += [Path(path, name) for name in sorted(files) if not name.startswith("..")]
        if len(found) >= MAX_FOLDER_FILES:
            break
    return found[:MAX_FOLDER_FILES]
