"""A misspelt step of a user's transformer is told before it is missed."""

from __future__ import annotations

import pytest

from bridge.core.errors import ConfigError
from bridge.transformers.spelling import check_spelling


def named(*names: str) -> type:
    """Return a class with methods of these *names*."""
    return type("T", (), {name: lambda self, payload, ctx: payload for name in names})


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("preproces", "preprocess"),
        ("pre_process", "preprocess"),
        ("preProcess", "preprocess"),
        ("preprocessing", "preprocess"),
        ("postproces", "postprocess"),
        ("post_process", "postprocess"),
        ("transform_imput", "transform_input"),
        ("transform_inputs", "transform_input"),
        ("transformoutput", "transform_output"),
    ],
)
@pytest.mark.parametrize("beside", ["preprocess", "postprocess", "transform_output"])
def test_a_misspelt_step_beside_a_good_one_is_named(name: str, meant: str, beside: str) -> None:
    """It would never be called; the text names it and the step that is meant."""
    with pytest.raises(ConfigError, match=f"T.{name} would never be called.*'{meant}'"):
        check_spelling(named(beside, name))


@pytest.mark.parametrize(
    "name",
    ["process", "predict", "preprocess_image", "load", "close", "ping", "tags", "_preproces"],
)
def test_a_name_of_ones_own_is_nobodys_mistake(name: str) -> None:
    """What is not nearly a step's name, or begins with an underscore, is left alone."""
    check_spelling(named("preprocess", name))


def test_what_is_no_method_is_left_alone() -> None:
    """A constant is never called anyway."""
    check_spelling(type("T", (), {"preprocessed": 3, "preprocess": print}))


def test_a_misspelt_step_of_a_base_class_is_named_too() -> None:
    """The class that the file names has what its bases have."""
    with pytest.raises(ConfigError, match="post_process"):
        check_spelling(type("Below", (named("post_process"),), {"preprocess": print}))
