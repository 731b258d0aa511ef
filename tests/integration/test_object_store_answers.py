"""The object store against stores that fail: slow, cut off, lying, endless, or none at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.config.objects import ObjectStoreOptions
from bridge.config.options import ServerTlsOptions
from bridge.core.errors import BridgeError, ConfigError, DeadlineExceeded, Rejected, Unavailable
from bridge.transports.http import HttpRequest, HttpResponse
from bridge.transports.http.tls import server_context
from bridge.transports.objects import BucketMissing, ObjectRef, ObjectStore
from bridge.transports.objects.calls import THREAD_BYTES
from bridge.transports.objects.store import MAX_EMPTY_PAGES
from tests.fakes_http import FarEnd, far_end, serving
from tests.fakes_tls import Authority, trusted
from tests.services.process import free_port

REF = ObjectRef(bucket="mnist", key="dir/0.png")

ETAG = (b"etag", b'"7"')

MIB = 1024 * 1024

#: What goes with every request, or must not go anywhere.
SECRETS = {"access_key": "access-7", "secret_key": "secret-7", "session_token": "token-7"}


class Told:
    """A store that answers as *answer* says, and remembers what it was asked."""

    def __init__(self, answer: Callable[[HttpRequest], HttpResponse]) -> None:
        self._answer = answer
        self.asked: list[HttpRequest] = []

    async def answer(self, request: HttpRequest) -> HttpResponse:
        self.asked.append(request)
        return self._answer(request)

    @property
    def ranges(self) -> list[bytes | None]:
        return [request.header(b"range") for request in self.asked]


@asynccontextmanager
async def asking(url: str, **more: Any) -> AsyncIterator[ObjectStore]:
    """Enter a store at *url*."""
    options = ObjectStoreOptions.model_validate({"url": url, **SECRETS, **more})
    async with ObjectStore(options) as store:
        yield store


@asynccontextmanager
async def telling(
    answer: Callable[[HttpRequest], HttpResponse], **more: Any
) -> AsyncIterator[tuple[ObjectStore, Told]]:
    """Enter a store whose far end answers as *answer* says."""
    told = Told(answer)
    async with (
        serving(told.answer) as server,
        asking(f"http://127.0.0.1:{server.port}", **more) as s,
    ):
        yield s, told


def holding(data: bytes, *headers: tuple[bytes, bytes]) -> Callable[[HttpRequest], HttpResponse]:
    """Return what answers as a store that has *data* everywhere: in the ranges asked for."""

    def answer(request: HttpRequest) -> HttpResponse:
        asked = request.header(b"range")
        if asked is None:
            return HttpResponse(200, (ETAG, *headers), data)
        first, last = (int(number) for number in asked.removeprefix(b"bytes=").split(b"-"))
        part = data[first : last + 1]
        said = b"bytes %d-%d/%d" % (first, first + len(part) - 1, len(data))
        return HttpResponse(206, (ETAG, (b"content-range", said), *headers), part)

    return answer


def error(status: int, code: str, text: str = "", *headers: tuple[bytes, bytes]) -> HttpResponse:
    body = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>"
    return HttpResponse(status, headers, body.encode())


async def test_a_small_object_is_one_request() -> None:
    """Pinned by both, signed, in path style, and nothing is asked before or after."""
    ref = ObjectRef(bucket="mnist", key="a b+ü.png", version="v/1", etag="7")
    answer = holding(b"\x89PNG", (b"x-amz-version-id", b"v/1"))
    async with telling(answer) as (store, told):
        found = await store.get(ref)

    (request,) = told.asked
    assert (b"\x89PNG", ref) == (found.data, found.head.ref)
    assert ("GET", "/mnist/a%20b%2B%C3%BC.png?versionId=v%2F1") == (request.method, request.target)
    assert b'"7"' == request.header(b"if-match")
    signed = request.header(b"authorization") or b""
    assert b"SignedHeaders=host;if-match;range;x-amz-content-sha256;x-amz-date;" in signed
    assert b"token-7" == request.header(b"x-amz-security-token")


async def test_a_large_object_is_two_requests() -> None:
    """The first tells the size, the second asks for the rest of the same content."""
    data = bytes(range(256)) * 8192
    async with telling(holding(data)) as (store, told):
        found = await store.get(REF)

    assert data == found.data
    assert [b"bytes=0-1048575", b"bytes=1048576-2097151"] == told.ranges
    assert [None, b'"7"'] == [request.header(b"if-match") for request in told.asked]


async def test_an_object_over_the_limit_is_not_fetched() -> None:
    """At most its first MiB is: it says how large all of it is."""
    async with telling(holding(bytes(3 * MIB)), max_object_bytes=2 * MIB) as (store, told):
        with pytest.raises(Rejected, match="3145728 bytes: expected at most 2097152"):
            await store.get(REF)
        with pytest.raises(Rejected, match="expected at most 2097152"):
            await store.get(REF, max_bytes=5 * MIB)
        with pytest.raises(Rejected, match="expected at most 10"):
            await store.get(REF, max_bytes=10)

    assert [b"bytes=0-1048575", b"bytes=0-1048575", b"bytes=0-9"] == told.ranges


async def test_an_endless_answer_is_not_read() -> None:
    """A store that knows no ranges and has ten gigabytes: left at its head."""

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\nETag: "7"\r\nContent-Length: 10000000000\r\n\r\n')
        while True:
            writer.write(bytes(65536))
            await writer.drain()

    async with FarEnd(endless) as end:
        async with asking(end.url) as store:
            with pytest.raises(Rejected, match="expected at most 67108864 bytes"):
                await store.get(REF)


async def test_pieces_are_asked_for_one_at_a_time() -> None:
    """Memory is one piece: nothing is asked for before the last was taken, and each is pinned."""
    async with telling(holding(b"aabbc")) as (store, told):
        pieces = store.chunks(REF, chunk_bytes=2)
        asked = [(await anext(pieces), len(told.asked)) for _ in range(3)]
        rest = [piece async for piece in pieces]

    assert [(b"aa", 1), (b"bb", 2), (b"c", 3)] == asked
    assert [] == rest
    assert [None, b'"7"', b'"7"'] == [request.header(b"if-match") for request in told.asked]
    for wrong in (0, 10**12):
        with pytest.raises(ValueError, match="chunk_bytes"):
            await anext(store.chunks(REF, chunk_bytes=wrong))


async def test_a_store_without_ranges_and_conditions_cannot_mix_contents() -> None:
    """Whole answers are taken for what they are, another etag for another content."""
    etags = iter((b'"7"', b'"7"', b'"8"'))

    def answer(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, ((b"etag", next(etags)),), b"abcd")

    async with telling(answer) as (store, _):
        assert b"abcd" == (await store.get(REF)).data
        pinned = (await store.head(REF)).ref
        with pytest.raises(BridgeError) as caught:
            await store.get(pinned)

    assert "superseded" == caught.value.reason


async def test_an_object_that_shrinks_midway_is_superseded() -> None:
    """Even where the store answers by the range alone."""

    def answer(request: HttpRequest) -> HttpResponse:
        if request.header(b"range") == b"bytes=0-1":
            return holding(b"abcd")(request)
        return error(416, "InvalidRange")

    async with telling(answer) as (store, _):
        with pytest.raises(BridgeError, match="shorter than it was") as caught:
            _ = [piece async for piece in store.chunks(REF, chunk_bytes=2)]

    assert "superseded" == caught.value.reason


async def test_keys_that_no_path_carries_are_never_sent() -> None:
    """By no verb, on neither side of a copy."""
    bad = ObjectRef(bucket="mnist", key="../minio/secret")
    async with telling(holding(b"")) as (store, told):
        for ask in (
            lambda: store.get(bad),
            lambda: store.head(bad),
            lambda: anext(store.chunks(bad)),
            lambda: store.put("mnist", bad.key, b""),
            lambda: store.delete("mnist", bad.key),
            lambda: store.copy(bad, "mnist", "0.png"),
            lambda: store.copy(REF, "mnist", bad.key),
            lambda: store.list("minio"),
            lambda: store.create_bucket("a/b"),
            lambda: store.put("mnist", "k", b"", metadata={"ce-id": "a\r\nx-evil: 1"}),
            lambda: store.put("mnist", "k", b"", content_type="text/plain\n"),
        ):
            with pytest.raises(Rejected, match="expected"):
                await ask()  # type: ignore[operator]  # each is a coroutine function

    assert [] == told.asked


async def test_a_store_that_asks_to_slow_down() -> None:
    """Held, and for as long as it says."""
    async with telling(lambda _: error(503, "SlowDown", "Later.", (b"retry-after", b"7"))) as (
        s,
        _,
    ):
        with pytest.raises(Unavailable, match="503 SlowDown: Later") as caught:
            await s.get(REF)

    assert 7.0 == caught.value.retry_after_seconds


async def test_no_store_is_an_outage() -> None:
    """Nobody listens: the text says where, and which object."""
    async with asking(f"http://127.0.0.1:{free_port()}") as store:
        with pytest.raises(Unavailable, match=r"object store: http://127.*/mnist/dir/0.png: no "):
            await store.get(REF)
        with pytest.raises(Unavailable):
            await store.ping()


async def test_a_store_that_hangs_is_given_up() -> None:
    """After `timeout_seconds`, as an outage."""

    async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with FarEnd(hangs) as end:
        async with asking(end.url, timeout_seconds=0.05) as store:
            with pytest.raises(DeadlineExceeded, match=r"object store: .* no answer within 0.05 s"):
                await store.get(REF)


async def test_half_an_object_is_none() -> None:
    """A connection that ends midway is an outage, not a short object."""
    half = (
        b'HTTP/1.1 206 OK\r\nETag: "7"\r\nContent-Range: bytes 0-9/10\r\n'
        b"Content-Length: 10\r\n\r\n123"
    )
    async with far_end(half, keep=False) as end:
        async with asking(end.url) as store:
            with pytest.raises(Unavailable, match="half an answer"):
                await store.get(REF)


async def test_a_proxys_404_is_no_missing_object() -> None:
    """Were it, an outage of the way would settle events whose objects are there."""
    page = HttpResponse(404, ((b"content-type", b"text/html"),), b"<html>no such route</html>")
    async with telling(lambda _: page) as (store, _):
        for ask in (
            lambda: store.get(REF),
            lambda: store.put("mnist", "k", b""),
            lambda: store.delete("mnist", "k"),
            lambda: store.list("mnist"),
            store.ping,
        ):
            with pytest.raises(Unavailable, match="no S3 error: expected an S3 store"):
                await ask()  # type: ignore[operator]  # each is a coroutine function


async def test_a_page_that_says_yes_is_no_store() -> None:
    """A captive portal answers 200 to everything: nothing of it counts."""
    page = HttpResponse(200, ((b"content-type", b"text/html"),), b"<html>welcome</html>")
    async with telling(lambda _: page) as (store, _):
        for ask in (
            lambda: store.get(REF),
            lambda: store.put("mnist", "k", b""),
            lambda: store.copy(REF, "mnist", "k"),
            lambda: store.list("mnist"),
        ):
            with pytest.raises(Unavailable):
                await ask()  # type: ignore[operator]  # each is a coroutine function


async def test_a_redirect_is_not_followed() -> None:
    """It names the region to set; our signature goes nowhere else."""
    moved = error(301, "PermanentRedirect", "", (b"x-amz-bucket-region", b"eu-west-1"))
    async with telling(lambda _: moved) as (store, told):
        with pytest.raises(Unavailable, match="expected `region: eu-west-1`"):
            await store.get(REF)

    assert 1 == len(told.asked)


async def test_a_copy_that_fails_half_way_is_none() -> None:
    """S3 says 200 before it begins, and the error in the body."""
    async with telling(lambda _: error(200, "InternalError", "We failed.")) as (store, _):
        with pytest.raises(Unavailable, match="answered 200 InternalError"):
            await store.copy(REF, "digit-7", "0.png")


async def test_a_copy_is_pinned() -> None:
    """By version in the source, encoded as a path; by etag in a header; both are signed."""
    done = HttpResponse(200, (), b'<CopyObjectResult><ETag>"7"</ETag></CopyObjectResult>')
    source = ObjectRef(bucket="mnist", key="a b+ü.png", version="v/1", etag="7")
    async with telling(lambda _: done) as (store, told):
        copied = await store.copy(source, "digit-7", "0.png")

    (request,) = told.asked
    assert ObjectRef(bucket="digit-7", key="0.png", etag="7") == copied
    assert ("PUT", "/digit-7/0.png", b"") == (request.method, request.target, request.body)
    wanted = b"/mnist/a%20b%2B%C3%BC.png?versionId=v%2F1"
    assert wanted == request.header(b"x-amz-copy-source")
    assert b'"7"' == request.header(b"x-amz-copy-source-if-match")
    signed = request.header(b"authorization") or b""
    assert b";x-amz-copy-source;x-amz-copy-source-if-match;" in signed


def listing(*keys: str, token: str = "") -> HttpResponse:
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>"
    items = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in keys)
    body = f"<ListBucketResult>{more if token else ''}{items}</ListBucketResult>"
    return HttpResponse(200, (), body.encode())


async def test_pages_without_objects_are_read_over() -> None:
    """A store may have looked at many that are deleted: it goes on by its token."""
    answers = iter((listing(token="t=1"), listing(token="t=2"), listing("a", "b")))
    async with telling(lambda _: next(answers)) as (store, told):
        page = await store.list("mnist", prefix="a&b", after="A b", limit=2)

    assert (["a", "b"], None) == ([one.ref.key for one in page.objects], page.next)
    first = "encoding-type=url&list-type=2&max-keys=2&prefix=a%26b&start-after=A%20b"
    assert [first, f"{first}&continuation-token=t%3D1", f"{first}&continuation-token=t%3D2"] == [
        request.query for request in told.asked
    ]


@pytest.mark.parametrize(
    "answer",
    [
        listing(token=" ").body.replace(b"> <", b"><"),
        listing("a").body,
        b"<ListBucketResult><Contents/></ListBucketResult>",
        b"",
    ],
)
async def test_a_listing_that_leads_nowhere_is_an_outage(answer: bytes) -> None:
    """No end, a store that does not know where we were, half a listing: never a short one."""
    async with telling(lambda _: HttpResponse(200, (), answer)) as (store, told):
        with pytest.raises(Unavailable):
            await store.list("mnist", after="m")

    assert 1 == len(told.asked)


async def test_a_listing_without_end_is_given_up() -> None:
    """A store that always has another page, and never an object on it, is a broken one."""
    async with telling(lambda _: listing(token="again")) as (store, told):
        with pytest.raises(Unavailable, match="goes on without an object"):
            await store.list("mnist")

    assert MAX_EMPTY_PAGES == len(told.asked)


async def test_a_bucket_of_somebody_else_is_refused() -> None:
    """Names are one for all accounts of a store: ours cannot be made, now or later."""
    async with telling(lambda _: error(409, "BucketAlreadyExists")) as (store, _):
        with pytest.raises(Rejected, match="409 BucketAlreadyExists"):
            await store.create_bucket("digit-7")


async def test_strangers_may_be_led_to_the_front_page() -> None:
    """Amazon's S3 does so: it answers, which is all that a stranger can ask."""
    nobody = {"access_key": None, "secret_key": None, "session_token": None}
    front = HttpResponse(307, ((b"location", b"https://aws.amazon.com/s3/"),), b"")

    async with telling(lambda _: front, **nobody) as (store, told):
        await store.ping()
    async with telling(lambda _: front) as (store, _):
        with pytest.raises(Unavailable, match="answered 307"):
            await store.ping()

    assert told.asked[0].header(b"authorization") is None


