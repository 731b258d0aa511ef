"""MinIO pipelines as the file says them: what is built, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.app import App, load
from bridge.core.errors import ConfigError
from bridge.sources.minio import MinioSource
from tests.fakes import FakeClock

WEBHOOK = "webhook: {port: 9001}"
LISTING = "listing: {store: {url: 'http://minio:9000'}, cursor: {bucket: cursors, key: mnist}}"
MODEL = "model: {type: rest, url: 'http://model/'}"
SINK = "sinks: [{type: http, url: 'http://sink/'}]"
LETTER = "dead_letter: {type: log, format: json}"


def built(folder: Path, *sections: str, source: str = WEBHOOK, **environ: str) -> App:
    """Return the application with one MinIO pipeline of *sections*."""
    lines = [
        f"    source: {{type: minio, buckets: [mnist], {source}}}",
        *(f"    {section}" for section in sections),
    ]
    file = folder / "bridge.yaml"
    file.write_text("\n".join(["pipelines:", "  m:", *lines]) + "\n")
    return load(file, environ, clock=FakeClock())


def problems(folder: Path, *sections: str, source: str = WEBHOOK) -> list[str]:
    """Return what is wrong, a line each, without the file."""
    with pytest.raises(ConfigError) as caught:
        built(folder, *sections, source=source)
    return [line.partition(": ")[2] for line in str(caught.value).splitlines()]


@pytest.mark.parametrize("source", [WEBHOOK, LISTING, f"{WEBHOOK}, {LISTING}"])
def test_a_minio_pipeline_is_a_source_of_its_own(tmp_path: Path, source: str) -> None:
    """Built without asking any store, whichever way objects are found, and pinged."""
    app = built(tmp_path, MODEL, SINK, LETTER, source=source)

    assert [MinioSource] == [type(one) for one, _ in app.sources]
    assert ("m", "source") in app.far_ends


def test_its_port_stays_its_own_where_the_platform_names_one(tmp_path: Path) -> None:
    """PORT is for events of a broker; MinIO's target says where it posts to."""
    ((source, _),) = built(tmp_path, MODEL, SINK, LETTER, PORT="8080").sources

    assert isinstance(source, MinioSource)


def test_it_needs_somewhere_for_refused_events_and_for_responses(tmp_path: Path) -> None:
    """It delivers again itself, and nobody waits for a reply."""
    assert any("no dead_letter" in line for line in problems(tmp_path, MODEL, SINK))
    assert any("nobody waits for a reply" in line for line in problems(tmp_path, MODEL, LETTER))
    built(tmp_path, MODEL, SINK, source=f"{WEBHOOK}, on_dead_letter: hold")


def test_two_listeners_on_one_port_are_told(tmp_path: Path) -> None:
    """Before one of them cannot listen."""
    file = tmp_path / "bridge.yaml"
    rest = f"\n    {MODEL}\n    {SINK}\n    {LETTER}\n"
    source = f"    source: {{type: minio, buckets: [mnist], {WEBHOOK}}}"
    file.write_text(f"pipelines:\n  one:\n{source}{rest}  two:\n{source}{rest}")

    with pytest.raises(ConfigError, match="9001 is the port of pipeline 'one' already"):
        load(file, {}, clock=FakeClock())


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("prefix: a", "expected webhook, listing or both"),
        (f"{LISTING}, interval_seconds: 5", "interval_seconds"),
        ("listing: {store: {url: 'http://minio:9000'}}", "cursor"),
        ("webhook: {auth: {tokens: [short]}}", "16 to 4096 printable"),
        (LISTING.replace("http://minio:9000", "minio"), "url"),
        (LISTING.replace("cursors", "mnist"), "none of buckets"),
    ],
)
def test_what_cannot_work_is_refused_before_it_runs(
    tmp_path: Path, source: str, words: str
) -> None:
    """With the option's name."""
    assert any(words in line for line in problems(tmp_path, MODEL, SINK, LETTER, source=source))


def test_no_secret_is_shown(tmp_path: Path) -> None:
    """Neither of the store nor of the webhook, whatever is wrong beside them."""
    secret = "access_key: who, secret_key: hunter2hunter2hunter2"
    store = LISTING.replace("'http://minio:9000'", f"'http://minio:9000', {secret}")
    hook = "webhook: {auth: {tokens: [hunter2hunter2hunter2]}, port: x}"

    told = problems(tmp_path, MODEL, SINK, LETTER, source=f"{store}, {hook}")

    assert told
    assert not any("hunter2" in line for line in told)
