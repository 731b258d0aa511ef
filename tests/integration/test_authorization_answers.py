"""Who may send, on real sockets: what a sender without a good token is answered, by each source."""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
import structlog
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from bridge import Event
from bridge.core.clock import SystemClock
from bridge.core.errors import Rejected, Unavailable
from bridge.observe import log as logs
from bridge.observe.complaints import Complaints
from bridge.observe.ledger import Ledger
from bridge.observe.metrics import registry
from bridge.sources.http import MAX_ERROR_BYTES, HttpSource, HttpSourceOptions
from bridge.sources.issuer import MAX_WAITING
from bridge.sources.seldon import SeldonSource, SeldonSourceOptions
from tests.fakes_http import SECONDS
from tests.fakes_issuer import AUDIENCE, Issuer, claims, issuing, jwk, rsa_key, signed
from tests.fakes_seldon import Exchange, ask

CANARY = "canary-7c1b-of-the-tests"
EVENT = (
    "Ce-Specversion: 1.0",
    "Ce-Source: tests",
    "Ce-Type: t",
    "Ce-Id: 1",
    "Content-Type: application/json",
)
DATA = b'{"strData":"x"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of source: how it is made, where events are sent, where no token is asked for."""

    make: Callable[..., Any]
    path: str
    pages: tuple[str, ...]


def http_source(ledger: Ledger, **options: Any) -> HttpSource:
    return HttpSource(
        HttpSourceOptions.model_validate({"host": "127.0.0.1", "port": 0, **options}),
        deliveries=ledger.source("tested"),
        replies=lambda event: False,
        knows=lambda path: path != "/unknown",
        ready=lambda: True,
        complaints=Complaints(SystemClock(), source="tested"),
    )


def seldon_source(ledger: Ledger, **options: Any) -> SeldonSource:
    return SeldonSource(
        SeldonSourceOptions.model_validate({"host": "127.0.0.1", "port": 0, **options}),
        name="iris",
        deliveries=ledger.source("tested"),
        ready=lambda: True,
        chance=Random(7),
        complaints=Complaints(SystemClock(), source="tested"),
    )