@pytest.mark.parametrize("size", [0, 1, THREAD_BYTES + 1])
async def test_what_is_written_goes_with_its_digest(size: int) -> None:
    """It is signed, so that nobody on the way writes anything else; a large one is no other."""
    data = b"x" * size

    async with telling(lambda _: HttpResponse(200, (ETAG,), b"")) as (store, told):
        await store.put("mnist", "0.png", data)

    assert sha256(data).hexdigest().encode() == told.asked[0].header(b"x-amz-content-sha256")


async def test_what_is_gone_already_is_deleted() -> None:
    """Some stores say so; that its bucket is missing is another matter."""
    async with telling(lambda _: error(404, "NoSuchKey")) as (store, told):
        await store.delete("mnist", "0.png")
    async with telling(lambda _: error(404, "NoSuchBucket")) as (store, _):
        with pytest.raises(BucketMissing):
            await store.delete("mnist", "0.png")

    assert ["DELETE"] == [request.method for request in told.asked]


async def test_a_page_has_a_size() -> None:
    """1 to 1,000, as S3 knows them."""
    async with telling(lambda _: listing()) as (store, _):
        for limit in (0, 1001):
            with pytest.raises(ValueError, match="expected 1 to 1000"):
                await store.list("mnist", limit=limit)


async def test_our_secrets_are_in_no_error_no_log_and_no_text() -> None:
    """Not even those that the store itself repeats."""

    def repeats(request: HttpRequest) -> HttpResponse:
        said = " ".join(value.decode() for _, value in request.headers)
        return error(403, "SignatureDoesNotMatch", f"{said} secret-7")

    texts: list[str] = []
    with capture_logs() as logs:
        async with telling(repeats) as (store, _):
            for ask in (store.get(REF), store.list("mnist"), store.ping()):
                with pytest.raises(Unavailable) as caught:
                    await ask
                texts.append(f"{caught.value} {caught.value!r}")
            texts += [repr(store), str(vars(store)), repr(store._calls), repr(store._options)]

    for secret in ("secret-7", "token-7"):
        assert secret not in " ".join([*texts, str(logs)])
    assert "***" in texts[0]


