"""The object store on real ones: MinIO, and moto, which stands in for any other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from bridge.config.objects import ObjectStoreOptions
from bridge.core.clock import SystemClock
from bridge.core.errors import Filtered, Rejected, Unavailable
from bridge.transports.objects import BucketMissing, ObjectRef, ObjectStore, Page
from bridge.transports.objects.store import FIRST_BYTES
from tests.fakes_http import SECONDS, Proxy
from tests.services.kafka import fresh
from tests.services.minio import Minio, ObjectServer

#: Keys that lead elsewhere if a byte of them is encoded twice, once too little, or otherwise.
KEYS = [
    "0.png",
    "dir/0.png",
    "dir/sub/",
    "a b",
    "a  b",
    "a+b",
    "a%b",
    "100%25",
    "%2F%2e%2e",
    "a#b",
    "a?b=c&versionId=d",
    "a;b",
    "..a/b../...",
    "ü/日本/🙂",
    "e\u0301",
    "!$'()*,:@=&",
    'q"<>\\^`{|}~',
    "x\x01y",
    "k" * 200 + "/" + "l" * 200,
]

Enter = Callable[..., Awaitable[ObjectStore]]


@pytest.fixture
async def enter() -> AsyncIterator[Enter]:
    """Enters a store with further options, and leaves it."""
    async with AsyncExitStack() as stack:

        async def entered(server: ObjectServer, clock: Any = None, **more: Any) -> ObjectStore:
            options = ObjectStoreOptions.model_validate({**server.options, **more})
            return await stack.enter_async_context(ObjectStore(options, clock=clock))

        yield entered


@pytest.fixture(params=["moto", "minio"])
def server(request: pytest.FixtureRequest) -> ObjectServer:
    """Each test runs on both."""
    found: ObjectServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def store(server: ObjectServer, enter: Enter) -> ObjectStore:
    return await enter(server)


@pytest.fixture
async def bucket(store: ObjectStore) -> str:
    """A bucket of the test's own."""
    name = fresh("objects")
    await store.create_bucket(name)
    return name


async def everything(store: ObjectStore, bucket: str, limit: int, prefix: str = "") -> list[Page]:
    """List *bucket* page by page."""
    pages = [await store.list(bucket, limit=limit, prefix=prefix)]
    while (after := pages[-1].next) is not None:
        pages.append(await store.list(bucket, limit=limit, prefix=prefix, after=after))
    return pages


async def until(store: ObjectStore, *, up: bool) -> None:
    """Return once the store answers, or does not: signals and starting take their time."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                await store.ping()
            except Unavailable:
                if not up:
                    return
            else:
                if up:
                    return


def reason_of(caught: pytest.ExceptionInfo[Filtered]) -> str:
    return caught.value.reason


async def test_what_was_put_is_there(store: ObjectStore, bucket: str) -> None:
    """Bytes, type, the user's metadata, size and time; and the ref of the put reads it."""
    ref = await store.put(
        bucket,
        "0.png",
        b"\x89PNG",
        content_type="image/png",
        metadata={"ce-id": "7", "ce-subject": "two  spaces, %C3%BC"},
    )

    found = await store.get(ref)

    assert b"\x89PNG" == found.data
    assert (4, "image/png") == (found.head.size, found.head.content_type)
    assert "7" == found.head.metadata["ce-id"]
    assert "%C3%BC" in found.head.metadata["ce-subject"]
    assert found.head.modified.endswith("Z")
    assert ref == found.head.ref
    assert found.head == await store.head(ref)


async def test_every_key_is_its_own_object(store: ObjectStore, bucket: str) -> None:
    """Put, read, copied and listed under the name it was given, and none is another's."""
    for number, key in enumerate(KEYS):
        await store.put(bucket, key, b"%d" % number)
    for key in KEYS:
        await store.copy(ObjectRef(bucket=bucket, key=key), bucket, f"copy/{key}")

    read = [await store.get(ObjectRef(bucket=bucket, key=f"copy/{key}")) for key in KEYS]
    pages = await everything(store, bucket, limit=7)
    copies = await everything(store, bucket, limit=1000, prefix="copy/")

    assert [b"%d" % number for number in range(len(KEYS))] == [one.data for one in read]
    listed = [one.ref.key for page in pages for one in page.objects]
    assert sorted([*KEYS, *(f"copy/{key}" for key in KEYS)], key=str.encode) == listed
    assert {f"copy/{key}" for key in KEYS} == {one.ref.key for one in copies[0].objects}
    assert 6 == len(pages)


