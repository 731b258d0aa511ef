"""What may be configured of credentials, and what is refused; the contract has how it is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from bridge.config.options import HttpClientOptions
from bridge.core.errors import ConfigError
from bridge.models.rest import RestModel, RestModelOptions
from bridge.sinks.http import HttpSink, HttpSinkOptions
from bridge.transports.http import http_client
from bridge.transports.http.credentials import Credentials
from tests.fakes import FakeClock

CANARY = "canary-4711"


def credentials(**options: Any) -> Credentials:
    checked = HttpClientOptions.model_validate({"url": "http://far", **options})
    return Credentials(checked, urlsplit(checked.url), FakeClock())


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "secret").write_text(CANARY)
    return str(tmp_path / "secret")


def test_nothing_configured_costs_nothing() -> None:
    """No line, and no name to look for in each request."""
    none = credentials()

    assert (b"", frozenset(), None) == (none.lines(), none.names, none.host)


@pytest.mark.parametrize(
    "options",
    [
        {"token": CANARY, "token_file": "FILE"},
        {"token": CANARY, "headers": {"Authorization": CANARY}},
        {"token_file": "FILE", "header_files": {"AUTHORIZATION": "FILE"}},
        {"token": CANARY, "url": f"http://me:{CANARY}@far"},
        {"url": "http://me@far", "password_file": "FILE", "token_file": "FILE"},
        {"headers": {"X-Key": CANARY}, "header_files": {"x-key": "FILE"}},
        {"headers": {"X-Key": CANARY, "x-key": CANARY}},
    ],
)
def test_a_header_given_twice_is_refused(file: str, options: dict[str, Any]) -> None:
    """Which of them counts would be chance; both options are named."""
    with pytest.raises(ConfigError, match=r"header '[a-z-]+' is given by .+ and by .+") as caught:
        credentials(**_with(file, options))

    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"token": f"{CANARY}\r\nx: y"}, "token: expected one line of printable ASCII"),
        ({"token": f"{CANARY}\u00e9"}, "token: expected one line"),
        ({"token": " \n"}, "token: expected one line"),
        ({"headers": {"X": f"{CANARY}\nx: y"}}, "headers: header 'x': its value holds a control"),
        ({"headers": {"a b": CANARY}}, "headers: header name b'a b': expected a token"),
        ({"headers": {"Content-Length": "1"}}, "headers: .* belongs to the connection"),
        ({"header_files": {"a b": "FILE"}}, "header_files.a b '.*secret': header name b'a b'"),
        ({"header_files": {"Host": "FILE"}}, "header_files.Host: expected it in headers"),
        ({"header_files": {"X": "/nowhere"}}, "header_files.X '/nowhere': No such file"),
        ({"token_file": "/nowhere"}, "token_file '/nowhere': No such file"),
        ({"password_file": "FILE"}, "password_file: expected a user in url"),
        (
            {"url": f"http://me:{CANARY}@far", "password_file": "FILE"},
            "password_file: expected no password in url",
        ),
    ],
)
def test_what_cannot_be_sent_is_found_at_start(
    file: str, options: dict[str, Any], expected: str
) -> None:
    """The option is named, and what was expected, and never the value."""
    with pytest.raises(ConfigError, match=expected) as caught:
        credentials(**_with(file, options))

    assert CANARY not in str(caught.value)


def test_everything_wrong_is_told_at_once() -> None:
    """In one line."""
    with pytest.raises(ConfigError) as caught:
        credentials(token="a\nb", headers={"X": "a\nb"}, header_files={"Y": "/nowhere"})

    for option in ("headers: ", "token: ", "header_files.Y "):
        assert option in str(caught.value)


def test_surrounding_whitespace_of_a_token_is_no_part_of_it() -> None:
    """A variable that was read from a file often ends with a line's end."""
    assert b"authorization: Bearer x\r\n" == credentials(token="x\n").lines()


@pytest.mark.parametrize("name", ["Content-Type", "Seldon-Puid"])
@pytest.mark.parametrize("option", ["headers", "header_files"])
def test_a_header_that_is_the_protocols_own_is_refused(file: str, name: str, option: str) -> None:
    """It says what the payload is, or whose: no option can know that."""
    options = RestModelOptions.model_validate({"url": "http://far", option: {name: file}})

    with pytest.raises(ConfigError, match=f"{option}: '{name.lower()}' is the protocol's own"):
        RestModel(options)


@pytest.mark.parametrize("name", ["Content-Type", "ce-id"])
def test_a_header_file_that_is_the_events_own_is_refused(file: str, name: str) -> None:
    """As one in `headers`."""
    options = HttpSinkOptions.model_validate({"url": "http://far", "header_files": {name: file}})

    with pytest.raises(ConfigError, match=f"header_files: '{name.lower()}' is the event's own"):
        HttpSink(options)


def test_check_shows_that_a_credential_is_sent_and_not_which(file: str) -> None:
    """`check --connect` prints the request: a name is no secret."""
    options = {"url": f"http://me:{CANARY}@far", "headers": {"Host": "iris", "X-Key": CANARY}}

    described = RestModel(RestModelOptions.model_validate(options)).describe()

    assert "authorization: ***" in described
    assert "x-key: ***" in described
    assert "host: far" not in described
    assert CANARY not in described


def test_the_password_of_a_proxy_needs_a_user_and_a_proxy(file: str) -> None:
    """And stands in one place."""
    for proxy_url in (None, "http://proxy", f"http://me:{CANARY}@proxy"):
        options = {"url": "http://far", "proxy_url": proxy_url, "proxy_password_file": file}

        with pytest.raises(ConfigError, match=r"proxy_password_file.*: expected") as caught:
            http_client(HttpClientOptions.model_validate(options))

        assert CANARY not in str(caught.value)


def _with(file: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return *options* with the path of *file* where they say FILE."""

    def real(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: real(inner) for name, inner in value.items()}
        return file if value == "FILE" else value

    return {name: real(value) for name, value in options.items()}