@pytest.mark.parametrize(
    "url",
    [
        "http://minio:9000/prefix",
        "http://minio:9000/?x=secret-8",
        "http://user:secret-8@minio:9000",
        "ftp://minio",
        "minio:9000",
    ],
)
def test_a_url_that_cannot_be_is_told_at_start(url: str) -> None:
    """A store is a host: buckets stand in the path, credentials in options of their own."""
    with pytest.raises(ConfigError, match="expected") as caught:
        ObjectStore(ObjectStoreOptions(url=url))

    assert "secret-8" not in str(caught.value)


async def test_left_twice_and_asked_outside() -> None:
    """As every component: leaving again is fine, asking then is a bug and says so."""
    store = ObjectStore(ObjectStoreOptions(url="http://127.0.0.1:1"))
    async with store:
        pass

    await store.__aexit__(None, None, None)

    with pytest.raises(RuntimeError, match="outside"):
        await store.get(REF)


@pytest.mark.parametrize("status", [200, 403])
async def test_who_may_not_ask_for_a_bucket_is_not_told_that_it_is_missing(status: int) -> None:
    """An account that may only write is told 403, and writes all the same."""
    answer = HttpResponse(200, (), b"") if status == 200 else error(403, "AccessDenied")
    async with telling(lambda _: answer) as (store, told):
        await store.check_bucket("mnist")

    assert ["/mnist?location="] == [request.target for request in told.asked]


