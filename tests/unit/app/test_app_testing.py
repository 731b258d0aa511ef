"""One test of a configuration: what is replaced, what is real, and that it can fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from bridge.app import testing
from bridge.app.cases import load_cases
from bridge.config.problems import dotted
from bridge.core.errors import ConfigError
from tests.fakes_usercode import nothing_loaded

CONFIG = """\
pipelines:
  small:
    source: {type: http}
    filter: {attributes: {type: small.request}}
    transformer: {type: "steps:Steps"}
    model: {type: rest, url: "${URL:http://model}", retry: {attempts: 2, initial_seconds: 8}}
    response: {type: small.response, source: small}
    deadline_seconds: ${DEADLINE:30}
  own:
    source: {type: http, path: /own}
    model: {type: local, model: "steps:Twice"}
    response: {type: own.response, source: own}
  published:
    source: {type: http}
    filter: {attributes: {type: published.request}}
    transformer: {type: "steps:Steps"}
    response: {type: published.response, source: published}
    sinks:
      - {type: http, url: "https://sink", tls: {cert_file: gone.pem, key_file: gone.pem}}
      - {type: log}
    dead_letter: {type: http, url: "http://letters"}
  claimed:
    source: {type: http}
    filter: {attributes: {type: claimed.request}}
    transformer: {type: "steps:Steps"}
    claim_check: {stores: [{url: "https://store/a/", tls: {ca_file: gone.pem}}]}
    response: {type: claimed.response, source: claimed}
  passed:
    source: {type: http, port: 9999, tls: {cert_file: gone.pem, key_file: gone.pem}}
    filter: {attributes: {type: passed.request}}
    sinks: [{type: http, url: "http://sink"}]
"""

STEPS = """\
class Steps:
    def preprocess(self, payload, ctx):
        rows = payload.json()["rows"]
        if rows == "boom":
            raise ValueError("no rows but a boom")
        return {"asked": rows} if rows else None


class Twice:
    def predict(self, X, names):
        return X * 2
"""

#: A test that passes: what the tests below change a part of.
GOOD = {
    "event": "{attributes: {type: small.request}, data: {rows: [1]}}",
    "model": "{asked: [{data: {asked: [1]}}], answers: [{data: {x: 1, y: [0.5]}}]}",
    "expect": "{reply: {attributes: {type: small.response}, data: {x: 1, y: [0.5]}}}",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a configuration of every kind of pipeline, and its classes."""
    (tmp_path / "bridge.yaml").write_text(CONFIG)
    (tmp_path / "steps.py").write_text(STEPS)
    with nothing_loaded():
        yield tmp_path


def ran(folder: Path, **parts: str) -> testing.Ran:
    """Run one test made of *parts*."""
    lines = [f"{name}: {text}" for name, text in parts.items()]
    text = "tests:\n  - name: it\n" + indent("\n".join(lines), "    ")
    path = folder / "bridge_test.yaml"
    path.write_text(text)
    (case,) = load_cases(path, {})
    return testing.run(case)


def failures(folder: Path, **parts: str) -> list[tuple[str, str, str]]:
    """Return what is wrong with a test made of *parts*: where, expected, actual."""
    return [(dotted(one.path), one.expected, one.actual) for one in ran(folder, **parts).failures]


def test_a_test_that_is_right_passes(folder: Path) -> None:
    """The transformer is real, the model's answer given, the reply compared."""
    assert [] == failures(folder, **GOOD)