async def test_a_listing_pins_what_it_lists(store: ObjectStore, bucket: str) -> None:
    """Its refs read the content that was listed, and no other."""
    await store.put(bucket, "a/b", b"one")
    (listed,) = (await store.list(bucket, prefix="a/")).objects

    before = await store.get(listed.ref)
    await store.put(bucket, "a/b", b"two")

    assert (b"one", 3) == (before.data, listed.size)
    assert "T" in listed.modified
    with pytest.raises(Filtered) as caught:
        await store.get(listed.ref)
    assert "superseded" == reason_of(caught)


async def test_a_listing_begins_behind_a_key_that_is_gone(store: ObjectStore, bucket: str) -> None:
    """So that who goes on from where they were need not find it there."""
    for key in ("a", "c", "e"):
        await store.put(bucket, key, b"")

    page = await store.list(bucket, after="b")

    assert ["c", "e"] == [one.ref.key for one in page.objects]
    assert Page(objects=()) == await store.list(bucket, after="e")
    assert Page(objects=()) == await store.list(bucket, prefix="nothing")


async def test_an_object_without_bytes(store: ObjectStore, bucket: str) -> None:
    """It has no first byte to ask for, and is an object all the same."""
    ref = await store.put(bucket, "empty", b"", content_type="text/plain")

    found = await store.get(ref)

    assert (b"", 0, "text/plain") == (found.data, found.head.size, found.head.content_type)
    assert found.head == await store.head(ref)
    assert [] == [piece async for piece in store.chunks(ref)]
    assert "empty" == (await store.copy(ref, bucket, "copied")).key.replace("copied", "empty")


async def test_an_object_uploaded_in_parts(
    server: ObjectServer, store: ObjectStore, bucket: str
) -> None:
    """Larger than the first request, its etag no digest: read whole, in pieces, and copied."""
    parts = bytes(range(256)) * 20480, b"the last part"
    etag = await server.put_in_parts(bucket, "large", *parts)
    ref = ObjectRef(bucket=bucket, key="large", etag=etag)

    found = await store.get(ref)
    pieces = [piece async for piece in store.chunks(ref, chunk_bytes=2_000_000)]
    copied = await store.copy(ref, bucket, "copied")

    whole = b"".join(parts)
    assert "-" in etag
    assert len(whole) > FIRST_BYTES
    assert whole == found.data
    assert whole == b"".join(pieces)
    assert [2_000_000, 2_000_000] == [len(piece) for piece in pieces[:2]]
    assert len(whole) == (await store.head(copied)).size


async def test_a_large_object_is_put(store: ObjectStore, bucket: str) -> None:
    """Hashed on a thread, and the store checks the hash."""
    data = bytes(range(256)) * 8192

    ref = await store.put(bucket, "large", data)

    assert data == (await store.get(ref)).data


async def test_an_object_over_the_limit_is_refused(store: ObjectStore, bucket: str) -> None:
    """With its size and the limit; one that just fits is read."""
    ref = await store.put(bucket, "0.png", b"12345")

    with pytest.raises(Rejected, match=r"/0\.png': 5 bytes: expected at most 4"):
        await store.get(ref, max_bytes=4)
    assert b"12345" == (await store.get(ref, max_bytes=5)).data


