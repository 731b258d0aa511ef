"""examples/mnist/ImageTransformer.py: the reference's transformer, without its faults."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bridge.core.errors import DecodeError, Filtered, Rejected, Unavailable
from bridge.core.payload import Body
from bridge.core.ports import Context
from bridge.transformers.user import TransformerOptions, UserTransformer
from bridge.transports.objects import ObjectHead, ObjectRef, StoredObject
from tests.fakes_mnist import MNIST, make_images, notification, saved
from tests.fakes_usercode import context, nothing_loaded

STORE = {"url": "http://127.0.0.1:9", "access_key": "access", "secret_key": "correct-horse"}

#: The published example's own notification, as its page prints it.
PUBLISHED = (MNIST / "notification.json").read_bytes()


class Store:
    """Objects by key, and what it was asked for; what *hold* is set on waits."""

    def __init__(self, **objects: bytes) -> None:
        self.objects = objects
        self.asked: list[ObjectRef] = []
        self.hold: dict[str, asyncio.Event] = {}
        self.open = False

    async def __aenter__(self) -> Store:
        self.open = True
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.open = False

    async def ping(self) -> None:
        raise Unavailable("object store http://127.0.0.1:9: no answer")

    async def get(self, ref: ObjectRef) -> StoredObject:
        self.asked.append(ref)
        if ref.key in self.hold:
            await self.hold[ref.key].wait()
        if ref.key not in self.objects:
            raise Filtered(f"{ref.bucket}/{ref.key}: no such object", reason="gone")
        data = self.objects[ref.key]
        return StoredObject(head=ObjectHead(ref=ref, size=len(data)), data=data)


@pytest.fixture(autouse=True, scope="module")
def forget() -> Iterator[None]:
    """Leave nothing of the example's files behind."""
    with nothing_loaded():
        yield


@asynccontextmanager
async def transforming(store: Store, **options: Any) -> AsyncIterator[UserTransformer]:
    """Yield the example's transformer, loaded as the bridge does, with *store* for its own."""
    chosen = TransformerOptions(
        type="ImageTransformer:ImageTransformer", options={"store": STORE, **options}
    )
    steps = UserTransformer(chosen, folder=MNIST)
    real = steps._code.cls  # the class that the bridge found
    made = type(real.__name__, (real,), {"__module__": real.__module__})

    def with_store(self: Any, **options: Any) -> None:
        real.__init__(self, **options)
        self._store = store

    made.__init__ = with_store  # type: ignore[misc]  # a subclass of this test alone
    steps._code.cls = made
    async with steps:
        yield steps


def told(key: str = "0.png", **more: Any) -> Body:
    return Body.of(notification(key, **more))


async def request(steps: UserTransformer, payload: Body, ctx: Context | None = None) -> Any:
    found = await steps.preprocess(payload, ctx or context())
    return found and found.json()


@pytest.fixture(scope="module")
def images() -> list[Any]:
    return list(make_images.images(3))


async def test_the_published_notification_is_accepted(images: list[Any]) -> None:
    """Verbatim: its object is read in the version it tells of, and becomes the one instance."""
    store = Store(**{"0.png": images[0].data})

    async with transforming(store) as steps:
        asked = await request(steps, Body(PUBLISHED))

    assert set(asked) == {"instances"}
    assert [len(row) for row in asked["instances"]] == [64]
    assert [ref.key for ref in store.asked] == ["0.png"]
    assert store.asked[0].etag == "ebed21f6f77b0a64673a3c96b0c623ba"


async def test_the_version_that_was_told_of_is_read(images: list[Any]) -> None:
    """Where the bucket keeps versions: it is there though it was overwritten."""
    store = Store(**{"0.png": images[0].data})

    async with transforming(store) as steps:
        await request(steps, told(version="v1", etag="e1"))

    assert [ObjectRef(bucket="mnist", key="0.png", version="v1", etag="e1")] == store.asked