WRONG: dict[str, tuple[dict[str, str], list[tuple[str, str, str]]]] = {
    "the data differs": (
        {"expect": "{reply: {data: {x: 2, y: [0.5, 1]}}}"},
        [("expect.reply.data.x", "2", "1"), ("expect.reply.data.y[1]", "1", "nothing")],
    ),
    "a part of the data differs": (
        {"expect": "{reply: {contains: {y: [0.4]}}}"},
        [("expect.reply.contains.y[0]", "0.4", "0.5")],
    ),
    "the text differs": (
        {"expect": "{reply: {text: '{}'}}"},
        [("expect.reply.text", '"{}"', r'"{\"x\":1,\"y\":[0.5]}"')],
    ),
    "the data is no JSON": (
        {"model": "{answers: [{text: hello}]}", "expect": "{reply: {data: {x: 1}}}"},
        [("expect.reply.data", '{"x": 1}', 'no JSON: "hello"')],
    ),
    "an attribute differs": (
        {"expect": "{reply: {attributes: {type: other, bridgehops: 1, id: null, team: a}}}"},
        [
            ("expect.reply.attributes.type", '"other"', '"small.response"'),
            (
                "expect.reply.attributes.id",
                "nothing",
                '"e7fe135f-92c4-3c9f-4d1f-3c7995311faa"',
            ),
            ("expect.reply.attributes.team", '"a"', "nothing"),
        ],
    ),
    "it is filtered": (
        {"event": "{attributes: {type: small.request}, data: {rows: []}}", "model": "{asked: []}"},
        [("expect.reply", "a reply", "filtered by the transformer of pipeline 'small'")],
    ),
    "nobody takes it": (
        {"event": "{attributes: {type: x}, path: /else}", "model": "{asked: []}"},
        [
            (
                "expect.reply",
                "a reply",
                "filtered, since no pipeline takes it:\n"
                "small: filter.attributes.type: is 'x', expected 'small.request'\n"
                "own: source.path: the event comes on '/else', expected '/own'\n"
                "published: filter.attributes.type: is 'x', expected 'published.request'\n"
                "claimed: filter.attributes.type: is 'x', expected 'claimed.request'\n"
                "passed: filter.attributes.type: is 'x', expected 'passed.request'",
            )
        ],
    ),
    "it is refused": (
        {"model": "{answers: [{refuses: no such row}]}"},
        [("expect.reply", "a reply", "refused for good (rejected): no such row")],
    ),
    "an outage comes": (
        {"model": "{answers: [{unavailable: away}, {unavailable: still away}]}"},
        [("expect.reply", "a reply", "not now (unavailable): still away")],
    ),
    "the refusal does not come": (
        {"expect": "{refused: {reason: transform}}"},
        [("expect.refused", "refused", 'a reply of type "small.response"')],
    ),
    "it is refused for something else": (
        {
            "model": "{answers: [{refuses: no such row}]}",
            "expect": "{refused: {reason: transform, text: column}}",
        },
        [
            ("expect.refused.reason", '"transform"', '"rejected": no such row'),
            ("expect.refused.text", '… "column" …', '"no such row"'),
        ],
    ),
    "it is not filtered": (
        {"expect": "{filtered: true}"},
        [("expect.filtered", "filtered", 'a reply of type "small.response"')],
    ),
    "another pipeline takes it": (
        {"expect": "{taken_by: published, reply: {}}"},
        [("expect.taken_by", '"published"', '"small"')],
    ),
    "the model is asked otherwise": (
        {
            "model": "{asked: [{data: {asked: [2]}, content_type: a/b}], answers: [{data: 1}]}",
            "expect": "{reply: {}}",
        },
        [
            ("model.asked[0].content_type", '"a/b"', '"application/json"'),
            ("model.asked[0].data.asked[0]", "2", "1"),
        ],
    ),
    "the model is asked though it should not be": (
        {"model": "{asked: [], answers: [{data: {x: 1}}]}", "expect": "{reply: {}}"},
        [("model.asked", "0 requests", "1 request")],
    ),
    "the model has no answer": (
        {"model": "{}"},
        [
            (
                "model.answers",
                "an answer to request 1: a test asks no model that is elsewhere",
                r'asked "{\"asked\":[1]}"',
            )
        ],
    ),
    "the model is asked once more than it has answers": (
        {"model": "{answers: [{unavailable: away}]}"},
        [
            (
                "model.answers",
                "an answer to request 2: a test asks no model that is elsewhere",
                r'asked "{\"asked\":[1]}"',
            )
        ],
    ),
    "an answer is left over": (
        {"model": "{answers: [{data: {x: 1, y: [0.5]}}, {data: {}}]}"},
        [("model.answers", "2 requests", "1 request")],
    ),
    "the data that it refers to is not given": (
        {
            "event": "{attributes: {type: claimed.request, dataref: 'https://store/a/b'}}",
            "model": "{}",
        },
        [("event", "`fetched`: a test asks no store", "asked for /a/b")],
    ),
    "it has expired": (
        {
            "event": "{attributes: {type: small.request, expirytime: '2019-12-31T23:59:59Z'}}",
            "model": "{}",
        },
        [
            (
                "expect.reply",
                "a reply",
                "filtered by pipeline 'small': its expirytime has passed",
            )
        ],
    ),
    "it is published and not replied": (
        {"event": "{attributes: {type: published.request}, data: {rows: [1]}}", "model": "{}"},
        [("expect.reply", "a reply", "published to sinks[0], sinks[1]")],
    ),
    "what is published differs": (
        {
            "event": "{attributes: {type: published.request}, data: {rows: [1]}}",
            "model": "{}",
            "expect": "{published: {attributes: {type: x}, data: {asked: [2]}}}",
        },
        [
            ("expect.published.attributes.type", '"x"', '"published.response"'),
            ("expect.published.data.asked[0]", "2", "1"),
        ],
    ),
    "the dead letter says something else": (
        {
            "event": "{attributes: {type: published.request}, data: {rows: boom}}",
            "model": "{}",
            "expect": "{dead_letter: {reason: rejected, text: rows}}",
        },
        [
            (
                "expect.dead_letter.reason",
                '"rejected"',
                "\"transform\": Steps.preprocess: ValueError('no rows but a boom')",
            )
        ],
    ),
    "the dead letter stays empty": (
        {
            "event": "{attributes: {type: published.request}, data: {rows: [1]}}",
            "model": "{}",
            "expect": "{dead_letter: {}}",
        },
        [
            (
                "expect.dead_letter",
                "sent to the dead letter",
                "published to sinks[0], sinks[1]",
            )
        ],
    ),
    "it is sent to the dead letter": (
        {
            "event": "{attributes: {type: published.request}, data: {rows: boom}}",
            "model": "{}",
            "expect": "{published: {}}",
        },
        [
            (
                "expect.published",
                "an event published",
                "sent to the dead letter (transform): "
                "Steps.preprocess: ValueError('no rows but a boom')",
            )
        ],
    ),
}