async def test_what_is_not_there_is_gone(store: ObjectStore, bucket: str) -> None:
    """However it is asked for; deleting it is fine."""
    ref = ObjectRef(bucket=bucket, key="none", etag="d41d8cd98f00b204e9800998ecf8427e")

    for ask in (
        lambda: store.get(ref),
        lambda: store.head(ref),
        lambda: store.copy(ref, bucket, "copy"),
        lambda: anext(aiter(store.chunks(ref))),
        lambda: store.put(bucket, "none", b"", if_match="7"),
    ):
        with pytest.raises(Filtered, match="NoSuchKey") as caught:
            await ask()
        assert "gone" == reason_of(caught)
    await store.delete(bucket, "none")


async def test_what_was_overwritten_is_superseded(
    server: ObjectServer, store: ObjectStore, bucket: str
) -> None:
    """The event that told of it has nothing to do: another tells of what is there now."""
    old = await store.put(bucket, "0.png", b"old")
    await store.put(bucket, "0.png", b"new")

    asked: list[Callable[[], Awaitable[object]]] = [
        lambda: store.get(old),
        lambda: store.head(old),
        lambda: anext(aiter(store.chunks(old))),
        lambda: store.put(bucket, "0.png", b"mine", if_match=old.etag),
        lambda: store.put(bucket, "0.png", b"mine", if_none_match=True),
    ]
    if isinstance(server, Minio):  # moto copies whatever is there
        asked.append(lambda: store.copy(old, bucket, "copy"))

    for ask in asked:
        with pytest.raises(Filtered, match="another by now") as caught:
            await ask()
        assert "superseded" == reason_of(caught)
    assert b"new" == (await store.get(ObjectRef(bucket=bucket, key="0.png"))).data


async def test_an_object_that_changes_midway_is_superseded(store: ObjectStore, bucket: str) -> None:
    """Pieces of two contents never come one after the other."""
    await store.put(bucket, "0.png", b"aabbcc")
    pieces = store.chunks(ObjectRef(bucket=bucket, key="0.png"), chunk_bytes=2)
    first = await anext(pieces)
    await store.put(bucket, "0.png", b"ddeeff")

    with pytest.raises(Filtered) as caught:
        await anext(pieces)

    assert (b"aa", "superseded") == (first, reason_of(caught))


async def test_a_version_is_read_though_it_was_overwritten(
    server: ObjectServer, store: ObjectStore, bucket: str
) -> None:
    """Where the bucket keeps versions, the notification's own content is still there."""
    from minio.versioningconfig import ENABLED, VersioningConfig

    server.client.set_bucket_versioning(bucket_name=bucket, config=VersioningConfig(ENABLED))
    old = await store.put(bucket, "0.png", b"old")
    new = await store.put(bucket, "0.png", b"new")
    await store.delete(bucket, "0.png")

    read = [(await store.get(ref)).data for ref in (old, new)]
    copied = await store.copy(old, bucket, "copy")
    pieces = [piece async for piece in store.chunks(old, chunk_bytes=2)]

    assert [b"old", b"new"] == read
    assert [b"ol", b"d"] == pieces
    assert None not in (old.version, new.version)
    assert b"old" == (await store.get(copied)).data
    with pytest.raises(Filtered) as caught:
        await store.get(ObjectRef(bucket=bucket, key="0.png"))
    assert "gone" == reason_of(caught)
    server.client.remove_object(bucket_name=bucket, object_name="0.png", version_id=old.version)
    with pytest.raises(Filtered) as caught:
        await store.get(old)
    assert "gone" == reason_of(caught)


async def test_a_write_on_a_condition(store: ObjectStore, bucket: str) -> None:
    """Over the content that was read, or where nothing is: else nothing is written."""
    first = await store.put(bucket, "cursor", b"1", if_none_match=True)

    second = await store.put(bucket, "cursor", b"2", if_match=first.etag)

    assert b"2" == (await store.get(second)).data


async def test_a_bucket_that_is_missing(store: ObjectStore, bucket: str) -> None:
    """Said of each question, so that who writes may create it."""
    missing = fresh("missing")
    ref = ObjectRef(bucket=missing, key="k")
    here = await store.put(bucket, "here", b"")

    for ask in (
        lambda: store.get(ref),
        lambda: store.head(ref),
        lambda: store.put(missing, "k", b""),
        lambda: store.list(missing),
        lambda: store.delete(missing, "k"),
        lambda: store.copy(here, missing, "k"),
        lambda: store.copy(ref, bucket, "k"),
    ):
        with pytest.raises(BucketMissing, match="404 NoSuchBucket"):
            await ask()


