"""The keys of an issuer on a real socket: fetched seldom, shared, and kept while it is down."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.config.options import ClientTlsOptions
from bridge.core.errors import Unavailable
from bridge.sources.issuer import MAX_ABSENT, MAX_ANSWER_BYTES, MAX_WAITING, IssuerKeys
from bridge.sources.keys import Key
from tests.fakes import FakeClock
from tests.fakes_issuer import issuing, jwk, rsa_key
from tests.services.process import free_port


@asynccontextmanager
async def keys_of(url: str, **options: Any) -> AsyncIterator[tuple[IssuerKeys, FakeClock]]:
    """Yield the keys of the issuer at *url*, with a clock of ours."""
    clock = FakeClock()
    given = {
        "jwks_url": None,
        "tls": ClientTlsOptions(),
        "token_file": None,
        "algorithms": frozenset(["RS256"]),
        "max_keys": 8,
        "timeout_seconds": 5.0,
        "refresh_seconds": 10.0,
        "max_age_seconds": 600.0,
        **options,
    }
    async with IssuerKeys(url, clock=clock, **given) as keys:
        yield keys, clock


async def found(keys: IssuerKeys, kid: str | None = "first") -> str | None:
    """Return the name of the key, None for none, or how long to wait."""
    try:
        key: Key | None = await keys.find(kid, "RS256")
    except Unavailable as error:
        return f"in {error.retry_after_seconds:g} s"
    return None if key is None else key.kid


async def test_keys_are_where_the_issuer_says() -> None:
    """Discovery, then the keys; a second look costs nothing."""
    async with issuing() as issuer, keys_of(issuer.url) as (keys, _):
        names = [await found(keys) for _ in range(3)]

    assert ["first"] * 3 == names
    assert ["/.well-known/openid-configuration", "/keys"] == issuer.asked


async def test_keys_can_be_named_without_discovery() -> None:
    """With `jwks_url` the issuer's name is only compared."""
    async with (
        issuing() as issuer,
        keys_of("https://nobody.example", jwks_url=f"{issuer.url}/keys") as (keys, _),
    ):
        name = await found(keys)

    assert ("first", ["/keys"]) == (name, issuer.asked)


async def test_keys_under_their_own_media_type_are_asked_for() -> None:
    """Kubernetes serves `application/jwk-set+json` alone: 406 to whoever asks for JSON only."""
    async with issuing() as issuer, keys_of(issuer.url) as (keys, _):
        issuer.media_type = b"application/jwk-set+json"
        name = await found(keys)

    assert "first" == name


async def test_a_rotated_key_is_found() -> None:
    """A token of the new key makes us look, and both are good as long as both are there."""
    async with issuing() as issuer, keys_of(issuer.url) as (keys, clock):
        await found(keys)
        issuer.keys.append(jwk(rsa_key(1), kid="second"))
        clock.now += 10
        names = [await found(keys, kid) for kid in ("second", "first")]

    assert ["second", "first"] == names
    assert 2 == keys.changes


async def test_a_key_that_came_a_moment_ago_is_an_outage_and_no_refusal() -> None:
    """Within `refresh_seconds` nobody looks again: the event comes back, and then is good."""
    async with issuing() as issuer, keys_of(issuer.url) as (keys, clock):
        await found(keys)
        issuer.keys.append(jwk(rsa_key(1), kid="second"))
        clock.now += 3
        early = await found(keys, "second")
        clock.now += 7
        later = await found(keys, "second")

    assert ("in 7 s", "second") == (early, later)


async def test_a_flood_of_unknown_keys_is_one_fetch() -> None:
    """However many come, and one after the other: one look each `refresh_seconds`.

    As many as may wait are told that there is no such key, the others to come again.
    """
    async with issuing() as issuer, keys_of(issuer.url) as (keys, clock):
        await found(keys)
        clock.now += 10
        flood = await asyncio.gather(*[found(keys, f"unknown-{n}") for n in range(500)])
        again = [await found(keys, f"new-{n}") for n in range(500)]

    assert {None: MAX_WAITING, "in 1 s": 500 - MAX_WAITING} == Counter(flood)
    assert {"in 10 s"} == set(again)
    assert 2 == issuer.fetches
    assert len(keys._asked) <= MAX_ABSENT
    assert len(keys._absent) <= MAX_ABSENT


async def test_a_key_that_was_looked_for_and_not_there_is_refused() -> None:
    """The sender of an invented key is not told to come again for ever."""
    async with issuing() as issuer, keys_of(issuer.url) as (keys, clock):
        await found(keys)
        clock.now += 10
        told = [await found(keys, "invented")]
        clock.now += 5
        told.append(await found(keys, "invented"))

    assert [None, None] == told
    assert 2 == issuer.fetches


async def test_concurrent_requests_share_one_fetch() -> None:
    """All that may wait at start wait for the same answer; one that leaves takes nobody along."""
    async with issuing() as issuer:
        issuer.held.clear()
        async with keys_of(issuer.url) as (keys, _):
            waiting = [asyncio.create_task(found(keys)) for _ in range(MAX_WAITING)]
            await issuer.arrived.wait()
            waiting[0].cancel()
            issuer.held.set()
            names = await asyncio.gather(*waiting, return_exceptions=True)

    assert isinstance(names[0], asyncio.CancelledError)
    assert ["first"] * (MAX_WAITING - 1) == names[1:]
    assert 1 == issuer.fetches


