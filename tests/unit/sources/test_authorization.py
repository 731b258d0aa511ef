"""Fixed tokens: which are good, when they change, and that nobody ever sees one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.core.errors import ConfigError
from bridge.sources.authorization import AuthOptions, Authorization
from bridge.sources.bearer import Denied
from bridge.transports.http import HttpRequest
from tests.fakes import FakeClock

CANARY = "canary-4f2a-of-the-tests"
OTHER = "another-token-of-the-tests"
OIDC = {"issuer": "https://issuer.example", "audience": "bridge"}


def request(token: str) -> HttpRequest:
    """Return a delivery that brings *token*."""
    headers = ((b"authorization", f"Bearer {token}".encode()), (b"ce-id", b"1"))
    return HttpRequest("POST", "/", "/", "", headers, b"{}")


def door(clock: FakeClock | None = None, **options: Any) -> Authorization:
    """Return the door of a listener."""
    return Authorization(AuthOptions.model_validate(options), clock=clock or FakeClock())


async def admitted(one: Authorization, token: str) -> bool:
    """Return whether *token* is good."""
    try:
        seen, _ = await one.admit(request(token))
    except Denied as denied:
        assert denied.status == 401  # noqa: PT017  # the other half of the answer
        return False
    return seen.headers == ((b"ce-id", b"1"),)


@pytest.mark.parametrize("token", [CANARY, OTHER])
async def test_each_of_the_tokens_is_good(token: str) -> None:
    """Two, so that one can be replaced while the other is in use."""
    assert await admitted(door(tokens=[CANARY, OTHER]), token)


@pytest.mark.parametrize(
    "token", [CANARY[:-1], CANARY + "x", CANARY.upper(), "x", "é" * 20, "a.b.c", OTHER]
)
async def test_anything_else_is_not(token: str) -> None:
    """To the letter, whatever its length."""
    assert not await admitted(door(tokens=[CANARY]), token)


async def test_tokens_rotate_with_their_files(tmp_path: Path) -> None:
    """Old and new are good while both files have them; then only what they hold now."""
    clock, first, second = FakeClock(), tmp_path / "first", tmp_path / "second"
    first.write_text(f"{CANARY}\n")
    second.write_text(OTHER)
    one = door(clock, token_files=[str(first), str(second)])

    before = [await admitted(one, token) for token in (CANARY, OTHER, "new-token-of-the-tests")]
    first.write_text("new-token-of-the-tests")
    clock.now += 2
    after = [await admitted(one, token) for token in (CANARY, OTHER, "new-token-of-the-tests")]

    assert [True, True, False] == before
    assert [False, True, True] == after


@pytest.mark.parametrize("content", ["", "short", "two words of the tests", "é" * 20])
def test_a_file_without_a_token_is_a_mistake_of_the_file(tmp_path: Path, content: str) -> None:
    """At start: option and file, and nothing of the content."""
    file = tmp_path / "token"
    file.write_text(content)

    with pytest.raises(ConfigError, match=r"token_files '.*token'") as caught:
        door(token_files=[str(file)])
    assert not content or content not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"tokens": []},
        {"tokens": [""]},
        {"tokens": ["too-short"]},
        {"tokens": [f"{CANARY} {CANARY}"]},
        {"tokens": [CANARY, "é" * 20]},
        {"tokens": [CANARY], "oidc": OIDC},
        {"token_files": ["/token"], "oidc": OIDC},
        {"tokens": [CANARY], "issuer": "https://issuer.example"},
    ],
)
def test_a_door_without_a_lock_is_no_configuration(wrong: dict[str, Any]) -> None:
    """Exactly one form, no empty token, none that could be guessed; the text shows none."""
    with pytest.raises(ValidationError) as caught:
        AuthOptions.model_validate(wrong)

    assert CANARY not in str(caught.value)


def test_no_token_is_shown() -> None:
    """Neither options nor the door print one."""
    options = AuthOptions.model_validate({"tokens": [CANARY]})
    one = Authorization(options, clock=FakeClock())

    shown = f"{options} {options!r} {one!r} {vars(one)} {options.model_dump_json()}"

    assert CANARY not in shown