@pytest.mark.parametrize(("parts", "told"), WRONG.values(), ids=WRONG.keys())
def test_a_test_that_is_wrong_fails(
    folder: Path, parts: dict[str, str], told: list[tuple[str, str, str]]
) -> None:
    """Each kind of expectation, by itself: where, what was expected, what is."""
    assert told == failures(folder, **{**GOOD, **parts})


RIGHT = {
    "a part of the data": {"expect": "{reply: {contains: {y: [0.5]}}}"},
    "a number nearby": {"expect": "{reply: {data: {x: 1.04, y: [0.46]}, tolerance: 0.05}}"},
    "data of a file": {"expect": "{reply: {data_file: reply.json}}"},
    "a text to the byte": {"expect": """{reply: {text: '{"x":1,"y":[0.5]}'}}"""},
    "an attribute that is not there": {"expect": "{reply: {attributes: {subject: null}}}"},
    "the time of the test": {
        "time": "2024-02-29T12:00:00.5Z",
        "expect": '{reply: {attributes: {time: "2024-02-29T12:00:00.500000000Z"}}}',
    },
    "a try again, and the time it took": {
        "model": "{answers: [{unavailable: away}, {data: {}}], asked: [{}, {}]}",
        "expect": "{reply: {attributes: {time: '2020-01-01T00:00:07.377687406Z'}}}",
    },
    "only who takes it": {"model": "{}", "expect": "{taken_by: small}"},
    "a model in this process": {
        "event": "{attributes: {type: any}, path: /own, data: {data: {ndarray: [[1, 2]]}}}",
        "model": "{asked: [{data: {data: {ndarray: [[1, 2]]}}}]}",
        "expect": "{taken_by: own, reply: {contains: {data: {ndarray: [[2, 4]]}}}}",
    },
    "a model in this process, replaced": {
        "event": "{attributes: {type: any}, path: /own, data: {}}",
        "model": "{answers: [{data: 1}]}",
        "expect": "{reply: {data: 1}}",
    },
    "a pipeline that is named gets the event on its path": {
        "pipeline": "own",
        "event": "{attributes: {type: small.request}, data: {}}",
        "model": "{answers: [{data: 1}]}",
        "expect": "{taken_by: own, reply: {attributes: {path: /own}}}",
    },
    "a pipeline that is named still filters": {
        "pipeline": "published",
        "model": "{}",
        "expect": "{filtered: true}",
    },
    "what every sink gets": {
        "event": "{attributes: {type: published.request}, data: {rows: [1]}}",
        "model": "{}",
        "expect": "{published: {attributes: {type: published.response}, data: {asked: [1]}}}",
    },
    "what the dead letter gets": {
        "event": "{attributes: {type: published.request}, data: {rows: boom}}",
        "model": "{}",
        "expect": "{dead_letter: {reason: transform, text: no rows but a boom}}",
    },
    "what passes through, with what the platform sets": {
        "environ": """{K_CE_OVERRIDES: '{"extensions": {"team": "a"}}'}""",
        "event": "{attributes: {type: passed.request}, text: hello}",
        "model": "{}",
        "expect": "{published: {attributes: {type: passed.request, team: a}, text: hello}}",
    },
    "a sender that asks for a reply gets one": {
        "environ": "{K_SINK: 'http://broker'}",
        "event": "{attributes: {type: small.request}, data: {rows: [1]}, wants_reply: true}",
    },
    "a sender that does not is not answered, where there is K_SINK": {
        "environ": "{K_SINK: 'http://broker'}",
        "expect": "{published: {attributes: {type: small.response}}}",
    },
    "data that the event refers to": {
        "event": "{attributes: {type: claimed.request, dataref: 'https://store/a/b'},"
        " fetched: {data: {rows: [7]}}}",
        "model": "{}",
        "expect": "{reply: {data: {asked: [7]}}}",
    },
    "a reference that is not below a store": {
        "event": "{attributes: {type: claimed.request, dataref: 'https://other/a/b'},"
        " fetched: {data: {rows: [7]}}}",
        "model": "{}",
        "expect": "{refused: {reason: event, text: dataref}}",
    },
    "an outage": {
        "model": "{answers: [{unavailable: away}, {unavailable: away}]}",
        "expect": "{refused: {reason: unavailable, text: away}}",
    },
    "the deadline ends the waiting": {
        "environ": "{DEADLINE: 3}",
        "model": "{answers: [{unavailable: away}]}",
        "expect": "{refused: {reason: deadline, text: not done within 3 s}}",
    },
}


