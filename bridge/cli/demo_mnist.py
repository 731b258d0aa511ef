"""`bridge demo mnist`: images into a bucket, and out of it into the buckets of their digits.

images ─▶ bucket mnist ──MinIO──▶ topic mnist ──▶ bridge ──▶ model of digits
               ║                                    ├──▶ topic mnist-classified
               ╚═══════════ copied there ═══════════╪══▶ buckets digit-0 … digit-9
                                                    └──▶ topic mnist-dead-letter
"""

from __future__ import annotations

import io
import mimetypes
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from bridge.cli.demo_steps import STEP_SECONDS, DemoError, ledger, printed, run_bridge, step
from bridge.cli.demo_topics import come, create, read
from bridge.cli.picture import Captioned, gallery, sheet

if TYPE_CHECKING:
    from rich.console import Console

    from bridge.cli.demo_cluster import Cluster
    from bridge.cli.demo_store import Store
    from bridge.cli.processes import Processes
    from bridge.core.event import Record

BUCKET, DIGITS = "mnist", "digit-"
TOLD, CLASSIFIED, DEAD_LETTER = "mnist", "mnist-classified", "mnist-dead-letter"

#: The topics, and how many partitions each has.
TOPICS: Final = {TOLD: 3, CLASSIFIED: 1, DEAD_LETTER: 1}

#: How many images are put.
COUNT: Final = 20

#: What is put beside them, and is none.
NO_IMAGE: Final = ("notes.png", b"This is a shopping list and no image: 7 apples, 3 pears.\n")


def mnist(console: Console, processes: Processes, root: Path, *, keep: bool) -> None:
    """Show it; with *keep*, leave it serving until somebody stops it."""
    from bridge.cli import demo_cluster, demo_store
    from bridge.cli.process import run_loop
    from bridge.cli.processes import free_port

    started = time.monotonic()
    example = root / "examples" / "mnist"
    console.print("[bold]An image into a bucket, and on into the bucket of its digit[/]\n")
    model, admin = free_port(), free_port()
    # The model learns while Kafka starts.
    processes.start_program(
        "model", [sys.executable, str(example / "digits_server.py"), "--port", str(model)], model
    )
    images = processes.folder / "images"
    processes.start_program(
        "images",
        [sys.executable, str(example / "make_images.py"), str(images), "--count", str(COUNT)],
        0,
    )
    cluster = demo_cluster.start(
        console, processes, root / "examples" / "kafka" / "pom.xml", first_port=9092 if keep else 0
    )
    with step(console, f"topics {', '.join(TOPICS)}"):
        run_loop(create(cluster, TOPICS))
    store = demo_store.start(console, processes, cluster, TOLD, first_port=9000 if keep else 0)
    file = example / ("bridge.yaml" if store.notifies else "listing.yaml")
    environ = {
        "KAFKA_BROKER": cluster.bootstrap,
        "IDEMPOTENT": str(cluster.idempotent).lower(),
        "MINIO_URL": store.url,
        "MINIO_ACCESS_KEY": store.access_key,
        "MINIO_SECRET_KEY": store.secret_key,
        "MODEL_URL": f"http://127.0.0.1:{model}",
        "ADMIN_HOST": "127.0.0.1",
        "ADMIN_PORT": str(admin),
    }
    _start_bridge(console, processes, store, file, environ)
    known = _put(console, processes, store, images)
    with step(console, f"{len(known)} typed events in {CLASSIFIED}"):
        answered = run_loop(read(cluster, CLASSIFIED, len(known)))
    with step(console, "each image fetched from the bucket of the digit that was found:"):
        found = [_filed(store, record) for record in answered]
    _show(console, processes, found, known)
    console.print("\n  the last of the events:\n")
    print(_displayed(answered[-1]))
    with step(console, f"{NO_IMAGE[0]}, which is none, is a dead letter:"):
        run_loop(read(cluster, DEAD_LETTER, 1))
    letters = run_bridge(environ, "dead", "list", str(file))
    printed(console, f"bridge dead list examples/mnist/{file.name}", letters)
    with step(console, "the bridge's ledger, from /metrics: every line adds up"):
        counted = ledger(admin)
    console.print("\n".join(f"  {line}" for line in counted), style="dim")
    console.print(f"\ndone in {time.monotonic() - started:.1f} s; logs went to {processes.folder}")
    if keep:
        _keep(console, cluster, store, processes, file, environ)
    console.print("\n[bold]next[/]")
    command = Path(sys.executable).parent / "bridge"
    for typed, shows in (
        ("make demo DEMO=mnist KEEP=1", "leave it serving, for images of your own"),
        (f"{command} test {example / 'bridge.yaml'}", "the tests of the pipeline"),
        (f"less {root / 'docs' / 'mnist.md'}", "how it is made, and how to make it yours"),
    ):
        print(f"  {typed}\n      {shows}")


def _start_bridge(
    console: Console,
    processes: Processes,
    store: Store,
    file: Path,
    environ: Mapping[str, str],
) -> None:
    """Have the store notify, or be listed, and the bridge listen."""
    if not store.notifies:
        with step(console, f"bucket {BUCKET}"):
            store.client().make_bucket(bucket_name=BUCKET)
    processes.start("bridge", ["run", str(file)], port=int(environ["ADMIN_PORT"]), environ=environ)
    if store.notifies:
        with step(console, f"bucket {BUCKET}, and its notifications:"):
            said = run_bridge(environ, "objects", "notify", str(file))
        printed(console, f"bridge objects notify examples/mnist/{file.name}", said)
    model = processes["model"]
    with step(console, f"model of digits, a stand-in for TensorFlow Serving, on port {model.port}"):
        model.wait_until_listening(STEP_SECONDS)
    bridge = processes["bridge"]
    reads = "in the group mnist-bridge" if store.notifies else f"listing {BUCKET}"
    with step(console, f"bridge {reads}", meanwhile="bridge: starting"):
        bridge.wait_until_ready(STEP_SECONDS)
        if store.notifies:
            bridge.wait_until(
                lambda: "partitions assigned" in bridge.log.read_text("utf-8", "replace"),
                STEP_SECONDS,
            )


