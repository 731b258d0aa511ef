"""The objects sink: what lies where, what is refused, and buckets made once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from bridge import ConfigError, Event, Filtered, Rejected, Unavailable
from bridge.codecs import http as codec
from bridge.core.event import Letter
from bridge.sinks.objects import ObjectsSink, ObjectsSinkOptions
from bridge.transports.objects import BucketMissing, ObjectRef
from tests.fakes_object_sink import FakeObjectStore, Kept

URL = "http://store:9000"
COPY = {"content": "copy", "copy": {"bucket": "mnist", "key": "{subject}"}}


def options(**given: Any) -> ObjectsSinkOptions:
    return ObjectsSinkOptions.model_validate({"store": {"url": URL}, "bucket": "out", **given})


def sink(store: FakeObjectStore, **given: Any) -> ObjectsSink:
    return ObjectsSink(options(**given), store=store)  # type: ignore[arg-type]  # as far as asked


def event(data: bytes | None = b'{"digit": 7}', **attributes: str) -> Event:
    given = {"id": "1", "source": "tests", "type": "t", "datacontenttype": "application/json"}
    return Event.of(data=data, **{**given, **attributes})


def letter(data: bytes | None = b"not json", **attributes: str) -> Letter:
    made = event(data, **attributes)
    return Letter(made.attributes, made.data, error=Rejected("no"), pipeline="p")


def read_back(kept: Kept) -> Event:
    """Return the event of an object, read as an HTTP receiver would read its headers."""
    headers = [(name.encode(), value.encode()) for name, value in kept.metadata.items()]
    if kept.content_type is not None:
        headers.append((b"content-type", kept.content_type.encode()))
    return codec.decode(headers, kept.data)


async def test_data_lies_as_it_came_with_the_attributes_as_metadata() -> None:
    """The bytes and their media type; attributes as HTTP's binary mode spells them."""
    store = FakeObjectStore("out")
    sent = event(b"\x89PNG", datacontenttype="image/png", subject="é 1%.png")

    await sink(store).send(sent)

    kept = store.buckets["out"]["1"]
    assert (b"\x89PNG", "image/png") == (kept.data, kept.content_type)
    assert "%C3%A9%201%25.png" == kept.metadata["ce-subject"]
    assert sent == read_back(kept)


async def test_an_empty_extension_is_no_metadata() -> None:
    """Stores take no empty header: the attribute is left out, and the event is not refused."""
    store = FakeObjectStore("out")

    await sink(store).send(event(empty=""))

    assert "ce-empty" not in store.buckets["out"]["1"].metadata


async def test_an_event_lies_whole_as_json() -> None:
    """`content: event` is the structured form, with its media type and no metadata."""
    store = FakeObjectStore("out")

    await sink(store, content="event").send(event())

    kept = store.buckets["out"]["1"]
    assert "application/cloudevents+json; charset=utf-8" == kept.content_type
    assert {} == kept.metadata
    assert event() == read_back(kept)


async def test_bucket_and_key_are_filled_from_attributes_and_data() -> None:
    """Members of JSON data, attributes and extensions, wherever the templates name them."""
    store = FakeObjectStore("digit-7-x")
    made = sink(store, bucket="digit-{data.a.digit}-{extension.kind}", key="{type}/{subject}.json")

    await made.send(event(b'{"a": {"digit": 7}}', kind="x", subject="0.png"))

    assert ["t/0.png.json"] == list(store.buckets["digit-7-x"])


async def test_the_digest_tells_events_of_two_sources_apart() -> None:
    """An id is unique within its source alone: `{digest}` stands for both."""
    store = FakeObjectStore("out")
    made = sink(store, key="{id}-{digest}")

    for source in ("one", "two", "two"):
        await made.send(event(source=source))

    assert 2 == len(store.buckets["out"])