@pytest.mark.parametrize("parts", RIGHT.values(), ids=RIGHT.keys())
def test_what_can_be_expected(folder: Path, parts: dict[str, str]) -> None:
    """Each form of an expectation, met; no port, no certificate, no network needed."""
    (folder / "reply.json").write_text('{"y": [0.5], "x": 1.0}')

    assert [] == failures(folder, **{**GOOD, **parts})


@pytest.mark.parametrize("name", ["a try again, and the time it took", "what every sink gets"])
def test_no_test_touches_the_network(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a name is looked up nor a connection made, and nobody listens."""

    def touched(*args: object, **options: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr("socket.getaddrinfo", touched)
    monkeypatch.setattr("asyncio.base_events.BaseEventLoop.create_connection", touched)
    monkeypatch.setattr("asyncio.base_events.BaseEventLoop.create_server", touched)

    assert [] == failures(folder, **{**GOOD, **RIGHT[name]})


OWN_KINDS = """\
from bridge.config.options import Options


class OwnOptions(Options):
    '''Nothing to say.'''


class Own:
    Options = OwnOptions

    def __init__(self, options):
        raise AssertionError("made")
"""

OWN_CONFIG = """\
pipelines:
  own:
    source: {type: "own_kinds:Own"}
    model: {type: "own_kinds:Own"}
    sinks: [{type: "own_kinds:Own"}]
    dead_letter: {type: "own_kinds:Own"}
    response: {type: a, source: b}
"""


@pytest.mark.parametrize(
    ("model", "expect", "wrong"),
    [
        ("{answers: [{data: 2}]}", "{published: {data: 2}}", []),
        ("{answers: [{refuses: no such row}]}", "{dead_letter: {text: no such row}}", []),
        ("{}", "{published: {data: 2}}", ["model.answers"]),
    ],
)
def test_a_users_own_kinds_are_replaced_too(
    folder: Path, model: str, expect: str, wrong: list[str]
) -> None:
    """Nobody knows what they would connect to: they are not even made."""
    (folder / "own_kinds.py").write_text(OWN_KINDS)
    (folder / "bridge.yaml").write_text(OWN_CONFIG)
    event = "{attributes: {type: x}, data: 1}"

    found = failures(folder, event=event, model=model, expect=expect)

    assert wrong == [where for where, _, _ in found]


def test_a_failure_has_the_line_of_what_was_expected(folder: Path) -> None:
    """Of the very value, where the file has it."""
    expect = "\n  reply:\n    data:\n      x: 1\n      y:\n        - 0.6"

    (failure,) = ran(folder, **{**GOOD, "expect": expect}).failures

    text = (folder / "bridge_test.yaml").read_text().splitlines()
    assert "- 0.6" == text[failure.line - 1].strip()


def test_one_test_leaves_nothing_to_the_next(folder: Path) -> None:
    """A transformer's own state included."""
    (folder / "steps.py").write_text(
        dedent("""
        class Steps:
            def load(self):
                self.count = 0

            def preprocess(self, payload, ctx):
                self.count += 1
                return {"asked": [self.count]}
        """)
    )

    assert [[], []] == [failures(folder, **GOOD) for _ in range(2)]


def test_a_refusal_comes_with_the_error(folder: Path) -> None:
    """So that whoever shows it can name the user's line."""
    event = "{attributes: {type: small.request}, data: {rows: boom}}"

    refused: Any = ran(folder, **{**GOOD, "event": event}).refused

    assert "Steps.preprocess: ValueError('no rows but a boom')" == str(refused)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"pipeline": "smal"}, "bridge_test.yaml:6: tests[0].pipeline: no pipeline 'smal'; did"),
        (
            {"expect": "{taken_by: smal}"},
            "bridge_test.yaml:5: tests[0].expect.taken_by: no pipeline 'smal'; did you mean",
        ),
        ({"environ": "{DEADLINE: x}"}, "bridge.yaml:8: pipelines.small.deadline_seconds: "),
        ({"environ": "{K_SINK: x}"}, "environment variable K_SINK: "),
    ],
)
def test_a_configuration_that_cannot_work_is_no_failure(
    folder: Path, parts: dict[str, str], told: str
) -> None:
    """It is told as `bridge check` tells it: nothing was tested."""
    with pytest.raises(ConfigError) as caught:
        ran(folder, **{**GOOD, **parts})

    assert told in str(caught.value)