async def test_a_bucket_is_made_once(minio: Minio, enter: Enter) -> None:
    """Who comes second is told that it was there."""
    store, name = await enter(minio), fresh("made")

    made = [await store.create_bucket(name), await store.create_bucket(name)]

    assert [True, False] == made
    assert Page(objects=()) == await store.list(name)


async def test_a_bucket_in_a_region(moto: ObjectServer, enter: Enter) -> None:
    """Made where the options say."""
    store, name = await enter(moto, region="eu-west-1"), fresh("region")

    made = [await store.create_bucket(name), await store.create_bucket(name)]

    assert [True, False] == made
    found = await store.ask("GET", f"/{name}", query="location=")
    assert b">eu-west-1</LocationConstraint>" in found.body


async def test_a_listing_over_the_stores_own_page(minio: Minio, enter: Enter) -> None:
    """1,000 objects are one page; with one more there are two, and each object is on one."""
    store, bucket = await enter(minio), await minio.bucket()
    keys = [f"dir/{number:04} +ü" for number in range(1000)]
    gate = asyncio.Semaphore(32)

    async def put(key: str) -> None:
        async with gate:
            await store.put(bucket, key, b"")

    async with asyncio.TaskGroup() as group:
        for key in keys:
            group.create_task(put(key))
    full = await store.list(bucket)
    await put("e")

    pages = await everything(store, bucket, limit=1000)

    assert (1000, None) == (len(full.objects), full.next)
    assert [1000, 1] == [len(page.objects) for page in pages]
    assert [*keys, "e"] == [one.ref.key for page in pages for one in page.objects]


async def test_what_lies_in_a_folder_behind_many_names_that_begin_alike_is_listed(
    store: ObjectStore, bucket: str
) -> None:
    """`img-…` sorts before `img/…`: MinIO counted those, and said that nothing came behind them.

    So of 2,201 objects a listing of 1,000 at a time found 2,000, and the rest never.
    """
    names = [f"img-{number}" for number in range(9)] + ["img.png", "img0", "img00", "img/"]
    names += [f"img/{number}/a" for number in range(4)] + [f"img/{number}-b" for number in range(4)]
    names += ["z/", "z/z", "é/\u0301", "é-"]
    for name in names:
        await store.put(bucket, name, b"")
    whole = [one.ref.key for one in (await store.list(bucket)).objects]

    for limit in (1, 2, 3, 7):
        for prefix in ("", "i", "img", "img/", "img/1", "z"):
            pages = await everything(store, bucket, limit, prefix)
            found = [one.ref.key for page in pages for one in page.objects]
            assert [key for key in whole if key.startswith(prefix)] == found, (limit, prefix)
            assert all(len(page.objects) <= limit for page in pages)


async def test_ping_knows_whether_we_are_known(minio: Minio, enter: Enter) -> None:
    """A store that answers strangers only is no store of ours."""
    await (await enter(minio)).ping()

    for wrong, code in (
        ({"secret_key": "not-the-secret"}, "SignatureDoesNotMatch"),
        ({"access_key": "not-the-key"}, "InvalidAccessKeyId"),
    ):
        with pytest.raises(Unavailable, match=code) as caught:
            await (await enter(minio, **wrong)).ping()
        assert "not-the-secret" not in str(caught.value)


async def test_credentials_that_are_not_taken_hold_the_event(minio: Minio, enter: Enter) -> None:
    """403 says nothing of the object: not Rejected, and not gone."""
    store = await enter(minio, secret_key="not-the-secret")

    with pytest.raises(Unavailable, match="403 SignatureDoesNotMatch"):
        await store.get(ObjectRef(bucket=await minio.bucket(), key="k"))


