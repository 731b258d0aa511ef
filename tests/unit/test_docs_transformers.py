"""What docs/transformers.md shows is run, so that it stays true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.core.errors import (
    EventError,
    Filtered,
    Rejected,
    TransformError,
    Unavailable,
)
from bridge.core.payload import Body
from bridge.transformers.user import TransformerOptions, UserTransformer
from tests.fakes_usercode import context, nothing_loaded, write

DOCUMENT = Path(__file__).parents[2] / "docs" / "transformers.md"


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Leave nothing of the document's files behind."""
    with nothing_loaded():
        yield


def block(heading: str, language: str) -> str:
    """Return the first block in *language* below *heading*."""
    section = DOCUMENT.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found.group(1)


def shown(folder: Path, heading: str, cls: str, **options: Any) -> UserTransformer:
    """Return the transformer of the example below *heading*."""
    write(folder, "transformer.py", block(heading, "python"))
    chosen = TransformerOptions(type=f"transformer:{cls}", options=options)
    return UserTransformer(chosen, folder=folder)


async def run(steps: UserTransformer, before: Any, after: Any) -> tuple[Any, Any]:
    """Return what the example makes of the two payloads, as JSON."""
    ctx = context()
    async with steps:
        first = await steps.preprocess(Body.of(before), ctx)
        second = await steps.postprocess(Body.of(after), ctx)
    return first and first.json(), second and second.json()


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        ('bridge.Filtered("0.png is gone", reason="gone")', Filtered),
        ('bridge.Unavailable("the store is down")', Unavailable),
        ("ConnectionError()", Unavailable),
        ("TimeoutError()", Unavailable),
        ('bridge.EventError("no image")', EventError),
        ('bridge.Rejected("no image")', Rejected),
        ("KeyError()", TransformError),
    ],
)
async def test_what_a_method_may_raise_means_what_the_table_says(
    tmp_path: Path, raised: str, expected: type[Exception]
) -> None:
    """Each row, and the exact class: what is filtered has its reason."""
    write(
        tmp_path,
        "transformer.py",
        "import bridge\n\n\nclass T:\n    def preprocess(self, payload, ctx):\n"
        f"        raise {raised}\n",
    )
    assert raised.partition("(")[0] in DOCUMENT.read_text() or expected is TransformError

    async with UserTransformer(TransformerOptions(type="transformer:T"), folder=tmp_path) as steps:
        with pytest.raises(expected) as caught:
            await steps.preprocess(Body(b"{}"), context())

    assert type(caught.value) is expected
    assert getattr(caught.value, "reason", "") != "filtered"


async def test_the_yaml_names_the_first_example(tmp_path: Path) -> None:
    """The options in the document are options, and the class they name can be made."""
    options = TransformerOptions(**yaml.safe_load(block("In the file", "yaml"))["transformer"])
    write(tmp_path, "transformer.py", block("Our own form", "python"))

    async with UserTransformer(options, folder=tmp_path) as steps:
        assert steps.has_preprocess
        assert steps.has_postprocess


async def test_our_own_form(tmp_path: Path) -> None:
    """The example takes a notification to instances and predictions to a digit."""
    notification = {"EventName": "s3:ObjectCreated:Put", "Key": "mnist/0.png"}

    answers = await run(
        shown(tmp_path, "Our own form", "ImageTransformer"),
        notification,
        {"predictions": [{"classes": 7}]},
    )

    assert answers == ({"instances": [[0.0, 0.5, 1.0]]}, {"key": "mnist/0.png", "digit": 7})


async def test_none_filters_and_errors_are_named(tmp_path: Path) -> None:
    """Another notification is filtered; one without a name gives the text in the document."""
    async with shown(tmp_path, "Our own form", "ImageTransformer") as steps:
        filtered = await steps.preprocess(Body(b'{"EventName":"s3:ObjectRemoved"}'), context())
        with pytest.raises(TransformError) as caught:
            await steps.preprocess(Body(b"{}"), context())

    assert filtered is None
    assert f"`{caught.value}`" in DOCUMENT.read_text()


async def test_kserves_form(tmp_path: Path) -> None:
    """The example takes images to instances and predictions to digits."""
    answers = await run(
        shown(tmp_path, "KServe's form", "ImageTransformer", predictor_host="unused"),
        {"images": [[255, 0]]},
        {"predictions": [{"classes": 7}]},
    )

    assert answers == ({"instances": [[1.0, 0.0]]}, {"digits": [7]})


async def test_seldons_form(tmp_path: Path) -> None:
    """The example scales before the model and rounds after it, and says so in its tags."""
    tags = {"tags": {"scaled_by": 10}}

    answers = await run(
        shown(tmp_path, "Seldon's form", "Scaler"),
        {"data": {"names": ["a"], "ndarray": [[1]]}},
        {"data": {"names": ["a"], "ndarray": [[0.26]]}},
    )

    assert answers == (
        {"data": {"names": ["a"], "ndarray": [[10]]}, "meta": tags},
        {"data": {"names": ["t:0"], "ndarray": [[0.3]]}, "meta": tags},
    )


def test_every_option_is_in_the_document() -> None:
    """An option nobody explains is an option nobody finds."""
    text = DOCUMENT.read_text()

    assert [name for name in TransformerOptions.model_fields if f"\n- `{name}` " not in text] == []