async def test_a_copy_is_made_by_the_store_pinned_to_what_was_told() -> None:
    """Nothing is read here; the etag goes along, its quotes and an empty version do not."""
    store = FakeObjectStore("mnist", "out")
    image = store.buckets["mnist"]["0.png"] = Kept(b"image", "image/png")
    pins = {"key": "{data.key}", "version": "{data.version}", "etag": "{data.etag}"}
    made = sink(store, content="copy", copy={"bucket": "mnist", **pins})
    told = b'{"key": "0.png", "version": null, "etag": "\\"%b\\""}' % image.etag.encode()

    await made.send(event(told))

    assert {"1": image} == store.buckets["out"]


@pytest.mark.parametrize("version", ["null", ""])
async def test_a_copy_of_an_object_without_a_version_is_of_what_lies_there(version: str) -> None:
    """`null` is what stores call it; a store that keeps none would be asked for that one."""
    store = FakeObjectStore("mnist", "out")
    store.buckets["mnist"]["0.png"] = Kept(b"image")
    made = sink(
        store,
        content="copy",
        copy={"bucket": "mnist", "key": "{subject}", "version": "{extension.version}"},
    )

    await made.send(event(subject="0.png", version=version))

    assert [None] == [source.version for source in store.copied]


async def test_a_copy_of_what_has_gone_or_changed_is_filtered() -> None:
    """There is nothing to do for such an event, which is no failure: its reason is kept."""
    store = FakeObjectStore("mnist", "out")
    store.buckets["mnist"]["0.png"] = Kept(b"newer")
    made = sink(
        store,
        content="copy",
        copy={"bucket": "mnist", "key": "{subject}", "etag": "{extension.etag}"},
    )

    with pytest.raises(Filtered) as changed:
        await made.send(event(subject="0.png", etag="older"))
    with pytest.raises(Filtered) as gone:
        await made.send(event(subject="1.png", etag="older"))

    assert ("superseded", "gone") == (changed.value.reason, gone.value.reason)


async def test_a_copy_onto_itself_is_refused() -> None:
    """It would raise a notification of the same object, and that the next copy."""
    store = FakeObjectStore("mnist")
    made = sink(store, bucket="mnist", key="{extension.to}", **COPY)

    with pytest.raises(Rejected, match=r"mnist/0\.png would be copied onto itself"):
        await made.send(event(subject="0.png", to="0.png"))

    assert [] == store.asked


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b'{"digit": "x.y"}', r"data.digit is 'x.y': expected a-z, 0-9 and '-'"),
        (b'{"digit": "../etc"}', r"expected a-z, 0-9 and '-'"),
        (b'{"digit": "A"}', r"expected a-z, 0-9 and '-'"),
        (b'{"digit": ""}', r"expected a-z, 0-9 and '-'"),
        (b'{"digit": "7\\n"}', r"expected a-z, 0-9 and '-'"),
        (b'{"digit": 7.5}', r"data.digit is '7.5'"),
        (b'{"digit": -1e30}', r"data.digit is '-1e\+30'"),
        (b'{"digit": true}', r"'data.digit' is a truth value: expected text or a number"),
        (b'{"digit": [7]}', r"'data.digit' is a list"),
        (b'{"digit": {}}', r"'data.digit' is an object"),
        (b'{"digit": null}', r"data.digit is null: expected a value"),
        (b'{"number": 7}', r"'digit-\{data.digit\}': member 'data.digit' is missing"),
        (b"[7]", r"member 'data.digit' is missing"),
        (b"{", r"member 'data.digit': data is not JSON"),
        (None, r"expected JSON data, there is none"),
        (b'{"digit": "%b"}' % (b"a" * 60), r"is no bucket's name"),
        (b'{"digit": "a-"}', r"is no bucket's name"),
    ],
)
async def test_an_event_that_names_no_bucket_is_refused(data: bytes | None, problem: str) -> None:
    """For good, with the name of what is wrong: the file chooses buckets, and nothing is asked."""
    store = FakeObjectStore()
    made = sink(store, bucket="digit-{data.digit}", create_buckets=True)

    with pytest.raises(Rejected, match=problem):
        await made.send(event(data))

    assert [] == store.asked