async def test_an_issuer_that_is_down_at_start_is_an_outage_until_it_is_up() -> None:
    """A warning at start, 503 to each event, and no flood of attempts; then all is well."""
    port = free_port()
    with capture_logs() as logs:
        async with keys_of(f"http://127.0.0.1:{port}") as (keys, clock):
            down = [await found(keys) for _ in range(3)]
            async with issuing(port=port):
                still = await found(keys)
                clock.now += 10
                up = await found(keys)

    warned = [entry for entry in logs if entry["event"] == "keys of the issuer not fetched"]
    assert ["in 10 s", "in 10 s", "in 10 s", "in 10 s", "first"] == [*down, still, up]
    assert ["warning"] == [entry["log_level"] for entry in warned]


async def test_keys_stay_good_while_the_issuer_is_down() -> None:
    """Old keys are asked for again, and used for as long as that fails; new ones are an outage."""
    async with issuing() as issuer, keys_of(issuer.url) as (keys, clock):
        await found(keys)
        issuer.status = 500
        clock.now += 601
        known = await found(keys)
        unknown = await found(keys, "second")
        clock.now += 1000
        later = await found(keys)

    assert ("first", "in 10 s", "first") == (known, unknown, later)


async def test_old_keys_are_used_while_new_ones_are_fetched() -> None:
    """No event waits for a refresh; a key that was withdrawn is gone after it."""
    async with issuing() as issuer, keys_of(issuer.url) as (keys, clock):
        await found(keys)
        issuer.keys[:] = [jwk(rsa_key(1), kid="second")]
        issuer.held.clear()
        clock.now += 601
        meanwhile = await found(keys)
        issuer.held.set()
        after = [await found(keys, "second"), await found(keys)]

    assert "first" == meanwhile
    assert "second" == after[0]
    assert after[1] != "first"


async def test_keys_are_fetched_again_also_where_nobody_sends() -> None:
    """After a quiet night the first token is not checked with the keys of yesterday."""
    async with issuing() as issuer, keys_of(issuer.url) as (keys, clock):
        await found(keys)
        issuer.keys[:] = [jwk(rsa_key(1), kid="second")]
        clock.now += 601
        await keys.ping()
        await found(keys, "second")
        withdrawn = await found(keys)

    assert withdrawn != "first"
    assert 2 == issuer.fetches


@pytest.mark.parametrize(
    ("says", "text"),
    [
        ({"issuer": "http://127.0.0.1:1"}, "not that of issuer"),
        ({"jwks_uri": "http://"}, "expected http:// or https://"),
        ({"jwks_uri": None}, "no jwks_uri"),
        ({"padding": "x" * MAX_ANSWER_BYTES}, "bytes"),
    ],
)
async def test_a_discovery_document_that_is_none_is_an_outage(
    says: dict[str, Any], text: str
) -> None:
    """Whatever an issuer says, nobody gets in by it and the log says what was wrong."""
    async with issuing() as issuer:
        issuer.says = says
        with capture_logs() as logs:
            async with keys_of(issuer.url) as (keys, _):
                told = await found(keys)

    assert "in 10 s" == told
    assert text in next(entry["error"] for entry in logs if "error" in entry)


async def test_a_redirect_is_not_followed() -> None:
    """The keys are where the file says, or where discovery does, and nowhere else."""
    async with issuing() as issuer:
        issuer.status = 302
        with capture_logs() as logs:
            async with keys_of(issuer.url) as (keys, _):
                told = await found(keys)

    assert "in 10 s" == told
    assert "answered 302" in next(entry["error"] for entry in logs if "error" in entry)


async def test_a_slow_issuer_is_an_outage() -> None:
    """Nobody waits longer than `timeout_seconds`."""
    async with issuing() as issuer:
        issuer.held.clear()
        async with keys_of(issuer.url, timeout_seconds=0.05) as (keys, _):
            told = await found(keys)
        issuer.held.set()

    assert "in 10 s" == told


async def test_our_token_is_shown_to_the_issuer_and_to_nobody_else(tmp_path: Path) -> None:
    """Where discovery leads to another origin, the token stays at home."""
    file = tmp_path / "token"
    file.write_text("token-of-our-own")
    async with issuing() as issuer, issuing() as elsewhere:
        issuer.says = {"jwks_uri": f"{elsewhere.url}/keys"}
        async with keys_of(issuer.url, token_file=str(file)) as (keys, _):
            name = await found(keys)
        issuer.says = {}
        async with keys_of(issuer.url, token_file=str(file)) as (keys, _):
            await found(keys)

    assert "first" == name
    assert [b"Bearer token-of-our-own"] * 3 == issuer.shown
    assert [None] == elsewhere.shown


async def test_leaving_ends_a_fetch_under_way() -> None:
    """No task and no connection stays behind, and leaving twice is allowed."""
    async with issuing() as issuer:
        issuer.held.clear()
        async with keys_of(issuer.url) as (keys, _):
            await issuer.arrived.wait()
        await keys.__aexit__(None, None, None)
        issuer.held.set()

    assert 0 == issuer.fetches


async def test_a_ping_asks_whether_the_issuer_is_there() -> None:
    """And names it where it is not."""
    async with issuing() as issuer, keys_of(issuer.url) as (keys, _):
        await keys.ping()

    async with keys_of(issuer.url) as (keys, _):
        with pytest.raises(Unavailable, match=issuer.url):
            await keys.ping()
