"""`bridge try`: one event through transformer and model, each stage shown."""

import base64
import json
import re

import pytest

FILE = """\
pipelines:
  small:
    source: {type: http}
    filter: {attributes: {type: small.request}}
    transformer: {type: "steps:Steps"}
    model: {type: local, model: "steps:Twice"}
    response: {type: small.response, source: small}
  raw:
    source: {type: http}
    filter: {attributes: {type: raw.request}}
    transformer: {type: "steps:Raw"}
    response: {type: raw.response, source: raw}
"""

STEPS = """\
print("imported")


class Steps:
    def preprocess(self, payload, ctx):
        print("asked")
        rows = payload.json()["rows"]
        if not rows:
            return None
        if rows == "boom":
            raise ValueError("no rows but a boom")
        if rows == "down":
            raise ConnectionError("the store is away")
        return {"data": {"ndarray": rows}}


class Twice:
    def predict(self, X, names):
        return X * 2


class Raw:
    def preprocess(self, payload, ctx):
        from bridge import Body
        return Body(bytes([0, 255]) * 2, None)

    def postprocess(self, payload, ctx):
        from bridge import Body
        return Body(("ä" * 2500 + "\\x1b[2J").encode(), "text/plain")
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A file with two pipelines and their classes beside it."""
    for name in ("PORT", "K_SINK", "K_CE_OVERRIDES", "K_CA_CERTS", "NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "steps.py").write_text(STEPS)
    (tmp_path / "bridge.yaml").write_text(FILE)
    return tmp_path / "bridge.yaml"


def event(file, rows, type="small.request"):
    """Write an event with *rows* and return its file."""
    attributes = {"specversion": "1.0", "id": "1", "source": "s", "type": type}
    path = file.parent / "event.json"
    path.write_text(json.dumps({**attributes, "data": {"rows": rows}}))
    return path


def stages(out):
    """Return the headings of what was printed."""
    return [line.removeprefix("── ") for line in out.splitlines() if line.startswith("── ")]


def test_each_stage_is_shown_with_its_payload(bridge, file):
    """The event, what each step made, and the response event; nothing is published."""
    ended = bridge("try", file, event(file, [[1, 2.50]]))

    assert (0, "") == (ended.status, ended.err)
    assert [
        "event, taken by pipeline small",
        "preprocess → application/json",
        "model → application/json",
        "response event",
    ] == [re.sub(r", \d+ bytes$", "", stage) for stage in stages(ended.out)]
    assert '\n{"data":{"ndarray":[[1,2.5]]}}\n' in ended.out
    assert "[[2.0,5.0]]" in ended.out
    assert "  type: small.response\n" in ended.out


def test_a_filtered_event_is_no_failure(bridge, file):
    """A transformer that returns None has nothing to say: status 0."""
    ended = bridge("try", file, event(file, []))

    assert 0 == ended.status
    assert ["event, taken by pipeline small", "filtered"] == stages(ended.out)


def test_an_expired_event_is_filtered_as_it_would_be(bridge, file):
    """And says until when it was of use; no stage is run."""
    path = event(file, [[1]])
    path.write_text(path.read_text().replace('"id"', '"expirytime": "2020-01-31T12:00:00Z", "id"'))

    ended = bridge("try", file, path)

    assert 0 == ended.status
    assert ["event, taken by pipeline small", "filtered"] == stages(ended.out)
    assert "expirytime 2020-01-31T12:00:00Z has passed" in ended.out


def test_a_claim_that_nothing_allows_is_refused_as_it_would_be(bridge, file):
    """The option that would allow it is in the text; no stage is run."""
    path = event(file, [[1]])
    attributes = json.loads(path.read_text())
    del attributes["data"]
    path.write_text(json.dumps({**attributes, "dataref": "http://store/1"}))

    ended = bridge("try", file, path)

    assert 1 == ended.status
    assert ["event, taken by pipeline small", "refused for good (event)"] == stages(ended.out)
    assert "`claim_check`" in ended.out


@pytest.mark.parametrize(
    ("rows", "verdict", "said"),
    [
        ("boom", "refused for good (transform)", "Steps.preprocess: ValueError('no rows but a"),
        ("down", "not now (unavailable): it would be delivered again", "the store is away"),
        ([["x"]], "refused for good (rejected)", "Twice"),
    ],
)
def test_a_refusal_is_shown_with_what_it_means(bridge, file, rows, verdict, said):
    """Status 1, and whether the sender would try again; no traceback."""
    ended = bridge("try", file, event(file, rows))

    assert 1 == ended.status
    assert verdict == stages(ended.out)[-1]
    assert said in ended.out
    assert "Traceback" not in ended.out + ended.err


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ("boom", 'raise ValueError("no rows but a boom")'),
        ("down", 'raise ConnectionError("the store is away")'),
        ([[1, 2], [3, 4]], "return numpy.linalg.inv(X[:, :1])"),
    ],
)
def test_a_refusal_by_users_code_names_the_line(bridge, file, rows, line):
    """The last one of the user's own, whatever library it called."""
    steps = file.parent / "steps.py"
    inverse = "import numpy\n        return numpy.linalg.inv(X[:, :1])"
    steps.write_text(STEPS.replace("return X * 2", inverse))
    number = 1 + [text.strip() for text in steps.read_text().splitlines()].index(line)

    ended = bridge("try", file, event(file, rows))

    assert 1 == ended.status
    assert f"\n{steps}:{number}: {line}\n" in ended.out