@pytest.mark.parametrize(
    ("digit", "bucket"), [("7", "digit-7"), ("7.0", "digit-7"), ('"7"', "digit-7")]
)
async def test_a_whole_number_has_no_fraction(digit: str, bucket: str) -> None:
    """A model that answers 7.0 means the same digit as one that answers 7, or "7"."""
    store = FakeObjectStore(bucket)

    await sink(store, bucket="digit-{data.digit}").send(event(b'{"digit": %b}' % digit.encode()))

    assert ["1"] == list(store.buckets[bucket])


async def test_data_that_is_not_json_is_not_read_as_json() -> None:
    """The media type says what the bytes are."""
    with pytest.raises(Rejected, match=r"expected JSON data, it is 'image/png'"):
        await sink(FakeObjectStore("out"), key="{data.key}").send(
            event(b'{"key": "a"}', datacontenttype="image/png")
        )


async def test_a_missing_attribute_is_refused_with_its_name() -> None:
    """The error names the template and the attribute."""
    with pytest.raises(Rejected, match=r"'\{subject\}': attribute 'subject' is missing"):
        await sink(FakeObjectStore("out"), key="{subject}").send(event())


# Buckets


async def test_a_missing_bucket_is_refused_unless_it_may_be_made() -> None:
    """Making buckets is for the file to allow."""
    store = FakeObjectStore()

    with pytest.raises(Rejected, match="no bucket out"):
        await sink(store).send(event())

    assert [("put", "out", "1")] == store.asked


async def test_a_missing_bucket_is_made_and_the_write_done_again() -> None:
    """`create_buckets`: once, and what comes later finds it."""
    store = FakeObjectStore()
    made = sink(store, create_buckets=True)

    await made.send(event(id="1"))
    await made.send(event(id="2"))

    assert ["1", "2"] == list(store.buckets["out"])
    assert 1 == store.asked.count(("create", "out"))


async def test_concurrent_events_make_a_bucket_once() -> None:
    """One event makes it, the others wait for that and write then."""
    store = FakeObjectStore()
    store.gate.clear()
    made = sink(store, create_buckets=True)

    async with asyncio.TaskGroup() as tasks:
        for number in range(10):
            tasks.create_task(made.send(event(id=str(number))))
        while len(store.asked) < 11:
            await asyncio.sleep(0)
        store.gate.set()

    assert 10 == len(store.buckets["out"])
    assert 1 == store.asked.count(("create", "out"))
    assert {} == made._making


async def test_a_bucket_that_cannot_be_made_is_an_outage_for_all_who_wait() -> None:
    """The one that tried, and then each of the others, hear of it; none waits for ever."""
    store = FakeObjectStore()
    store.gate.clear()
    made = sink(store, create_buckets=True)
    sends = [asyncio.create_task(made.send(event(id=str(number)))) for number in range(3)]
    while len(store.asked) < 4:
        await asyncio.sleep(0)

    store.down = True
    store.gate.set()
    outcomes = await asyncio.gather(*sends, return_exceptions=True)

    assert [Unavailable] * 3 == [type(outcome) for outcome in outcomes]
    assert {} == made._making


class Slow(FakeObjectStore):
    """Each write takes a turn of the loop, and nobody may make a bucket."""

    async def put(self, *args: Any, **given: Any) -> ObjectRef:
        await asyncio.sleep(0)
        return await super().put(*args, **given)

    async def create_bucket(self, bucket: str) -> bool:
        self.asked.append(("create", bucket))
        await asyncio.sleep(0)
        raise Unavailable("answered 403 AccessDenied")


