"""What the models of all servers of the Open Inference Protocol are called, and take and give.

As that protocol says it, in the members of its metadata. Nothing is imported: this runs in
the environment of each server, as in ours.
"""

from __future__ import annotations

from typing import Any, Final

#: The datatypes of `echo`: all of the Open Inference Protocol but BF16, which no server takes.
DATATYPES: Final = (
    *("BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"),
    *("FP16", "FP32", "FP64", "BYTES"),
)

_MEASURES: list[dict[str, Any]] = [{"name": "measures", "datatype": "FP32", "shape": [-1, 4]}]
_PROBABILITIES: list[dict[str, Any]] = [
    {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]}
]


def _square(begin: str) -> list[dict[str, Any]]:
    return [
        {"name": f"{begin}_{datatype.lower()}", "datatype": datatype, "shape": [-1, -1]}
        for datatype in DATATYPES
    ]


#: Model → its inputs and its outputs.
TENSORS: Final = {
    "iris": (_MEASURES, _PROBABILITIES),
    "echo": (_square("in"), _square("out")),
    "broken": (_MEASURES, _PROBABILITIES),
}

#: What `broken` raises, whatever it is asked.
BROKEN: Final = "the model is broken: see /srv/secret/path"


def echoed(name: str) -> str:
    """Return the output that the input *name* of `echo` comes back as; raise ValueError else."""
    if not name.startswith("in_"):
        raise ValueError(f"inputs of echo are called in_<datatype>, this one {name}")
    return "out_" + name.removeprefix("in_")