@pytest.mark.parametrize("status_code", [(503, "SlowDown"), (403, "InvalidAccessKeyId")])
async def test_a_bucket_cannot_be_missed_in_an_outage(status_code: tuple[int, str]) -> None:
    """Nor where the store does not know us: both are for whoever mends them."""
    async with telling(lambda _: error(*status_code)) as (store, _):
        with pytest.raises(Unavailable, match=status_code[1]):
            await store.check_bucket("mnist")


async def test_a_store_behind_a_private_authority_that_wants_to_know_us(tmp_path: Path) -> None:
    """It is believed for its authority alone, and asks for our certificate beside the signature."""
    ours, theirs = Authority(), Authority()
    known = {"ca_file": trusted(tmp_path / "ca.pem", theirs), **ours.issue(tmp_path, "client")}
    served = {
        **theirs.issue(tmp_path, "server"),
        "client_ca_file": trusted(tmp_path / "clients.pem", ours),
    }
    told = Told(holding(b"\x89PNG"))
    tls = server_context(ServerTlsOptions.model_validate(served))
    async with serving(told.answer, tls=tls) as server:
        url = f"https://localhost:{server.port}"
        async with asking(url, tls=known) as store:
            found = await store.get(REF)
        for unfit in (
            {},
            {"ca_file": known["ca_file"]},
            {**known, "ca_file": served["client_ca_file"]},
        ):
            async with asking(url, tls=unfit) as store:
                with pytest.raises(Unavailable) as caught:
                    await store.get(REF)
                assert not any(secret in str(caught.value) for secret in SECRETS.values())

    assert b"\x89PNG" == found.data
    assert 1 == len(told.asked)