KINDS = {
    "http": Kind(make=http_source, path="/", pages=("/healthz", "/readyz")),
    "seldon": Kind(
        make=seldon_source,
        path="/predict",
        pages=("/healthz", "/readyz", "/live", "/ready", "/health/ping", "/health/status"),
    ),
}


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of source."""
    return KINDS[request.param]


class Guarded:
    """A source that runs and remembers the events it took."""

    def __init__(self, kind: Kind, source: Any, ledger: Ledger) -> None:
        self.kind = kind
        self.source = source
        self.ledger = ledger
        self.events: list[Event] = []

    async def handle(self, event: Event) -> Event | None:
        self.events.append(event)
        return None

    async def send(self, *headers: str, query: str = "", data: bytes = DATA) -> Exchange:
        """Deliver an event with *headers* and *query*."""
        return await self.ask(f"POST {self.kind.path}{query}", data, (*EVENT, *headers))

    async def ask(self, line: str, body: bytes = b"", headers: tuple[str, ...] = ()) -> Exchange:
        async with asyncio.timeout(SECONDS):
            return await ask(self.source.port, line, body, headers)

    @property
    def turned_away(self) -> dict[int, int]:
        return self.ledger.source("tested").turned_away


@asynccontextmanager
async def guarded(kind: Kind, **options: Any) -> AsyncIterator[Guarded]:
    """Run a source of *kind* with *options*."""
    ledger, stop = Ledger(), asyncio.Event()
    source = kind.make(ledger, **options)
    made = Guarded(kind, source, ledger)
    async with source, asyncio.TaskGroup() as group:
        group.create_task(source.run(made.handle, stop))
        await asyncio.sleep(0)
        try:
            yield made
        finally:
            stop.set()
    assert ledger.balanced()


def oidc(issuer: Issuer, **options: Any) -> dict[str, Any]:
    """Return the section for *issuer*."""
    return {"oidc": {"issuer": issuer.url, "audience": AUDIENCE, **options}}


def token_of(issuer: Issuer, **changes: Any) -> bytes:
    """Return a token that is good now, with *changes*."""
    return signed(claims(issuer.url, time.time(), **changes))


async def test_without_auth_nobody_is_asked(kind: Kind) -> None:
    """Whoever reaches the port may send; a token that comes along changes nothing."""
    async with guarded(kind) as made:
        told = [(await made.send()).status, (await made.send("Authorization: Basic x")).status]

    assert [202, 202] == told


async def test_a_good_token_lets_an_event_in(kind: Kind) -> None:
    """In the header or in the query; the event knows nothing of it."""
    async with guarded(kind, auth={"tokens": [CANARY]}) as made:
        by_header = await made.send(f"Authorization: Bearer {CANARY}")
        by_query = await made.send(query=f"?access_token={CANARY}")

    assert [202, 202] == [by_header.status, by_query.status]
    assert [None, "private"] == [
        answer.headers.get("cache-control") for answer in (by_header, by_query)
    ]
    assert 2 == len(made.events)
    assert CANARY.encode() not in b"".join(
        name + value for event in made.events for name, value in event.origin.headers
    )


@pytest.mark.parametrize(
    ("headers", "query", "status", "challenge"),
    [
        ((), "", 401, 'Bearer realm="events"'),
        (("Authorization: Basic dTpw",), "", 401, 'Bearer realm="events"'),
        (("Authorization: Bearer wrong",), "", 401, 'Bearer realm="events", error="invalid_token"'),
        ((), "?access_token=wrong", 401, 'Bearer realm="events", error="invalid_token"'),
        (
            (f"Authorization: Bearer {CANARY}",),
            f"?access_token={CANARY}",
            400,
            'Bearer realm="events", error="invalid_request"',
        ),
        (
            (f"Authorization: Bearer {CANARY}", f"Authorization: Bearer {CANARY}"),
            "",
            400,
            'Bearer realm="events", error="invalid_request"',
        ),
    ],
)
async def test_without_a_good_token_the_event_is_not_looked_at(
    kind: Kind, headers: tuple[str, ...], query: str, status: int, challenge: str
) -> None:
    """4xx and a challenge, before the body is decoded: counted, and no delivery."""
    async with guarded(kind, auth={"tokens": [CANARY]}) as made:
        answer = await made.send(*headers, query=query, data=b"{no json")

    assert (status, challenge) == (answer.status, answer.headers["www-authenticate"])
    assert len(answer.body) <= MAX_ERROR_BYTES
    assert CANARY.encode() not in answer.body
    assert [] == made.events
    assert {status: 1} == made.turned_away
    assert 0 == made.ledger.source("tested").taken_total


async def test_the_connection_of_a_refused_sender_stays_of_use(kind: Kind) -> None:
    """A 401 is an answer like any other: the next request on the connection is taken."""
    async with guarded(kind, auth={"tokens": [CANARY]}) as made:
        reader, writer = await asyncio.open_connection("127.0.0.1", made.source.port)
        statuses = []
        for token in ("wrong", CANARY):
            head = f"POST {kind.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            lines = "".join(f"{line}\r\n" for line in EVENT)
            writer.write(f"{head}{lines}Content-Length: {len(DATA)}\r\n\r\n".encode() + DATA)
            async with asyncio.timeout(SECONDS):
                answered = await reader.readuntil(b"\r\n\r\n")
            length = int(answered.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            statuses.append(answered.split()[1])
        writer.close()
        await writer.wait_closed()

    assert [b"401", b"202"] == statuses


async def test_probes_and_options_need_no_token(kind: Kind) -> None:
    """A kubelet has none, and the handshake is no authorization."""
    async with guarded(kind, auth={"tokens": [CANARY]}) as made:
        pages = [(await made.ask(f"GET {page}")).status for page in kind.pages]
        options = await made.ask(f"OPTIONS {kind.path}")

    assert {200} == set(pages)
    assert 200 == options.status
    assert {} == made.turned_away


async def test_every_way_to_ask_for_a_prediction_needs_a_token() -> None:
    """Each path and the GET with the payload in the query."""
    async with guarded(KINDS["seldon"], auth={"tokens": [CANARY]}) as made:
        lines = [
            "POST /predict",
            "POST /api/v1.0/predictions",
            "POST /api/v0.1/predictions",
            "GET /predict?json={}",
        ]
        without = [(await made.ask(line)).status for line in lines]
        with_one = await made.ask(f"GET /predict?json={{}}&access_token={CANARY}")

    assert [401] * 4 == without
    assert 202 == with_one.status
    assert b"{}" == made.events[0].data


async def test_paths_are_not_told_to_strangers() -> None:
    """Whether a pipeline listens on a path is said only to who may send."""
    async with guarded(KINDS["http"], auth={"tokens": [CANARY]}) as made:
        stranger = await made.ask("POST /unknown")
        known = await made.ask("POST /unknown", headers=(f"Authorization: Bearer {CANARY}",))

    assert [401, 404] == [stranger.status, known.status]


async def test_a_signed_token_lets_an_event_in(kind: Kind) -> None:
    """Discovery, keys, signature, claims: the whole way to the handler."""
    async with issuing() as issuer, guarded(kind, auth=oidc(issuer)) as made:
        good = token_of(issuer).decode()
        told = [await made.send(f"Authorization: Bearer {good}") for _ in range(3)]
        bad = await made.send(f"Authorization: Bearer {token_of(issuer, aud='x').decode()}")

    assert [202, 202, 202] == [answer.status for answer in told]
    assert (401, 1) == (bad.status, issuer.fetches)
    assert 3 == len(made.events)


async def test_a_subject_that_may_not_send_is_403(kind: Kind) -> None:
    """As Knative answers a sender that no EventPolicy allows: not sent again."""
    async with (
        issuing() as issuer,
        guarded(kind, auth=oidc(issuer, subjects=["system:serviceaccount:ours:*"])) as made,
    ):
        other = await made.send(f"Authorization: Bearer {token_of(issuer).decode()}")
        ours = token_of(issuer, sub="system:serviceaccount:ours:broker").decode()
        own = await made.send(f"Authorization: Bearer {ours}")

    assert (403, 202) == (other.status, own.status)
    assert 'error="insufficient_scope"' in other.headers["www-authenticate"]
    assert {403: 1} == made.turned_away


async def test_an_issuer_that_is_down_costs_no_event(kind: Kind) -> None:
    """503 and Retry-After until the keys are there; garbage is still 401, without asking."""
    async with issuing() as issuer:
        issuer.status = 500
        async with guarded(kind, auth=oidc(issuer, refresh_seconds=0.05)) as made:
            good = f"Authorization: Bearer {token_of(issuer).decode()}"
            down = await made.send(good)
            garbage = await made.send("Authorization: Bearer a.b.c")
            issuer.status = 200
            async with asyncio.timeout(SECONDS):
                while (up := await made.send(good)).status == 503:
                    pass

    assert (503, 401, 202) == (down.status, garbage.status, up.status)
    assert int(down.headers["retry-after"]) >= 1
    assert made.turned_away[503] >= 1
    assert 1 == len(made.events)


async def test_a_flood_of_unknown_keys_is_one_look_at_the_issuer(kind: Kind) -> None:
    """Two hundred tokens of invented keys, at once: one fetch, and a good token is good."""
    async with (
        issuing() as issuer,
        guarded(kind, auth=oidc(issuer, refresh_seconds=3600)) as made,
    ):
        said = claims(issuer.url, time.time())
        flood = [signed(said, rsa_key(1), kid=f"invented-{n}").decode() for n in range(200)]
        answers = await asyncio.gather(*[made.send(f"Authorization: Bearer {t}") for t in flood])
        good = await made.send(f"Authorization: Bearer {token_of(issuer).decode()}")

    assert {answer.status for answer in answers} <= {401, 503}
    assert (1, 202) == (issuer.fetches, good.status)


async def test_strangers_do_not_pile_up_while_the_issuer_is_slow(kind: Kind) -> None:
    """Of many large requests with invented keys some wait; the rest is told to come again.

    Each that waits is held whole. Who is known already does not wait, and is let in.
    """
    async with issuing() as issuer, guarded(kind, auth=oidc(issuer, refresh_seconds=0.01)) as made:
        known = f"Authorization: Bearer {token_of(issuer).decode()}"
        await made.send(known)
        issuer.held.clear()
        issuer.arrived.clear()
        said = claims(issuer.url, time.time())
        tokens = [signed(said, rsa_key(1), kid=f"invented-{n}").decode() for n in range(50)]
        flood = [asyncio.create_task(made.send(f"Authorization: Bearer {t}")) for t in tokens]
        await issuer.arrived.wait()
        async with asyncio.timeout(SECONDS):
            while sum(task.done() for task in flood) < len(flood) - MAX_WAITING:
                await asyncio.wait(
                    [task for task in flood if not task.done()],
                    return_when=asyncio.FIRST_COMPLETED,
                )
        told = [task.result() for task in flood if task.done()]
        meanwhile = await made.send(known)
        issuer.held.set()
        waited = await asyncio.gather(*flood)

    assert [503] * (50 - MAX_WAITING) == [answer.status for answer in told]
    assert {"1"} == {answer.headers["retry-after"] for answer in told}
    assert 202 == meanwhile.status
    assert MAX_WAITING == [answer.status for answer in waited].count(401)


async def test_a_token_file_rotates_while_the_source_runs(kind: Kind, tmp_path: Path) -> None:
    """Without a restart the new token is good and the old one is not."""
    file = tmp_path / "token"
    file.write_text(CANARY)
    async with guarded(kind, auth={"token_files": [str(file)]}) as made:
        before = await made.send(f"Authorization: Bearer {CANARY}")
        file.write_text("another-token-of-the-tests")
        async with asyncio.timeout(SECONDS):
            while (
                after := await made.send("Authorization: Bearer another-token-of-the-tests")
            ).status == 401:
                pass
        old = await made.send(f"Authorization: Bearer {CANARY}")

    assert (202, 202, 401) == (before.status, after.status, old.status)


async def test_a_ping_asks_the_issuer(kind: Kind) -> None:
    """The issuer is the far end of a source that has one."""
    async with issuing() as issuer, guarded(kind, auth=oidc(issuer)) as made:
        await made.source.ping()

    async with guarded(kind, auth=oidc(issuer)) as made:
        with pytest.raises(Unavailable, match=issuer.url):
            await made.source.ping()

    async with guarded(kind) as made:
        await made.source.ping()


async def test_the_log_says_which_check_failed_and_the_sender_is_not_told(kind: Kind) -> None:
    """One is for the operator, the other may be an attacker."""
    async with issuing() as issuer, guarded(kind, auth=oidc(issuer)) as made:
        with capture_logs() as told:
            bad = token_of(issuer, aud="somebody-else").decode()
            answer = await made.send(f"Authorization: Bearer {bad}")

    (line,) = [entry for entry in told if entry.get("reason") == "http_401"]
    assert "aud 'somebody-else': expected 'bridge'" == line["error"]
    assert b"aud" not in answer.body


@pytest.mark.parametrize("level", ["debug", "info"])
async def test_no_token_is_ever_shown(kind: Kind, level: Any) -> None:
    """Good, bad or twice: not in the log at any level, an answer, a repr or the metrics."""
    written, root = io.StringIO(), logging.getLogger()
    handlers, threshold = list(root.handlers), root.level
    logs.configure(level, "json", written)
    try:
        async with issuing() as issuer:
            good, bad = token_of(issuer).decode(), token_of(issuer, aud="x").decode()
            spoken = []
            for auth in ({"tokens": [CANARY]}, oidc(issuer)):
                async with guarded(kind, auth=auth) as made:
                    for token in (CANARY, good, bad, CANARY + CANARY):
                        spoken += [
                            await made.send(f"Authorization: Bearer {token}"),
                            await made.send(query=f"?access_token={token}"),
                            await made.send(
                                f"Authorization: Bearer {token}", query=f"?access_token={token}"
                            ),
                        ]
                    shown = [
                        repr(made.source),
                        repr(vars(made.source)),
                        repr(made.source.Options.model_validate({"auth": auth})),
                        repr(made.events),
                        generate_latest(registry(made.ledger)).decode(),
                    ]
    finally:
        root.handlers[:] = handlers
        root.setLevel(threshold)
        structlog.reset_defaults()

    text = "".join([written.getvalue(), *shown, *map(str, spoken)])
    assert {202, 400, 401} == {answer.status for answer in spoken}
    assert "refused" in written.getvalue()
    assert [] == [token for token in (CANARY, good, bad) if token in text]
    assert [] == [token for token in (good, bad) if token.split(".")[2] in text]


async def test_a_refusal_of_a_seldon_source_is_in_the_log() -> None:
    """A body too large, a path, no payload: an operator sees why callers fail."""
    async with guarded(KINDS["seldon"], max_body_bytes=10) as made:
        with capture_logs() as told:
            await made.send(data=b"x" * 11)
            await made.ask("POST /predict")

    assert ["http_413", "decode"] == [entry["reason"] for entry in told if "reason" in entry]


async def test_a_model_that_refuses_is_no_matter_of_the_door(kind: Kind) -> None:
    """What becomes of an event that was let in is told as without a door."""
    async with guarded(kind, auth={"tokens": [CANARY]}) as made:

        async def refuse(event: Event) -> Event | None:
            raise Rejected("the model said no")

        made.source._listener._handle = refuse
        answer = await made.send(f"Authorization: Bearer {CANARY}")

    assert answer.status in (422, 500)
    assert 1 == made.ledger.source("tested").refused_total


async def test_keys_rotate_while_the_source_runs(kind: Kind) -> None:
    """A token of the new key is good as soon as the issuer has published it."""
    async with (
        issuing() as issuer,
        guarded(kind, auth=oidc(issuer, refresh_seconds=0.01)) as made,
    ):
        first = await made.send(f"Authorization: Bearer {token_of(issuer).decode()}")
        issuer.keys[:] = [jwk(rsa_key(1), kid="second")]
        rotated = signed(claims(issuer.url, time.time()), rsa_key(1), kid="second").decode()
        async with asyncio.timeout(SECONDS):
            while (second := await made.send(f"Authorization: Bearer {rotated}")).status == 503:
                pass
        old = await made.send(f"Authorization: Bearer {token_of(issuer).decode()}")

    assert (202, 202) == (first.status, second.status)
    assert old.status in (401, 503)


@pytest.mark.parametrize(
    ("path", "method", "allow"),
    [
        ("/", "GET", "POST, OPTIONS"),
        ("/healthz", "PUT", "GET, HEAD, POST, OPTIONS"),
        ("/readyz", "DELETE", "GET, HEAD, POST, OPTIONS"),
        ("/unknown", "PUT", "POST, OPTIONS"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(path: str, method: str, allow: str) -> None:
    """RFC 9110, 15.5.6: those that work there, GET for the probes among them."""
    async with guarded(KINDS["http"]) as made:
        answer = await made.ask(f"{method} {path}")

    assert (405, allow) == (answer.status, answer.headers["allow"])


async def test_a_probe_that_no_pipeline_listens_on_takes_no_post() -> None:
    """With a path of its own, a pipeline leaves the probes' paths alone."""
    ledger = Ledger()
    source = HttpSource(
        HttpSourceOptions.model_validate({"host": "127.0.0.1", "port": 0}),
        deliveries=ledger.source("tested"),
        replies=lambda event: False,
        knows=lambda path: path == "/events",
        ready=lambda: True,
    )
    async with source:
        answer = await ask(source.port, "PUT /healthz", b"", ())

    assert "GET, HEAD, OPTIONS" == answer.headers["allow"]