async def test_strangers_read_what_is_public(minio: Minio, enter: Enter) -> None:
    """Anonymous: no signature; and what is not public is not ours to see."""
    owner, bucket, closed = await enter(minio), await minio.bucket(), await minio.bucket()
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": ["*"]},
                "Action": ["s3:GetObject"],
                "Resource": [f"arn:aws:s3:::{bucket}/*"],
            }
        ],
    }
    await asyncio.to_thread(
        minio.client.set_bucket_policy, bucket_name=bucket, policy=json.dumps(policy)
    )
    await owner.put(bucket, "a b+c", b"public")
    stranger = await enter(minio, access_key=None, secret_key=None)

    found = await stranger.get(ObjectRef(bucket=bucket, key="a b+c"))

    assert b"public" == found.data
    await stranger.ping()
    with pytest.raises(Unavailable, match="403 AccessDenied"):
        await stranger.get(ObjectRef(bucket=closed, key="k"))


async def test_temporary_credentials(minio: Minio, enter: Enter) -> None:
    """Three of them, from the store's own STS; without the token they are nobody's."""
    from minio.credentials import AssumeRoleProvider
    from urllib3 import PoolManager

    with PoolManager() as pool:
        provider = AssumeRoleProvider(
            sts_endpoint=minio.url,
            access_key=minio.access_key,
            secret_key=minio.secret_key,
            http_client=pool,
        )
        given = await asyncio.to_thread(provider.retrieve)
    bucket = await minio.bucket()
    keys = {"access_key": given.access_key, "secret_key": given.secret_key}
    store = await enter(minio, session_token=given.session_token, **keys)

    ref = await store.put(bucket, "k", b"7")

    assert b"7" == (await store.get(ref)).data
    with pytest.raises(Unavailable, match="answered 403"):
        await (await enter(minio, **keys)).get(ref)


async def test_clocks_that_disagree(minio: Minio, enter: Enter) -> None:
    """Told as what it is, and held."""

    class Late(SystemClock):
        def now_ns(self) -> int:
            return super().now_ns() - 3_600_000_000_000

    store = await enter(minio, clock=Late())

    with pytest.raises(Unavailable, match="RequestTimeTooSkewed: our clock or the store's"):
        await store.get(ObjectRef(bucket=await minio.bucket(), key="k"))


async def test_through_a_proxy(minio: Minio, enter: Enter) -> None:
    """Paths arrive as they were signed, and Host as well."""
    async with Proxy() as proxy, AsyncExitStack() as stack:
        options = ObjectStoreOptions.model_validate({**minio.options, "proxy_url": proxy.url})
        store = await stack.enter_async_context(ObjectStore(options))
        bucket = await minio.bucket()

        for key in KEYS:
            await store.put(bucket, key, key.encode())

        for key in KEYS:
            assert key.encode() == (await store.get(ObjectRef(bucket=bucket, key=key))).data
        assert proxy.asked


async def test_many_at_once(minio: Minio, enter: Enter) -> None:
    """Answers never change places, with fewer connections than callers."""
    store, bucket = await enter(minio, connections=4), await minio.bucket()

    async def there_and_back(number: int) -> bytes:
        ref = await store.put(bucket, f"{number}", b"%d" % number)
        return (await store.get(ref)).data

    found = await asyncio.gather(*[there_and_back(number) for number in range(64)])

    assert [b"%d" % number for number in range(64)] == found


async def test_a_store_that_is_down_and_comes_back(own_minio: Minio, enter: Enter) -> None:
    """Stopped, hanging, killed: an outage each time, and the same store serves again after."""
    store = await enter(own_minio, timeout_seconds=0.5, connect_timeout_seconds=0.5)
    bucket = await own_minio.bucket()
    ref = await store.put(bucket, "0.png", b"7")

    for end in (own_minio.stop, own_minio.freeze, own_minio.kill):
        await end()
        await until(store, up=False)
        with pytest.raises(Unavailable):
            await store.get(ref)
        await own_minio.start()
        await until(store, up=True)
        assert b"7" == (await store.get(ref)).data
