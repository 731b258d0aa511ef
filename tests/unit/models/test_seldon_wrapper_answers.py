"""What the original answered: recorded from `seldon-core` 1.17.1's wrapper, asked of ours.

The recorded component is the one below. Where ours answers otherwise on purpose, the second
test says how.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.models.local import LocalModel, LocalModelOptions
from bridge.protocols.seldon import ModelRefusal

COMPONENT = """
import numpy as np

class Recorded:
    def predict(self, X, names, meta=None):
        answers = {
            "str": lambda: "x",
            "dict": lambda: {"a": 1},
            "dict with a number for a key": lambda: {1: 2},
            "bytes": lambda: bytes((0, 1)),
            "None": lambda: None,
            "float": lambda: 1.5,
            "tuple": lambda: (1, 2),
            "list": lambda: [1, 2.5],
            "empty list": lambda: [],
            "mixed rows": lambda: [[1, "a"]],
            "ragged": lambda: [[1], [1, 2]],
            "booleans": lambda: np.array([[True]]),
            "NaN": lambda: np.array([np.nan]),
            "numpy scalar": lambda: np.float64(3),
            "array without a dimension": lambda: np.array(3.0),
            "raise": lambda: 1 / 0,
        }
        return answers[X]() if isinstance(X, str) else X

    def tags(self):
        return {"mine": 1}
"""

RECORDED = json.loads(Path(__file__).with_name("seldon_wrapper_answers.json").read_text())


@pytest.fixture
async def component(tmp_path: Path) -> AsyncIterator[LocalModel]:
    """Yield the recorded component."""
    (tmp_path / "recorded.py").write_text(COMPONENT)
    options = LocalModelOptions(model=f"{tmp_path}/recorded.py:Recorded")
    async with LocalModel(options, tmp_path) as model:
        yield model


async def asked(component: LocalModel, request: str) -> tuple[int, Any]:
    try:
        answer = await component.predict(Request(payload=Body(request.encode()), id="p"))
    except ModelRefusal as error:
        return error.status, {"reason": error.code}
    return 200, json.loads(answer.data)


def text(value: Any) -> str:
    """Return JSON that tells 1 from 1.0, and not the order of keys."""
    return json.dumps(value, sort_keys=True)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["request"] or "empty")
async def test_answers_as_the_original(component: LocalModel, recorded: dict[str, Any]) -> None:
    """Status, body and reason are those that Seldon's wrapper gave to the same request."""
    status, answer = await asked(component, recorded["request"])

    assert (status, text(answer)) == (recorded["status"], text(recorded["answer"]))


@pytest.mark.parametrize(
    ("request_text", "expected"),
    [
        # The original answers 500: its array has no shape.
        ('{"strData":"ragged"}', {"names": [], "ndarray": [[1], [1, 2]]}),
        # The original answers NaN, which no JSON parser need read.
        ('{"strData":"NaN"}', {"names": [], "tensor": {"shape": [1], "values": [None]}}),
        # The original gives the class "1" for 1.
        ('{"data":{"ndarray":[[1,"a"]]}}', {"names": ["t:0", "t:1"], "ndarray": [[1, "a"]]}),
    ],
)
async def test_better_than_the_original(
    component: LocalModel, request_text: str, expected: dict[str, Any]
) -> None:
    """Valid JSON, nothing lost, and no error where there is an answer."""
    status, answer = await asked(component, request_text)

    assert (status, answer["data"]) == (200, expected)


@pytest.mark.parametrize(
    "request_text",
    [
        # The original answers 500 to the first three, and 200 to the others.
        '{"data":{"ndarray":[[1],[1,2]]}}',
        '{"data":{"tensor":{"shape":[3],"values":[1,2]}}}',
        '{"data":null}',
        '{"data":{}}',
        '{"binData":"!"}',
        '{"strData":"str","data":{"ndarray":[1]}}',
    ],
)
async def test_bad_data_is_called_bad_data(component: LocalModel, request_text: str) -> None:
    """A payload that cannot mean what was meant is the caller's fault, always."""
    assert await asked(component, request_text) == (400, {"reason": "MICROSERVICE_BAD_DATA"})