async def test_a_bucket_that_we_may_not_make_is_not_asked_for_by_every_event_anew() -> None:
    """Of 100 events each would have written as often as others had failed: 5,000 times."""
    store = Slow()
    made = sink(store, create_buckets=True)

    sends = [made.send(event(id=str(number))) for number in range(100)]
    outcomes = await asyncio.gather(*sends, return_exceptions=True)

    assert {Unavailable} == {type(outcome) for outcome in outcomes}
    assert len(store.asked) < 3 * 100


async def test_a_bucket_that_is_missing_elsewhere_is_made_once_for_all_who_wait() -> None:
    """It is the one copied of that is missing: who waited is refused as the maker is."""
    store = FakeObjectStore()
    store.gate.clear()
    made = sink(store, create_buckets=True, **COPY)
    sends = [asyncio.create_task(made.send(event(subject=f"{n}.png"))) for n in range(50)]
    while len(store.asked) < 51:
        await asyncio.sleep(0)

    store.gate.set()
    outcomes = await asyncio.gather(*sends, return_exceptions=True)

    assert {BucketMissing} == {type(outcome) for outcome in outcomes}
    assert 1 == store.asked.count(("create", "out"))


async def test_a_maker_that_is_cut_off_leaves_the_bucket_to_the_next() -> None:
    """A deadline cancels one event in the middle of making it; the other makes it itself."""
    store = FakeObjectStore()
    store.gate.clear()
    made = sink(store, create_buckets=True)
    first = asyncio.create_task(made.send(event(id="1")))
    while ("create", "out") not in store.asked:
        await asyncio.sleep(0)
    second = asyncio.create_task(made.send(event(id="2")))
    while ("put", "out", "2") not in store.asked:
        await asyncio.sleep(0)

    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    store.gate.set()
    await second

    assert ["2"] == list(store.buckets["out"])


async def test_a_bucket_that_was_deleted_is_made_again() -> None:
    """Nothing is remembered of buckets that were there once."""
    store = FakeObjectStore()
    made = sink(store, create_buckets=True)
    await made.send(event(id="1"))

    del store.buckets["out"]
    await made.send(event(id="2"))

    assert ["2"] == list(store.buckets["out"])


async def test_a_copy_from_a_bucket_that_is_missing_is_refused() -> None:
    """Making the bucket that is written to does not help, and is not tried for ever."""
    store = FakeObjectStore()
    made = sink(store, create_buckets=True, **COPY)

    with pytest.raises(Rejected, match="no bucket mnist"):
        await made.send(event(subject="0.png"))

    assert 1 == store.asked.count(("create", "out"))


# Letters


async def test_a_letter_lies_whole_with_its_error() -> None:
    """As a dead letter: the event as it came, and what went wrong in its extensions."""
    store = FakeObjectStore("out")
    sent = letter(bridgeerrortype="rejected", bridgeerrortext="no", bridgepipeline="p")

    await sink(store, content="event", key="{extension.bridgepipeline}/{id}").send(sent)

    assert read_back(store.buckets["out"]["p/1"]) == Event(sent.attributes, sent.data)


@pytest.mark.parametrize(
    "id", ["..", "a//b", "/a", "a/", "x" * 1025, "x" * 256, "é" * 128, "a/./b", "a\x7f"]
)
async def test_a_letter_is_never_refused_for_its_key(id: str) -> None:
    """An id that no key can be made of must not keep every event behind it from going on."""
    store = FakeObjectStore("out")
    sent = letter()
    sent = Letter({**sent.attributes, "id": id}, sent.data, error=sent.error)

    await sink(store, content="event", key="letters/{id}").send(sent)

    ((key, _),) = store.buckets["out"].items()
    assert key.startswith("letters/")
    assert len("letters/") + 32 == len(key)


async def test_a_letter_without_what_the_key_needs_lies_by_its_digest() -> None:
    """The reason for refusing an event may be that very lack."""
    store = FakeObjectStore("out")

    await sink(store, content="event", key="letters/{data.name}").send(letter())

    assert 1 == len(store.buckets["out"])


