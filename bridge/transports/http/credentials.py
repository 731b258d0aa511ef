"""Who we are, as header lines: a token, a password, and whatever else every request carries.

    headers, header_files, token, token_file, the user in url ──▶ lines, proven, as bytes
                                                  a file changes ─▶ made anew

What is configured stands: a request's own header of the same name is left out, so nothing
that came with an event can take the place of a credential.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from urllib.parse import SplitResult, unquote, urlsplit

from bridge.config.options import HttpClientOptions
from bridge.config.watched import WatchedFile, secret
from bridge.core.clock import Clock
from bridge.core.errors import ConfigError
from bridge.transports.http.writing import check_headers

Header = tuple[bytes, bytes]

AUTHORIZATION = b"authorization"

_NAME = itemgetter(0)


class Credentials:
    """The headers that *options* add to every request; *url* is theirs, taken apart.

    *names* are theirs, in lower case. *host* stands for the Host of the URL, None leaves that.
    Raise ConfigError for what cannot be sent, what is given twice, and files that cannot be
    used: all of it at once, and never a value.
    """

    def __init__(self, options: HttpClientOptions, url: SplitResult, clock: Clock) -> None:
        self._fixed: list[Header] = []
        self._watched: list[tuple[bytes, WatchedFile[bytes]]] = []
        given: dict[bytes, str] = {}
        problems: list[str] = []
        for one in _given(options, url):
            try:
                if one.name in given:
                    raise ConfigError(
                        f"header '{one.name.decode()}' is given by {given[one.name]} and by "
                        f"{one.option}: expected one of them"
                    )
                given[one.name] = one.option
                self._take(one, clock)
            except ConfigError as error:
                problems.append(str(error))
        if problems:
            raise ConfigError("; ".join(problems))
        self.names = frozenset(given)
        self.host = dict(self._fixed).get(b"host")
        self._values = [file.value() for _, file in self._watched]
        self._render()

    def lines(self) -> bytes:
        """Return the header lines of now, but for Host, each ended by CR LF. Never raises."""
        if self._watched:
            values = [file.value() for _, file in self._watched]
            if values != self._values:
                self._values = values
                self._render()
        return self._lines

    def headers(self) -> Sequence[Header]:
        """Return the headers of now, Host among them. Never raises."""
        self.lines()
        return self._headers

    def others(self, headers: Sequence[Header]) -> Sequence[Header]:
        """Return those of *headers* that stand beside the configured ones."""
        if self.names.isdisjoint(map(_NAME, headers)):
            return headers
        return [header for header in headers if header[0] not in self.names]

    def _take(self, one: _Given, clock: Clock) -> None:
        if one.problem:
            raise ConfigError(f"{one.option}: {one.problem}")
        if one.file is not None:
            check = _checked(one.name, one.form)
            file = WatchedFile(one.file, check, option=one.option, clock=clock)
            self._watched.append((one.name, file))
            return
        try:
            check_headers([(one.name, one.value)])
        except ValueError as error:
            raise ConfigError(f"{one.option}: {error}") from error
        self._fixed.append((one.name, one.value))

    def _render(self) -> None:
        names = [name for name, _ in self._watched]
        self._headers = [*self._fixed, *zip(names, self._values, strict=True)]
        self._lines = b"".join(
            [b"%b: %b\r\n" % header for header in self._headers if header[0] != b"host"]
        )


def sent_names(options: HttpClientOptions) -> list[bytes]:
    """Return the names of the headers that *options* add to every request, in lower case."""
    return [one.name for one in _given(options, urlsplit(options.url))]


def check_not_own(options: HttpClientOptions, is_own: Callable[[bytes], bool], whose: str) -> None:
    """Raise ConfigError for a configured header that a request itself has: *whose* it is."""
    for option in ("headers", "header_files"):
        for name in getattr(options, option):
            if is_own(name.lower().encode()):
                text = f"'{name.lower()}' is {whose} own: expected another header"
                raise ConfigError(f"{option}: {text}")


def _basic(user: str, password: str) -> bytes:
    """Return Basic credentials (RFC 7617), as UTF-8."""
    return b"Basic " + b64encode(f"{user}:{password}".encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """One header as an option gives it: its *value*, or the *file* and the *form* of its text.

    *problem*: why it cannot be, where the options alone say so.
    """

    name: bytes
    option: str
    value: bytes = b""
    file: str | None = None
    form: Callable[[str], bytes] = str.encode
    problem: str = ""


def _given(options: HttpClientOptions, url: SplitResult) -> Iterator[_Given]:
    for name, value in options.headers.items():
        sent = value.get_secret_value().encode()
        yield _Given(name=name.lower().encode(), option="headers", value=sent)
    for name, file in options.header_files.items():
        # A Host says where to: no secret, and nothing that changes while we run.
        problem = "expected it in headers" if name.lower() == "host" else ""
        option = f"header_files.{name}"
        yield _Given(name=name.lower().encode(), option=option, file=file, problem=problem)
    if options.token is not None:
        yield _token(options.token.get_secret_value())
    if options.token_file is not None:
        file = options.token_file
        yield _Given(name=AUTHORIZATION, option="token_file", file=file, form=_bearer)
    if url.username is not None:
        yield _user(unquote(url.username), url.password, options.password_file)
    elif options.password_file is not None:
        problem = "expected a user in url, as http://user@host"
        yield _Given(name=AUTHORIZATION, option="password_file", problem=problem)


def _token(token: str) -> _Given:
    try:
        return _Given(name=AUTHORIZATION, option="token", value=_bearer(secret(token.encode())))
    except ValueError as error:
        return _Given(name=AUTHORIZATION, option="token", problem=str(error))


def _user(user: str, password: str | None, file: str | None) -> _Given:
    if file is None:
        value = _basic(user, unquote(password or ""))
        return _Given(name=AUTHORIZATION, option="the user in url", value=value)
    return _Given(
        name=AUTHORIZATION,
        option="password_file",
        file=file,
        form=lambda held: _basic(user, held),
        problem="" if password is None else "expected no password in url beside it",
    )


def _bearer(token: str) -> bytes:
    return b"Bearer " + token.encode()


def _checked(name: bytes, form: Callable[[str], bytes]) -> Callable[[bytes], bytes]:
    """Return what makes the value of the header *name* of a file's content."""

    def parse(content: bytes) -> bytes:
        value = form(secret(content))
        check_headers([(name, value)])
        return value

    return parse