def test_a_refusal_that_no_users_code_raised_names_no_line(bridge, file):
    """The model's own check of a payload is nobody's line."""
    ended = bridge("try", file, event(file, [["x"], [1, 2]]))

    assert 1 == ended.status
    assert ".py:" not in ended.out


def test_a_program_gets_the_stages_as_json(bridge, file):
    """One document, whatever the classes print: the pipeline, each stage, and the verdict."""
    ended = bridge("try", file, event(file, "boom"), "--output", "json")

    told = json.loads(ended.out)
    assert (1, "imported\nasked\n") == (ended.status, ended.err)
    assert ("small", True) == (told["pipeline"], told["refused"])
    assert ["event, taken by pipeline small", "refused for good (transform)"] == [
        stage["stage"] for stage in told["stages"]
    ]


def test_a_payload_that_is_no_text_is_shown_in_hexadecimal(bridge, file):
    """And a long one is cut between two letters, its control codes shown and not obeyed."""
    ended = bridge("try", file, event(file, 1, "raw.request"))

    assert 0 == ended.status, ended.err
    assert "── preprocess → no media type, 4 bytes\n00 ff 00 ff\n" in ended.out
    assert "ä\n… 1004 bytes more\n" in ended.out
    assert "\x1b" not in ended.out


def test_an_image_was_shown_to_its_last_byte(bridge, tmp_path):
    """Of a long text among a tensor's values the beginning is shown, and how long it is."""
    model = {"type": "rest", "url": "http://127.0.0.1:9", "timeout_seconds": 5}
    steps = {"source": {"type": "http"}, "model": model, "response": {"type": "r", "source": "/"}}
    file = tmp_path / "image.yaml"
    file.write_text(json.dumps({"pipelines": {"image": steps}}))
    said = {"specversion": "1.0", "id": "1", "source": "s", "type": "t"}
    image = base64.b64encode(bytes([0, 255]) * 100_000).decode()
    asked = tmp_path / "image.json"
    asked.write_text(json.dumps({**said, "data": {"binData": image}}))

    ended = bridge("try", file, asked)

    (shown,) = re.findall(r"^input  BYTES \[1\]  .*$", ended.out, re.MULTILINE)
    assert shown.endswith("\\xff'… 200000 bytes")
    assert len(shown) < 1000


def test_an_event_that_no_pipeline_takes_is_a_mistake_of_the_command(bridge, file):
    """What each pipeline would have needed is said, and how to try all the same."""
    ended = bridge("try", file, event(file, 1, "other"))

    assert 2 == ended.status
    assert (
        "no pipeline takes the event (type 'other', source 's'): "
        "try one all the same with --pipeline (raw, small)\n"
        "small: filter.attributes.type: is 'other', expected 'small.request'\n"
        "raw: filter.attributes.type: is 'other', expected 'raw.request'\n" == ended.err
    )


def test_a_pipeline_that_is_named_is_tried_whatever_its_filter_says(bridge, file):
    """And the heading says that the filter would not have let the event through."""
    ended = bridge("try", file, event(file, [[1]], "other"), "--pipeline", "small")

    assert 0 == ended.status
    assert "event, that the filter would not let through, to pipeline small" == stages(ended.out)[0]


def test_a_pipeline_that_is_not_there_is_told_the_nearest(bridge, file):
    """Status 2."""
    ended = bridge("try", file, event(file, 1), "--pipeline", "smal")

    assert 2 == ended.status
    assert "no pipeline 'smal'; did you mean 'small'? (known: raw, small)\n" == ended.err


def test_more_than_one_event_is_refused(bridge, file):
    """Which one would be shown?"""
    path = event(file, 1)
    path.write_text(f"[{path.read_text()}, {path.read_text()}]")

    ended = bridge("try", file, path)

    assert 2 == ended.status
    assert f"{path}: 2 events: expected one\n" == ended.err