async def test_two_images_at_once_are_not_mixed_up(images: list[Any]) -> None:
    """The reference keeps the key in `self`; here each event has its own, in any order."""
    store = Store(**{"a.png": images[0].data, "b.png": images[1].data})
    store.hold["a.png"] = asyncio.Event()
    first, second = context(), context()

    async with transforming(store) as steps:
        a = asyncio.create_task(steps.preprocess(told("a.png"), first))
        b = await request(steps, told("b.png"), second)
        store.hold["a.png"].set()
        asked = await a
        answers = [
            await steps.postprocess(Body.of({"predictions": [{"classes": digit}]}), ctx)
            for digit, ctx in ((7, first), (1, second))
        ]

    assert asked is not None
    assert asked.json() != b
    found = [answer.json() for answer in answers if answer is not None]
    assert [(one["key"], one["digit"]) for one in found] == [("a.png", 7), ("b.png", 1)]


@pytest.mark.parametrize("name", ["Put", "Post", "Copy", "CompleteMultipartUpload"])
async def test_every_way_to_create_an_object_counts(name: str, images: list[Any]) -> None:
    """The reference takes Put alone, and so misses every upload in parts."""
    async with transforming(Store(**{"0.png": images[0].data})) as steps:
        asked = await request(steps, told(name=f"s3:ObjectCreated:{name}"))

    assert asked is not None


@pytest.mark.parametrize(
    "name",
    [
        "s3:ObjectRemoved:Delete",
        "s3:ObjectAccessed:Get",
        "s3:ObjectCreated:PutTagging",
        "s3:ObjectCreated:PutRetention",
    ],
)
async def test_other_events_are_filtered(name: str) -> None:
    """The reference raises, and is sent the event for ever; nothing is fetched for it here."""
    store = Store()

    async with transforming(store) as steps:
        asked = await request(steps, told(name=name))

    assert (asked, store.asked) == (None, [])


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("a+b.png", "a b.png"),
        ("a%2Bb.png", "a+b.png"),
        ("a%252Fb.png", "a%2Fb.png"),
        ("n%C3%A4her/%E4%B8%83.png", "näher/七.png"),
        ("2020/01/7.png", "2020/01/7.png"),
    ],
)
async def test_a_key_is_decoded_once(encoded: str, key: str, images: list[Any]) -> None:
    """As MinIO writes it; folders in it are no folders here."""
    store = Store(**{key: images[0].data})
    ctx = context()

    async with transforming(store) as steps:
        await steps.preprocess(told(encoded), ctx)
        answer = await steps.postprocess(Body.of({"predictions": [{"classes": 7}]}), ctx)

    assert [ref.key for ref in store.asked] == [key]
    assert answer is not None
    assert answer.json()["key"] == key


async def test_another_bucket_is_refused() -> None:
    """An event decides which object of the file's bucket is read, and nothing more."""
    store = Store()

    async with transforming(store) as steps:
        with pytest.raises(Rejected, match="bucket 'secrets': expected 'mnist'"):
            await request(steps, told(bucket="secrets"))

    assert store.asked == []


async def test_the_digit_is_told_with_the_object_that_was_read() -> None:
    """Its version and etag are those of the answer, so what is copied is what was classified."""
    ctx = context()
    ctx.state["image"] = ObjectRef(bucket="mnist", key="0.png", version="v2", etag="e2")
    answer = {"predictions": [{"classes": 7, "probabilities": [0.0] * 7 + [0.75, 0.25, 0.0]}]}

    async with transforming(Store()) as steps:
        found = await steps.postprocess(Body.of(answer), ctx)

    assert found is not None
    assert found.json() == {
        "digit": 7,
        "probability": 0.75,
        "bucket": "mnist",
        "key": "0.png",
        "version": "v2",
        "etag": "e2",
    }


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        ({"classes": 3}, (3, None)),
        ({"classes": 0, "probabilities": [1.0] + [0.0] * 9}, (0, 1.0)),
        ([0.1, 0.6, 0.3], (1, 0.6)),
        ([0.0] * 9 + [1.0], (9, 1.0)),
    ],
)
async def test_both_forms_of_an_answer(prediction: Any, expected: tuple[Any, Any]) -> None:
    """The reference's `classes`, and the bare probabilities of a plain SavedModel."""
    ctx = context()
    ctx.state["image"] = ObjectRef(bucket="mnist", key="0.png")

    async with transforming(Store()) as steps:
        found = await steps.postprocess(Body.of({"predictions": [prediction]}), ctx)

    assert found is not None
    assert (found.json()["digit"], found.json()["probability"]) == expected


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        None,
        {"predictions": []},
        {"predictions": None},
        {"predictions": [{"classes": 7}, {"classes": 8}]},
        {"predictions": [{"classes": "../../etc"}]},
        {"predictions": [{"classes": True}]},
        {"predictions": [{"classes": 10}]},
        {"predictions": [{"classes": -1, "probabilities": [0.1]}]},
        {"predictions": [{"classes": 7, "probabilities": [0.5]}]},
        {"predictions": [[]]},
        {"predictions": [["a", 1]]},
        {"predictions": [[0.01] * 11 + [0.9]]},
        {"predictions": [7]},
    ],
)
async def test_an_answer_without_a_digit_is_refused(answer: Any) -> None:
    """A digit names a bucket: it is one of ten, or there is none."""
    ctx = context()
    ctx.state["image"] = ObjectRef(bucket="mnist", key="0.png")

    async with transforming(Store()) as steps:
        with pytest.raises(Rejected, match="the model's answer has no digit: expected"):
            await steps.postprocess(Body(json.dumps(answer).encode()), ctx)


