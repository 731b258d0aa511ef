"""What docs/payloads.md shows is read out of the page and run, so that it stays true."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge.core.errors import DecodeError, Rejected
from bridge.core.payload import Body
from bridge.core.tensors import DTYPES, Tensor, Tensors
from bridge.protocols.forms import form_called
from bridge.protocols.port import NonFinite
from tests.tensor_strategies import of_bytes

PAGE = (Path(__file__).parents[2] / "docs" / "payloads.md").read_text()
PUID = "7c2f"


@dataclass
class Example:
    """A request and the blocks that follow it, each with the words behind its language."""

    form: Any
    request: Body
    shown: list[tuple[str, str]] = field(default_factory=list)


def examples() -> list[Example]:
    """Return what the page shows, in its order."""
    found: list[Example] = []
    for language, said in re.findall(r"^```(\w+ .*)\n((?:.*\n)*?)```$", PAGE, re.MULTILINE):
        if language.endswith(" request"):
            _, form, _ = language.split()
            found.append(Example(form, Body(said.encode())))
        else:
            found[-1].shown.append((language.partition(" ")[2], said))
    return found


def described(tensors: Tensors) -> str:
    """Return *tensors* as the page has them."""
    lines = [
        f"{each.name} {each.datatype} {list(each.shape)}: {json.dumps(plain(each))}\n"
        for each in tensors.tensors
    ]
    return "".join(lines)


def plain(tensor: Tensor) -> Any:
    """Return the values of *tensor*, bytes as text."""
    if tensor.datatype != "BYTES":
        return tensor.array.tolist()
    return np.array([one.decode() for one in tensor.array.flat]).reshape(tensor.shape).tolist()


def rounded(said: str) -> str:
    """Return a description with the digits of FP32 as they are written."""
    return re.sub(r"\d+\.\d{8,}", lambda digits: str(np.float32(digits[0])), said)


def tensors_of(said: str) -> Tensors:
    """Return the tensors that lines of the page describe."""
    made = []
    for line in said.splitlines():
        name, datatype, _, values = re.split(r" (?=[A-Z])| (?=\[)|: ", line, maxsplit=3)
        held = json.loads(values)
        if datatype == "BYTES":
            array = of_bytes([one.encode() for one in held], (len(held),))
        else:
            array = np.array(held, dtype=DTYPES[datatype])
        made.append(Tensor(name, datatype, array))
    return Tensors(tuple(made))


def test_the_page_shows_every_form() -> None:
    """And blocks of the page that the test would not know are none."""
    assert {"seldon", "tensorflow", "kserve", "oip"} == {each.form for each in examples()}
    assert PAGE.count("```") == 2 * sum(1 + len(each.shown) for each in examples())


@pytest.mark.parametrize("example", examples(), ids=lambda each: each.request.data.decode()[:60])
def test_an_example_is_what_happens(example: Example) -> None:
    """Each request is read, answered or refused as the page says."""
    answered = Tensors(())

    assert example.shown
    for what, said in example.shown:
        form = form_called(example.form)
        kind, _, policy = what.partition(" ")
        if kind == "read":
            assert said == rounded(described(form.read_request(example.request)))
        elif kind == "refused":
            with pytest.raises(DecodeError) as refused:
                form.read_request(example.request)
            assert said == f"{refused.value}\n"
        elif kind == "answered":
            answered = tensors_of(said)
        else:
            _answered(example, answered, said, policy or "null")  # type: ignore[arg-type]  # a word of the page


def _answered(example: Example, tensors: Tensors, said: str, policy: NonFinite) -> None:
    form = form_called(example.form, non_finite=policy)
    if policy == "refuse":
        with pytest.raises(Rejected) as refused:
            form.write_answer(tensors, like=example.request, id=PUID)
        assert said == f"{refused.value}\n"
    else:
        answer = form.write_answer(tensors, like=example.request, id=PUID)
        assert json.loads(said) == answer.json()