def _put(
    console: Console, processes: Processes, store: Store, folder: Path
) -> dict[str, tuple[bytes, int]]:
    """Put every image of *folder*, and one that is none; return bytes and digit by key."""
    known = {}
    with step(console, f"{COUNT} images of digits, and {NO_IMAGE[0]}, put into {BUCKET}"):
        if processes["images"].running.wait(STEP_SECONDS) != 0:
            raise DemoError(processes["images"].log.read_text("utf-8", "replace"))
        processes.stop("images")
        client = store.client()
        for file in sorted(folder.iterdir()):
            known[file.name] = (file.read_bytes(), int(file.stem[-1]))
        for name, data in [*((key, data) for key, (data, _) in known.items()), NO_IMAGE]:
            client.put_object(
                bucket_name=BUCKET,
                object_name=name,
                data=io.BytesIO(data),
                length=len(data),
                content_type=mimetypes.guess_type(name)[0] or "application/octet-stream",
            )
    return known


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filed:
    """An image in the bucket of its digit: read back from there."""

    key: str
    bucket: str
    data: bytes


def _filed(store: Store, record: Record) -> _Filed:
    """Return what lies where the event in *record* says that it does."""
    from bridge.codecs.kafka import decode

    said = orjson.loads(decode(record.headers, record.value).data or b"{}")
    bucket = f"{DIGITS}{said['digit']}"
    answer = store.client().get_object(bucket_name=bucket, object_name=said["key"])
    try:
        return _Filed(key=said["key"], bucket=bucket, data=answer.read())
    finally:
        answer.close()
        answer.release_conn()


def _show(
    console: Console,
    processes: Processes,
    found: Sequence[_Filed],
    known: Mapping[str, tuple[bytes, int]],
) -> None:
    """Draw the images with the digits found, here and on one sheet."""
    if {one.key: one.data for one in found} != {key: data for key, (data, _) in known.items()}:
        raise DemoError("what lies in the buckets of digits is not what was put")
    images = [
        Captioned(
            data=one.data,
            lines=(one.key, one.bucket),
            marked=one.bucket != f"{DIGITS}{known[one.key][1]}",
        )
        for one in sorted(found, key=lambda one: one.key)
    ]
    wrong = sum(image.marked for image in images)
    console.print()
    console.print(gallery(images, width=console.width, colour=console.color_system is not None))
    console.print(
        f"  {len(images) - wrong} of {len(images)} as they were drawn"
        + (f", and {wrong} taken for another digit (red)" if wrong else "")
        + ": the model knows 90.7 % of what it has not seen"
    )
    file = processes.folder / "digits.png"
    sheet(images, file)
    console.print(f"  all of them on one sheet: {file}")


def _displayed(record: Record) -> str:
    from bridge.codecs.kafka import decode
    from bridge.sinks.log import display

    return display(decode(record.headers, record.value))


def _keep(
    console: Console,
    cluster: Cluster,
    store: Store,
    processes: Processes,
    file: Path,
    environ: Mapping[str, str],
) -> None:
    """Say what to type, and draw what comes of it, until somebody stops it."""
    from bridge.cli.process import run_loop

    command, example = Path(sys.executable).parent / "bridge", file.parent / "images" / "7.png"
    variables = " ".join(f"{name}={value}" for name, value in environ.items())
    host = store.url.removeprefix("http://")
    console.print("\n[bold]serving until Ctrl-C;[/] to put an image of your own, any of:\n")
    print(
        f"{sys.executable} -c \"from minio import Minio; Minio(endpoint='{host}', "
        f"access_key='{store.access_key}', secret_key='{store.secret_key}', secure=False)"
        f".fput_object(bucket_name='{BUCKET}', object_name='mine.png', file_path='{example}')\"\n"
        f"mc alias set demo {store.url} {store.access_key} {store.secret_key} && "
        f"mc cp {example} demo/{BUCKET}/mine.png\n"
        f"curl --aws-sigv4 aws:amz:us-east-1:s3 --user {store.access_key}:{store.secret_key} "
        f"-H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' -T {example} {store.url}/{BUCKET}/mine.png\n"
    )
    console.print("and to look at the rest:\n")
    print(
        f"export {variables}\n"
        f"{command} dead list {file}\n"
        f"curl -s http://127.0.0.1:{environ['ADMIN_PORT']}/metrics"
    )
    console.print("\nwhat becomes of images from here on:\n")
    run_loop(_draw_what_comes(console, cluster, store, processes))


async def _draw_what_comes(
    console: Console, cluster: Cluster, store: Store, processes: Processes
) -> None:
    """Draw each image that is classified from now on, until something ends."""
    seen = COUNT
    async with aclosing(come(cluster, CLASSIFIED)) as records:
        async for found in records:
            for record in found[seen:]:
                one = _filed(store, record)
                image = Captioned(data=one.data, lines=(one.key, one.bucket))
                colour = console.color_system is not None
                console.print(gallery([image], width=console.width, colour=colour), "\n")
            seen = max(0, seen - len(found))
            if processes.ended():
                ended = ", ".join(processes.ended())
                raise DemoError(f"{ended} ended by itself: see {processes.folder}")
