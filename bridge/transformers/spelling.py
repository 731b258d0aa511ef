"""A step that is misspelt: it would never be called, and nothing would say so.

`preproces` beside a good `postprocess` is a class that loads, and a model that is asked with
what nobody prepared. A method of one's own whose name is that close to a step's begins with
an underscore.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from bridge.core.errors import ConfigError
from bridge.core.usercode import provides

#: The steps of all forms.
STEPS: Final = (
    *("preprocess", "postprocess"),
    *("transform_input", "transform_output", "transform_input_raw", "transform_output_raw"),
)

#: How much of a name must be that of a step: `pre_process` is 0.95 and `preprocessing` 0.87 of
#: one; `process`, which is a fine name for something else, is 0.82.
ALIKE: Final = 0.85


def check_spelling(cls: type) -> None:
    """Raise ConfigError for a method of *cls* that is nearly called as a step, but is none."""
    for name in _own_methods(cls):
        near = get_close_matches(name.lower(), STEPS, n=1, cutoff=ALIKE)
        if near:
            raise ConfigError(
                f"{cls.__name__}.{name} would never be called; did you mean '{near[0]}'? "
                f"(a method of your own: '_{name}')"
            )


def _own_methods(cls: type) -> Iterator[str]:
    """Yield the public methods that the user wrote and that are no step."""
    for base in cls.__mro__:
        for name in vars(base):
            if not name.startswith("_") and name not in STEPS and provides(cls, name):
                yield name
