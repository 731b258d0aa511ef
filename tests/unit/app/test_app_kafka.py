"""Kafka pipelines as the file says them: what is built, and what is refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from bridge.app import App, load
from bridge.core.errors import ConfigError
from bridge.sources.kafka import KafkaSource
from tests.fakes import FakeClock

SOURCE = "{type: kafka, bootstrap_servers: 'kafka:9092', topics: [in], group_id: g%s}"
MODEL = "model: {type: rest, url: 'http://model/'}"
SINK = "sinks: [{type: http, url: 'http://sink/'}]"
LETTER = "dead_letter: {type: log, format: json}"


def built(folder: Path, *sections: str, source: str = "", **environ: str) -> App:
    """Return the application with one Kafka pipeline of *sections*."""
    lines = [f"    source: {SOURCE % source}", *(f"    {section}" for section in sections)]
    file = folder / "bridge.yaml"
    file.write_text("\n".join(["pipelines:", "  k:", *lines]) + "\n")
    return load(file, environ, clock=FakeClock())


def problems(folder: Path, *sections: str, source: str = "") -> list[str]:
    """Return what is wrong, a line each, without the file."""
    with pytest.raises(ConfigError) as caught:
        built(folder, *sections, source=source)
    return [line.partition(": ")[2] for line in str(caught.value).splitlines()]


def test_a_kafka_pipeline_is_a_source_of_its_own(tmp_path: Path) -> None:
    """Built without asking any broker, and pinged like every far end."""
    app = built(tmp_path, MODEL, SINK, LETTER)

    assert [KafkaSource] == [type(source) for source, _ in app.sources]
    assert ("k", "source") in app.far_ends


def test_every_kafka_pipeline_has_somewhere_for_refused_events(tmp_path: Path) -> None:
    """Or says that they stop their key."""
    told = problems(tmp_path, MODEL, SINK)

    assert [
        "pipelines.k: no dead_letter: expected a sink for events that are refused, or "
        "`on_dead_letter: hold` in source"
    ] == told
    built(tmp_path, MODEL, SINK, source=", on_dead_letter: hold")


def test_nobody_waits_for_a_reply(tmp_path: Path) -> None:
    """A response needs a sink, or K_SINK."""
    expected = "nobody waits for a reply: expected sinks, or K_SINK"

    assert [f"pipelines.k: {expected}"] == problems(tmp_path, MODEL, LETTER)
    assert [f"pipelines.k.reply: {expected}"] == problems(
        tmp_path, MODEL, SINK, LETTER, "reply: always"
    )
    built(tmp_path, MODEL, LETTER, K_SINK="http://broker/")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (", order: sideways", "order: "),
        (", topic: in", "did you mean 'topics'?"),
        (", max_in_flight: 0", "max_in_flight: "),
        (", sasl: {username: u}", "expected exactly one of password and password_file"),
        (
            ", sasl: {mechanism: PLAIN, username: u, password: hunter2}",
            "PLAIN sends the password as it is: expected tls as well",
        ),
        (", sasl: {username: u, password_file: /nowhere}", "password_file '/nowhere'"),
        (", tls: {ca_file: /nowhere}", "ca_file '/nowhere'"),
    ],
)
def test_what_cannot_work_is_refused_before_it_runs(
    tmp_path: Path, source: str, words: str
) -> None:
    """With the option, and never the password."""
    assert any(words in line for line in problems(tmp_path, MODEL, SINK, LETTER, source=source))


@pytest.mark.parametrize("address", ["kafka", "kafka:", "http://kafka:9092", "a:1,,b:2", "a b:1"])
def test_an_address_that_is_none_is_named(tmp_path: Path, address: str) -> None:
    """And what is expected."""
    file = tmp_path / "bridge.yaml"
    file.write_text(
        "pipelines:\n  k:\n    source: "
        + (SOURCE % "").replace("kafka:9092", address)
        + f"\n    {MODEL}\n    {SINK}\n    {LETTER}\n"
    )

    with pytest.raises(ConfigError, match="expected host:port, several with commas"):
        load(file, {}, clock=FakeClock())


def test_a_sink_must_give_up_before_the_event_does(tmp_path: Path) -> None:
    """Or an event cut off while it is written would be written once more by each try."""
    sink = (
        "sinks: [{type: kafka, bootstrap_servers: 'kafka:9092', topic: out, timeout_seconds: 30}]"
    )

    told = problems(tmp_path, MODEL, sink, LETTER)

    assert [True] == [
        line.startswith("pipelines.k.sinks[0].timeout_seconds: 30 s is no less than deadline")
        for line in told
    ]
    built(tmp_path, MODEL, sink, LETTER, "deadline_seconds: 31")


def test_a_client_that_is_not_installed_is_told_before_any_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`bridge check` found no mistake, and `bridge run` ended with a traceback."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    told = problems(tmp_path, MODEL, SINK, LETTER)

    assert [
        "pipelines.k.source: aiokafka is not installed: expected the extra inference-bridge[kafka]"
    ] == told


def test_what_is_to_be_held_is_not_settled_by_an_error_event(tmp_path: Path) -> None:
    """The one keeps its key from going on, the other lets it."""
    told = problems(
        tmp_path, MODEL, SINK, "response: {error_type: failed}", source=", on_dead_letter: hold"
    )

    assert [
        "pipelines.k.response.error_type: an error event settles what `on_dead_letter: hold` in "
        "source is to hold: expected one of them"
    ] == told
    built(tmp_path, MODEL, SINK, LETTER, "response: {error_type: failed}")


@pytest.mark.parametrize(
    ("topics", "group", "told"),
    [("[in, more]", "g", True), ("[in]", "other", False), ("[more]", "g", False)],
)
def test_pipelines_that_share_a_topic_out_are_warned_of(
    tmp_path: Path, topics: str, group: str, told: bool
) -> None:
    """What one of them filters never reaches the other, and is settled all the same."""
    file = tmp_path / "bridge.yaml"
    source = "{type: kafka, bootstrap_servers: 'kafka:9092', topics: %s, group_id: %s}"
    rest = f"    {MODEL}\n    {SINK}\n    {LETTER}\n"
    file.write_text(
        f"pipelines:\n  a:\n    source: {source % ('[in]', 'g')}\n{rest}"
        f"  b:\n    source: {source % (topics, group)}\n{rest}"
    )

    warnings = load(file, {}, clock=FakeClock()).warnings

    expected = (
        "pipelines 'a' and 'b' read topic 'in' in one group, 'g': each event reaches one of them "
        "only, whatever their filters say; expected a group of its own for each"
    )
    assert ([expected] if told else []) == list(warnings)