WEBHOOK = {"allowed_origins": ["events.example.com"], "allowed_rate": 100}


async def test_the_handshake_permits_whom_the_file_names() -> None:
    """Origin and rate in the headers of a 200, and POST in Allow (webhook specification, 4.2)."""
    async with guarded(KINDS["http"], webhook=WEBHOOK) as made:
        headers = ("WebHook-Request-Origin: Events.Example.com", "WebHook-Request-Rate: 120")
        answer = await made.ask("OPTIONS /hook", headers=headers)

    assert 200 == answer.status
    assert "Events.Example.com" == answer.headers["webhook-allowed-origin"]
    assert "100" == answer.headers["webhook-allowed-rate"]
    assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("path", "origin", "webhook"),
    [
        ("/", "evil.example", WEBHOOK),
        ("/unknown", "events.example.com", WEBHOOK),
        ("/", "events.example.com", None),
    ],
)
async def test_the_handshake_without_consent(path: str, origin: str, webhook: Any) -> None:
    """Another origin, a path that nobody listens on, or no `webhook`: no permission."""
    async with guarded(KINDS["http"], webhook=webhook) as made:
        headers = (f"WebHook-Request-Origin: {origin}", "WebHook-Request-Rate: 1")
        answer = await made.ask(f"OPTIONS {path}", headers=headers)

    assert [] == [name for name in answer.headers if name.startswith("webhook-")]
    assert "allow" in answer.headers


async def test_a_callback_is_never_called() -> None:
    """`WebHook-Request-Callback` is an address that a stranger chooses."""
    async with issuing() as target, guarded(KINDS["http"], webhook=WEBHOOK) as made:
        headers = (
            "WebHook-Request-Origin: events.example.com",
            f"WebHook-Request-Callback: {target.url}/confirm",
        )
        await made.ask("OPTIONS /", headers=headers)
        await made.send(*headers)

    assert [] == target.asked
