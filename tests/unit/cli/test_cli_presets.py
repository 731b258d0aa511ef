"""The commands that are pipelines: files that nobody has to write."""

from pathlib import Path

import pytest

from bridge.app import presets
from bridge.core.errors import ConfigError
from tests.fakes_usercode import nothing_loaded

IRIS = Path(__file__).parents[3] / "examples" / "iris"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Iris.py:Iris", "iris"),
        ("models.iris:My_Model", "my-model"),
        ("m:_Hidden_", "hidden"),
        ("m:Größe", "gr-e"),
        ("m:___", "model"),
        ("m:" + "A" * 62 + "_B", "a" * 62),
        ("m", "m"),
    ],
)
def test_a_component_is_named_after_its_class(model, name):
    """Whatever a class is called, its pipeline has a DNS label's name."""
    assert name == presets.name_of(model)


def test_nothing_in_the_environment_sends_answers_elsewhere(monkeypatch):
    """K_SINK is for pipelines of a file: a component answers its caller, a display prints.

    It is not even read, so that one which makes no sense is nobody's mistake here.
    """
    monkeypatch.setenv("K_SINK", "elsewhere")
    monkeypatch.setenv("K_CE_OVERRIDES", '{"extensions": {"team": "a"}}')
    monkeypatch.setenv("PORT", "1")
    with nothing_loaded():
        component = presets.load(
            "component",
            presets.component("Iris.py:Iris", host="127.0.0.1", port=9000, admin_port=0, threads=1),
            IRIS,
        )
    display = presets.load(
        "display", presets.display(host="127.0.0.1", port=8080, admin_port=0, json=False), IRIS
    )

    assert ["model"] == list(component.lines["iris"].components)
    assert ["sinks.0"] == list(display.lines["display"].components)
    assert component.lines["iris"].pipeline.fallback is None
    assert display.lines["display"].pipeline.fallback is None


def test_a_mistake_is_told_without_a_line_of_a_file(tmp_path):
    """Nobody wrote the file, so nobody can look there."""
    tree = presets.component("nope:Nope", host="::1", port=1, admin_port=0, threads=1)

    with pytest.raises(ConfigError) as caught:
        presets.load("component", tree, tmp_path)

    assert f"component: type 'nope:Nope': no module 'nope' in {tmp_path}, nor installed" == str(
        caught.value
    )
