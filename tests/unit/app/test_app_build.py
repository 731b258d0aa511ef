"""A file to objects: what is handed to whom, and what is told where nothing can be built."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent, indent

import pytest

from bridge import Body, Event, Origin, Request, TransformError
from bridge.app import App, load
from bridge.core.errors import ConfigError
from tests.fakes import FakeClock

HTTP = "source: {type: http, port: 0}"
MODEL = "model: {type: rest, url: 'http://model/'}"

#: A model of a user's own that shows which parts of the process it was handed.
OWN_MODEL = """
from bridge.config.options import Options

class OwnOptions(Options):
    '''A model that keeps what it is given.'''

class Own:
    Options = OwnOptions

    def __init__(self, options, *, folder, clock, chance):
        self.given = (folder, clock, chance)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc):
        pass

    async def ping(self):
        pass

    async def predict(self, request):
        return request.payload

class Plain(Own):
    def __init__(self, options):
        self.given = ()

class Wants(Own):
    def __init__(self, options):
        from bridge.core.errors import ConfigError
        raise ConfigError("needs the moon")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a user's own kinds in it."""
    (tmp_path / "own_kinds.py").write_text(OWN_MODEL)
    return tmp_path


def built(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> App:
    """Return the application of the file *text*."""
    file = folder / "bridge.yaml"
    file.write_text(dedent(text))
    return load(file, environ or {}, clock=FakeClock())


def pipelines(**sections: str) -> str:
    """Return a file with these pipelines."""
    lines = ["pipelines:"]
    for name, section in sections.items():
        lines += [f"  {name}:", indent(dedent(section).strip(), "    ")]
    return "\n".join(lines) + "\n"


def problems(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """Return what is wrong with the file *text*, a line each, without the folder."""
    with pytest.raises(ConfigError) as caught:
        built(folder, text, environ)
    return [line.replace(f"{folder}/", "") for line in str(caught.value).splitlines()]


def test_a_pipeline_is_built_with_what_it_connects_to(folder: Path) -> None:
    """Each far end is a component under the name of its section; nothing is entered."""
    text = pipelines(
        iris=f"""
        {HTTP}
        {MODEL}
        sinks: [{{type: log}}, {{type: http, url: 'http://sink/'}}]
        dead_letter: {{type: http, url: 'http://letters/'}}
        """
    )

    app = built(folder, text)

    assert list(app.lines) == ["iris"]
    assert list(app.lines["iris"].components) == ["model", "sinks.0", "sinks.1", "dead_letter"]
    assert len(app.sources) == 1
    assert app.health.ready is False
    assert app.ledger.balanced()


def test_a_component_is_handed_the_parts_it_names(folder: Path) -> None:
    """By keyword, what its constructor asks for and nothing else."""
    text = pipelines(
        asks=f"{HTTP}\nmodel: {{type: 'own_kinds:Own'}}",
        plain=f"{HTTP}\nmodel: {{type: 'own_kinds:Plain'}}",
    )

    app = built(folder, text)

    given_folder, clock, chance = app.lines["asks"].components["model"]._component.given  # type: ignore[attr-defined]  # the user's own
    assert given_folder == folder
    assert clock is app.clock
    assert isinstance(chance, random.Random)
    assert app.lines["plain"].components["model"]._component.given == ()  # type: ignore[attr-defined]  # the user's own


def test_a_component_that_refuses_its_section_is_a_problem_at_its_line(folder: Path) -> None:
    """What a constructor raises is told like any other mistake of the file."""
    text = pipelines(iris=f"{HTTP}\nmodel: {{type: 'own_kinds:Wants'}}")

    assert problems(folder, text) == ["bridge.yaml:4: pipelines.iris.model: needs the moon"]


@pytest.mark.parametrize("section", [HTTP, f"{HTTP}\nfilter: {{attributes: {{type: a}}}}"])
def test_a_pipeline_that_does_nothing_is_a_problem(folder: Path, section: str) -> None:
    """Without model, transformer, response, sinks and K_SINK an event would only vanish."""
    (problem,) = problems(folder, pipelines(idle=section))

    assert problem.endswith(
        "pipelines.idle: nothing to do: expected a model, a transformer, sinks, or K_SINK"
    )
    assert problem.startswith("bridge.yaml:2: ")


@pytest.mark.parametrize("section", ["sinks: [{type: log}]", "response: {type: x}", MODEL])
def test_any_of_these_is_something_to_do(folder: Path, section: str) -> None:
    """A sink makes a display, a response a translator, a model a subscriber."""
    app = built(folder, pipelines(one=f"{HTTP}\n{section}"))

    assert list(app.lines) == ["one"]


def test_an_event_that_is_passed_on_cannot_be_its_own_reply(folder: Path) -> None:
    """`reply: always` without anything that makes a response is a loop through the broker."""
    text = pipelines(one=f"{HTTP}\nsinks: [{{type: log}}]\nreply: always")

    (problem,) = problems(folder, text)

    assert problem.startswith("bridge.yaml:5: pipelines.one.reply: ")
    assert "its own reply" in problem


def test_k_sink_stands_in_for_sinks(folder: Path) -> None:
    """It is a component of its own, and only where the file names no sinks."""
    text = pipelines(
        passes=HTTP,
        answers=f"{HTTP}\n{MODEL}",
        publishes=f"{HTTP}\n{MODEL}\nsinks: [{{type: log}}]",
    )

    app = built(folder, text, {"K_SINK": "http://broker/"})

    asks_none, asks = Event({"id": "1"}), Event({"id": "1"}, None, Origin(wants_reply=True))
    replies = {
        name: (line.pipeline.replies(asks_none), line.pipeline.replies(asks))
        for name, line in app.lines.items()
    }
    assert {name: "k_sink" in line.components for name, line in app.lines.items()} == {
        "passes": True,
        "answers": True,
        "publishes": False,
    }
    assert replies == {
        "passes": (False, False),
        "answers": (False, True),
        "publishes": (False, False),
    }


def test_the_seldon_source_always_answers(folder: Path) -> None:
    """A plain caller waits for its prediction, whatever the platform says of sinks."""
    text = pipelines(iris=f"source: {{type: seldon, port: 0}}\n{MODEL}")

    app = built(folder, text, {"K_SINK": "http://broker/"})

    assert app.lines["iris"].pipeline.replies(Event({"id": "1"}))
    assert "k_sink" not in app.lines["iris"].components


def test_pipelines_of_one_port_share_a_listener(folder: Path) -> None:
    """One source for two pipelines; a pipeline on another port has its own."""
    text = pipelines(
        one=f"source: {{type: http, port: 9001}}\n{MODEL}",
        two=f"source: {{type: http, port: 9001, path: /two}}\n{MODEL}",
        other=f"source: {{type: http, port: 9002}}\n{MODEL}",
    )

    app = built(folder, text)

    assert len(app.sources) == 2
    assert sorted(app.ledger.sources) == ["http:9001", "other"]


def test_each_port_zero_is_a_port_of_its_own(folder: Path) -> None:
    """0 picks a free one for each, so there is nothing to share."""
    app = built(folder, pipelines(one=f"{HTTP}\n{MODEL}", two=f"{HTTP}\n{MODEL}"))

    assert len(app.sources) == 2


def test_pipelines_that_share_a_port_must_agree_on_everything_but_the_path(folder: Path) -> None:
    """The problem stands at the later one and names both."""
    text = pipelines(
        one=f"source: {{type: http, port: 9001, max_in_flight: 5}}\n{MODEL}",
        two=f"source: {{type: http, port: 9001, path: /two, max_in_flight: 6}}\n{MODEL}",
    )

    (problem,) = problems(folder, text)

    assert problem == (
        "bridge.yaml:6: pipelines.two.source.max_in_flight: differs from that of pipeline 'one', "
        "which listens on the same port 9001: expected the same"
    )


@pytest.mark.parametrize(
    ("first", "second", "shaded"),
    [
        ("", "", True),
        ("", "filter: {attributes: {type: a}}", True),
        ("filter: {attributes: {type: a}}", "", False),
    ],
)
def test_a_pipeline_that_never_gets_an_event_is_warned_of(
    folder: Path, first: str, second: str, shaded: bool
) -> None:
    """Behind one that takes everything nothing is left."""
    source = "source: {type: http, port: 9001}"
    text = pipelines(one=f"{source}\n{MODEL}\n{first}", two=f"{source}\n{MODEL}\n{second}")

    app = built(folder, text)

    expected = ["pipeline 'two' never gets an event: 'one' before it takes everything"]
    assert app.warnings == (expected if shaded else [])


def test_another_path_is_not_in_the_shade(folder: Path) -> None:
    """The path picks before any filter."""
    text = pipelines(
        one=f"source: {{type: http, port: 9001, path: /one}}\n{MODEL}",
        two=f"source: {{type: http, port: 9001, path: /two}}\n{MODEL}",
    )

    assert built(folder, text).warnings == []


@pytest.mark.parametrize(
    ("section", "environ", "port"),
    [
        ("{type: http}", {}, 8080),
        ("{type: http}", {"PORT": "9999"}, 9999),
        ("{type: http, port: 9001}", {"PORT": "9999"}, 9001),
        ("{type: http}", {"PORT": ""}, 8080),
    ],
)
def test_the_platforms_port_is_a_default(
    folder: Path, section: str, environ: dict[str, str], port: int
) -> None:
    """PORT stands in where the file gives no port; the file wins."""
    text = pipelines(
        one=f"source: {section}\n{MODEL}",
        two=f"source: {section}\n{MODEL}\nfilter: {{attributes: {{type: a}}}}",
    )

    app = built(folder, text, environ)

    assert list(app.ledger.sources) == [f"http:{port}"]


def test_a_response_that_would_come_back_is_a_problem(folder: Path) -> None:
    """The pipeline's own filter accepts its own response: found before the first event."""
    text = pipelines(
        iris=f"""
        {HTTP}
        filters: [{{prefix: {{type: seldon.}}}}]
        {MODEL}
        response: {{preset: seldon}}
        """
    )

    (problem,) = problems(folder, text)

    assert problem.startswith("bridge.yaml:6: pipelines.iris.response: the response would be taken")
    assert "'seldon.iris.response' from 'seldon.iris'" in problem


def test_a_templated_response_can_only_be_judged_at_run_time(folder: Path) -> None:
    """What depends on the event is no problem of the file."""
    text = pipelines(
        iris=f"""
        {HTTP}
        filters: [{{prefix: {{type: seldon.}}}}]
        {MODEL}
        response: {{type: "{{subject}}"}}
        """
    )

    assert list(built(folder, text).lines) == ["iris"]


def test_a_preset_that_needs_a_namespace_says_so(folder: Path) -> None:
    """With its line, and the variable that is missing; with NAMESPACE it is built."""
    text = pipelines(
        iris=f"""
        {HTTP}
        {MODEL}
        response: {{preset: seldon_namespaced}}
        """
    )

    (problem,) = problems(folder, text)

    assert problem.startswith("bridge.yaml:5: pipelines.iris.response: ")
    assert problem.endswith("set the environment variable NAMESPACE")
    assert list(built(folder, text, {"NAMESPACE": "flowers"}).lines) == ["iris"]


def test_everything_wrong_is_told_at_once(folder: Path) -> None:
    """One line a mistake, in the file's order, whichever section and pipeline it is in."""
    text = """\
    pipelines:
      one:
        source: {type: htp}
        model: {type: rest}
      two:
        source: {type: http, port: 0}
        filters: [{prefix: {Type: x}}]
        transformer: {type: "nowhere:Class"}
        model: {type: rest, url: "ftp://model/"}
        sinks: [{type: log, format: xml}, {type: http, url: "http://s/", headers: {"a b": x}}]
        response: {preset: seldon_namespaced}
      three:
        source: {type: http, port: 0}
    """

    found = problems(folder, text)

    assert [line.split(": ")[:2] for line in found] == [
        ["bridge.yaml:3", "pipelines.one.source.type"],
        ["bridge.yaml:4", "pipelines.one.model.url"],
        ["bridge.yaml:7", "pipelines.two.filters"],
        ["bridge.yaml:8", "pipelines.two.transformer"],
        ["bridge.yaml:9", "pipelines.two.model"],
        ["bridge.yaml:10", "pipelines.two.sinks[0].format"],
        ["bridge.yaml:10", "pipelines.two.sinks[1]"],
        ["bridge.yaml:11", "pipelines.two.response"],
        ["bridge.yaml:12", "pipelines.three"],
    ]


def test_every_file_that_is_missing_is_told_at_once(folder: Path) -> None:
    """A certificate and a token of the source, and beside them those of the model."""
    text = """\
    pipelines:
      one:
        source:
          {type: http, port: 0, tls: {cert_file: no.crt, key_file: no.key},
           auth: {token_files: [first.token, second.token]}}
        model: {type: rest, url: "https://m/", token_file: model.token, tls: {ca_file: no.ca}}
        response: {preset: seldon}
    """

    source, model = problems(folder, text)

    assert source.startswith("bridge.yaml:3: pipelines.one.source: ")
    assert [name in source for name in ("no.crt", "first.token", "second.token")] == [True] * 3
    assert model.startswith("bridge.yaml:6: pipelines.one.model: ")
    assert [name in model for name in ("model.token", "no.ca")] == [True] * 2


def test_what_is_wrong_with_the_platform_is_told(folder: Path) -> None:
    """A variable that makes no sense is a ConfigError that names it."""
    (problem,) = problems(folder, pipelines(one=f"{HTTP}\n{MODEL}"), {"PORT": "http"})

    assert problem == "environment variable PORT: expected a port number, found 'http'"


def test_a_pipeline_behind_one_with_the_same_filter_is_warned_of(folder: Path) -> None:
    """The first in the file takes them all."""
    same = "filter: {attributes: {type: t}}"
    text = pipelines(
        one=f"source: {{type: http, port: 9001}}\n{same}\n{MODEL}",
        two=f"source: {{type: http, port: 9001}}\n{same}\n{MODEL}",
        three=f"source: {{type: http, port: 9001}}\nfilter: {{attributes: {{type: u}}}}\n{MODEL}",
    )

    expected = ["pipeline 'two' never gets an event: 'one' before it takes the same events"]
    assert built(folder, text).warnings == expected


def test_two_listeners_on_one_port_are_a_problem(folder: Path) -> None:
    """Found before anybody listens; the second one's line is named."""
    text = pipelines(
        one=f"source: {{type: seldon}}\n{MODEL}",
        two=f"source: {{type: seldon}}\n{MODEL}",
    )

    expected = ["bridge.yaml:6: pipelines.two.source.port: 9000 is the port of pipeline 'one' "]
    assert [line[: len(expected[0])] for line in problems(folder, text)] == expected


async def test_a_users_own_kind_raises_no_error_that_nobody_knows(folder: Path) -> None:
    """What it raises names class and method, and is no bug of ours."""
    (folder / "failing.py").write_text(
        "from own_kinds import Own\n\n"
        "class Failing(Own):\n"
        "    async def predict(self, request):\n"
        "        raise KeyError('x')\n"
    )
    text = pipelines(iris=f"{HTTP}\nmodel: {{type: 'failing:Failing'}}")
    model = built(folder, text).lines["iris"].pipeline.model
    assert model is not None

    with pytest.raises(TransformError, match=r"Failing\.predict: KeyError\('x'\)"):
        await model.predict(Request(Body(b"1"), "1"))


async def test_what_the_platform_overrides_is_set_on_events_that_are_passed_on(
    folder: Path,
) -> None:
    """K_CE_OVERRIDES is for every event that goes out, responses or not."""
    environ = {"K_SINK": "http://sink/", "K_CE_OVERRIDES": '{"extensions": {"team": "a"}}'}
    pipeline = built(folder, pipelines(forward=HTTP), environ).lines["forward"].pipeline
    event = Event.of(id="1", source="s", type="t")

    passed = await pipeline.response(event)

    assert passed == event.replace(team="a")


def test_the_admin_pages_and_a_source_cannot_share_a_port(folder: Path) -> None:
    """Found by check, and not when the second one starts to listen."""
    text = pipelines(one=f"source: {{type: http, port: 8081}}\n{MODEL}")

    assert ["8081 is the port of the admin pages already"] == [
        line.rpartition("port: ")[2].partition(":")[0] for line in problems(folder, text)
    ]


def test_what_the_platform_says_wrong_is_told_with_the_rest(folder: Path) -> None:
    """One run shows the mistakes of file and environment."""
    text = pipelines(one=f"source: {{type: http, prot: 1}}\n{MODEL}")

    found = problems(folder, text, {"PORT": "x", "K_SINK": "y"})

    assert [True, True, True] == [
        words in line
        for words, line in zip(("variable PORT", "variable K_SINK", "prot"), found, strict=True)
    ]


@pytest.mark.parametrize(
    ("section", "told"),
    [
        (
            "filters: [{prefix: {type: iris.f}}]\nresponse: {error_type: iris.failed}",
            "the error event would be taken for a request: the pipeline's own filter accepts",
        ),
        (
            "response: {type: iris.done, error_type: iris.done}",
            "nobody could tell an error event from a response: expected another type",
        ),
        ("response: {error_type: '{namespace}.x'}", "needs a namespace"),
        ("response: {error_type: '{nme}.x'}", "unknown placeholder {nme}"),
    ],
    ids=["comes back", "a response's", "no namespace", "no template"],
)
def test_an_error_type_that_cannot_work_is_a_problem(folder: Path, section: str, told: str) -> None:
    """With the option's own line, before the first event is refused."""
    (problem,) = problems(folder, pipelines(iris=f"{HTTP}\n{MODEL}\n{section}"))

    assert "pipelines.iris.response.error_type: " in problem
    assert told in problem


def test_callers_who_are_answered_themselves_get_no_error_events(folder: Path) -> None:
    """A Seldon client would take the event for a prediction."""
    text = f"source: {{type: seldon, port: 0}}\n{MODEL}\nresponse: {{error_type: iris.failed}}"

    (problem,) = problems(folder, pipelines(iris=text))

    assert "response.error_type: a seldon source answers its callers" in problem


def test_each_store_of_a_claim_check_is_a_component(folder: Path) -> None:
    """So it is entered, pinged and shown like any far end."""
    stores = "claim_check: {stores: [{url: 'http://store/a/'}, {url: 'http://store/b/'}]}"

    app = built(folder, pipelines(iris=f"{HTTP}\n{MODEL}\n{stores}"))

    names = ["claim_check.stores.0", "claim_check.stores.1", "model"]
    assert names == list(app.lines["iris"].components)
    assert "claim_check" in app.ledger.pipeline("iris").steps


@pytest.mark.parametrize("url", ["ftp://store/", "http://store/a/../b", "http://store/?list"])
def test_a_store_that_could_be_read_in_two_ways_is_a_problem(folder: Path, url: str) -> None:
    """What may be asked is said plainly, or not at all."""
    stores = f"claim_check: {{stores: [{{url: '{url}'}}]}}"

    (problem,) = problems(folder, pipelines(iris=f"{HTTP}\n{MODEL}\n{stores}"))

    assert "pipelines.iris.claim_check.stores" in problem
    assert ": url is" in problem