async def test_a_letter_too_talkative_for_metadata_lies_as_json() -> None:
    """Stores take 2 KiB of metadata; a refused letter would keep its event from being settled."""
    store = FakeObjectStore("out")
    sent = letter(bridgeerrortext="x" * 2048)

    await sink(store, content="data").send(sent)

    kept = store.buckets["out"]["1"]
    assert {} == kept.metadata
    assert Event(sent.attributes, sent.data) == read_back(kept)


async def test_a_letter_with_a_media_type_too_long_for_a_header_lies_as_json() -> None:
    """It is a valid one; a refused letter would keep every event behind it from going on."""
    store = FakeObjectStore("out")
    sent = letter(datacontenttype=f'text/plain; name="{"x" * 5000}"')

    await sink(store, content="data").send(sent)

    assert Event(sent.attributes, sent.data) == read_back(store.buckets["out"]["1"])


@pytest.mark.parametrize("attributes", [{}, {"subject": "gone.png"}, {"subject": "1"}])
async def test_a_letter_stays_where_there_is_nothing_to_copy(attributes: dict[str, str]) -> None:
    """No key, no object, or its own place: the letter lies as JSON, and no object is lost."""
    store = FakeObjectStore("mnist")
    store.buckets["mnist"]["1"] = Kept(b"image")
    sent = letter(**attributes)

    await sink(store, bucket="mnist", **COPY).send(sent)

    assert b"image" == store.buckets["mnist"].pop("1").data
    ((_, kept),) = store.buckets["mnist"].items()
    assert Event(sent.attributes, sent.data) == read_back(kept)


# What a file may say


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"bucket": "{data.digit}"}, "so that the file chooses buckets and not events"),
        ({"bucket": "{type}-x"}, "begins with a placeholder"),
        ({"bucket": "Digit-{data.digit}"}, "is no bucket's name"),
        ({"bucket": "digit-{data.digit"}, "'{' without its partner"),
        ({"bucket": "digit-{digit}"}, "unknown placeholder {digit}; did you mean 'digest'?"),
        ({"bucket": "digit-{data.}"}, "expected members of"),
        ({"bucket": "digit-{data.a..b}"}, "expected members of"),
        ({"bucket": "digit-{name}"}, "unknown placeholder {name}"),
        ({"bucket": "ab"}, "expected 3 to 63"),
        ({"bucket": "a" * 64}, "expected 3 to 63"),
        ({"bucket": "a..b"}, "is no bucket's name"),
        ({"bucket": "10.0.0.1"}, "is no bucket's name"),
        ({"bucket": "xn--a"}, "is no bucket's name"),
        ({"bucket": "mine-s3alias"}, "is no bucket's name"),
        ({"key": "{nothing}"}, "unknown placeholder {nothing}"),
        ({"content": "copy"}, "expected copy exactly where content is 'copy'"),
        ({"copy": {"bucket": "mnist"}}, "expected copy exactly where content is 'copy'"),
        (
            {"content": "copy", "copy": {"bucket": "out", "key": "{id}"}},
            "every object would be copied onto itself, out/{id}",
        ),
        ({"content": "copy", "copy": {"bucket": "b-{data.x}"}}, "is no bucket's name"),
    ],
)
def test_what_cannot_work_is_refused_before_any_event(given: dict[str, Any], problem: str) -> None:
    """Told by `bridge check`: templates, names of buckets, and what goes with what."""
    with pytest.raises(ValidationError) as caught:
        options(**given)

    assert problem in str(caught.value)


@pytest.mark.parametrize("key", ["", "/{id}", "a//{id}", "a/../{id}", "x" * 1025])
def test_a_key_that_no_event_could_make_good_is_refused(key: str) -> None:
    """What stands in the file itself is judged before any event."""
    with pytest.raises(ConfigError, match=r"^key: object .*: expected a key of"):
        sink(FakeObjectStore(), key=key)
