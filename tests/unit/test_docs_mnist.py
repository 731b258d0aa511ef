"""What docs/mnist.md says of the example is what the example does."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import orjson
import pytest
import yaml

from tests.fakes_mnist import MNIST, digit_image, digits_server
from tests.fakes_usercode import nothing_loaded

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "mnist.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below *heading*, without its head."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = re.findall(r"^\| (.*) \|$", section, re.MULTILINE)
    return [[cell.strip(" `") for cell in row.split("|")] for row in table[1:]]


def block(language: str) -> str:
    """Return the first block in *language*."""
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_every_file_of_the_example_is_told() -> None:
    """And none that is not there."""
    there = {path.name for path in MNIST.iterdir() if path.is_file()}
    told = {name for names, *_ in rows("The files") for name in re.findall(r"[\w.]+", names)}

    assert told <= there
    assert there - told == {"notification.json", "kustomization.yaml"}


def test_the_options_are_the_constructors() -> None:
    """Names and defaults."""
    with nothing_loaded():
        from bridge.core.loading import load_class

        cls = load_class("ImageTransformer:ImageTransformer", MNIST)
        parameters = inspect.signature(cls).parameters
    told = {name: default for name, default, *_ in rows("How an image is read")}

    assert list(told) == list(parameters)
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty:
            assert told[name] == ""
        else:
            default = parameter.default
            expected = list(default) if isinstance(default, tuple) else default
            assert yaml.safe_load(told[name]) == expected


def test_the_formats_are_those_that_are_read() -> None:
    """Each is named, in the words of the page."""
    sentence = next(line for line in PAGE.splitlines() if line.startswith("PNG, JPEG"))

    assert {name for name in digit_image.FORMATS if name.lower() not in sentence.lower()} == set()


def test_the_event_is_the_one_that_postprocess_makes() -> None:
    """The same members, in the same order."""
    with nothing_loaded():
        from bridge.core.loading import load_class

        source = inspect.getsource(load_class("ImageTransformer:ImageTransformer", MNIST))
    members = re.findall(r'^ +"(\w+)": (?:digit|probability|image)', source, re.MULTILINE)

    assert list(orjson.loads(block("json"))) == members


def test_what_is_said_of_the_model_is_true() -> None:
    """How many it learns from, and how many of the others it knows."""
    from sklearn.datasets import load_digits

    images, digits = load_digits(return_X_y=True)
    others = slice(digits_server.LEARNED, None)
    right = digits_server.trained().score(images[others], digits[others])

    assert f"first {digits_server.LEARNED:,} of the {len(digits):,} digits" in PAGE
    assert f"{right:.1%}".replace("%", " %") in PAGE
    assert f"the other {len(digits[others])}" in PAGE


@pytest.mark.parametrize("name", ["make_images.py", "digits_server.py"])
def test_a_module_says_the_same_of_it(name: str) -> None:
    """The numbers of the code's own words are the page's."""
    text = (MNIST / name).read_text()

    assert "90." not in text or "90.7 %" in text


def test_the_secrets_have_the_keys_that_are_read() -> None:
    """Each key that the manifests name is one that the commands make."""
    folder = ROOT / "deploy" / "kafka" / "knative"
    source = (folder / "kafka-source.yaml").read_text()
    pod = (folder / "bridge.yaml").read_text()
    made = {
        name: set(re.findall(r"--from-(?:literal|file)=([\w.-]+)", line))
        for name, line in re.findall(r"^kubectl create secret generic (\S+) (.*)$", PAGE, re.M)
    }

    assert set(re.findall(r"^ +key: ([\w.-]+)", source, re.MULTILINE)) <= made["mnist-kafka"]
    assert {"protocol", "sasl.mechanism", "user", "password", "ca.crt"} <= made["mnist-kafka"]
    assert set(re.findall(r"^ +- key: ([\w.-]+)", pod, re.MULTILINE)) == {
        *made["mnist-minio"],
        *("ca.crt", "password"),
    }