async def test_what_is_no_image_is_refused_by_name() -> None:
    """The text goes to the dead letter: which object, and what was expected."""
    async with transforming(Store(**{"0.png": b"hello"})) as steps:
        with pytest.raises(Rejected, match=r"mnist/0\.png: no image in one of PNG, JPEG"):
            await request(steps, told())


async def test_too_many_pixels_are_refused() -> None:
    """By the limit of the file."""
    from PIL import Image

    store = Store(**{"0.png": saved(Image.new("L", (100, 100)))})

    async with transforming(store, max_pixels=9_999) as steps:
        with pytest.raises(Rejected, match=r"100 × 100 pixels, expected at most 9999"):
            await request(steps, told())


async def test_what_is_gone_is_filtered_and_what_is_no_notification_is_not() -> None:
    """The store's word for it passes; a payload of another kind is a decoding error."""
    async with transforming(Store()) as steps:
        with pytest.raises(Filtered) as caught:
            await request(steps, told())
        with pytest.raises(DecodeError):
            await request(steps, Body(b'{"digit": 7}'))

    assert caught.value.reason == "gone"


async def test_another_models_form_is_a_matter_of_options(images: list[Any]) -> None:
    """TensorFlow's MNIST: 784 numbers up to 1."""
    store = Store(**{"0.png": images[0].data})

    async with transforming(store, size=[28, 28], scale=1) as steps:
        asked = await request(steps, told())

    (instance,) = asked["instances"]
    assert (len(instance), max(instance)) == (784, 1.0)


async def test_images_are_unpacked_beside_the_loop_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch, images: list[Any]
) -> None:
    """The loop goes on meanwhile, and the memory of one image is all that they take."""
    store = Store(**{f"{number}.png": images[0].data for number in range(8)})
    threads: set[str] = set()
    running = most = 0

    def row(data: bytes, **_: Any) -> list[float]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        threads.add(threading.current_thread().name)
        running -= 1
        return [0.0] * 64

    async with transforming(store) as steps:
        steps._code.instance._row = row
        await asyncio.gather(
            *(steps.preprocess(told(f"{number}.png"), context()) for number in range(8))
        )

    assert most == 1
    assert len(threads) == 1
    assert threads.isdisjoint({threading.main_thread().name})


async def test_the_store_is_opened_asked_and_closed() -> None:
    """As long as the transformer lives; its ping is the store's."""
    store = Store()

    async with transforming(store) as steps:
        assert store.open
        with pytest.raises(Unavailable, match="no answer"):
            await steps.ping()

    assert not store.open


def test_nothing_is_written_and_no_secret_stands_in_a_file() -> None:
    """The reference writes to /tmp/<key> and has its credentials in the code."""
    code = "".join(
        (MNIST / f"{name}.py").read_text() for name in ("ImageTransformer", "digit_image")
    )

    assert (
        re.findall(r"/tmp|environ|tempfile|pathlib|\bopen\(|write_", code.replace("Image.open", ""))
        == []
    )
    assert re.findall(r"(?:key|secret|password)\s*=\s*[\"']", code) == []
