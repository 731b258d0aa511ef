"""TensorFlow Serving's JSON: tensors as rows or as columns.

    rows     {"instances": [{"a": 1, "b": 2}, …]}   answered with  {"predictions": […]}
    columns  {"inputs": {"a": [1, …], "b": [2, …]}}  answered with  {"outputs": {…}}

A single tensor may stand without its name. Numbers have no datatype here: integers are read
as INT64, others as FP64. Source: TensorFlow Serving's RESTful API, api_rest.md; KServe's V1
protocol is its rows alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bridge.core.errors import DecodeError, Rejected
from bridge.core.payload import JSON, Body
from bridge.core.tensors import Tensor, Tensors
from bridge.protocols import arrays, written
from bridge.protocols.nonfinite import loaded
from bridge.protocols.port import UNNAMED_INPUT, UNNAMED_OUTPUT, NonFinite
from bridge.protocols.verdicts import parsed
from bridge.protocols.written import Written

#: The member that names one of a model's functions, and what `Tensors.parameters` calls it.
SIGNATURE = "signature_name"


class _Named(NamedTuple):
    """The members of a request or an answer, and what a tensor without a name is called."""

    rows: str
    columns: str
    bare: str


_INPUTS = _Named("instances", "inputs", UNNAMED_INPUT)
_OUTPUTS = _Named("predictions", "outputs", UNNAMED_OUTPUT)


class TensorflowForm:
    """The forms `tensorflow` and, with *rows_only*, `kserve`."""

    def __init__(self, *, non_finite: NonFinite = "null", rows_only: bool = False) -> None:
        self._non_finite: NonFinite = non_finite
        self._rows_only = rows_only

    def read_request(self, body: Body) -> Tensors:
        """Return the tensors of `instances` or `inputs`; raise DecodeError if there are none."""
        said = _object(body)
        tensors = self._read(said, _INPUTS, arrays.has_booleans(body))
        signature = said.get(SIGNATURE)
        if signature is None or signature == "":
            return Tensors(tensors)
        if not isinstance(signature, str):
            raise DecodeError(f"{SIGNATURE} is no text")
        return Tensors(tensors, {SIGNATURE: signature})

    def write_request(self, tensors: Tensors, *, id: str) -> Body:  # noqa: ARG002  # no room for it
        """Return the body that asks with columns, or with rows where there is nothing else."""
        return Body(self.asking(tensors), JSON)

    def asking(
        self,
        tensors: Tensors,
        signature: str | None = None,
        *,
        like: Body | None = None,
        tokens: bool = False,
    ) -> bytes:
        """Return what `write_request` does, for the function *signature* if that is given.

        In rows where *like*, which is answered, asked with rows and *tensors* have them in
        common. *tokens*: whether the server takes NaN and infinity as bare tokens.
        """
        non_finite: Written = "token" if tokens else self._non_finite
        asked: dict[str, Any] = {}
        signature = signature or tensors.parameters.get(SIGNATURE)
        if isinstance(signature, str):
            asked[SIGNATURE] = signature
        if self._rows_only or (like is not None and _has_rows(like) and _are_rows(tensors)):
            asked["instances"] = _rows(tensors, UNNAMED_INPUT, non_finite)
        else:
            asked["inputs"] = _columns(tensors, UNNAMED_INPUT, non_finite)
        return written.dumps(asked)

    def read_answer(self, body: Body) -> Tensors:
        """Return the tensors of `predictions` or `outputs`; raise DecodeError if there are none."""
        return Tensors(self._read(_object(body), _OUTPUTS, arrays.has_booleans(body)))

    def write_answer(self, tensors: Tensors, *, like: Body, id: str) -> Body:  # noqa: ARG002  # as above
        """Return rows where *like* asked with rows, else columns; one tensor drops its name."""
        try:
            asked = loaded(like)
        except DecodeError:
            asked = None
        by_row = self._rows_only or not isinstance(asked, dict) or asked.get("inputs") is None
        bare = tensors.tensors[0].name if len(tensors.tensors) == 1 else None
        if by_row:
            said = {"predictions": _rows(tensors, bare, self._non_finite)}
        else:
            said = {"outputs": _columns(tensors, bare, self._non_finite)}
        return Body(written.dumps(said), JSON)

    def _read(self, said: Mapping[str, Any], named: _Named, booleans: bool) -> tuple[Tensor, ...]:
        """Return the tensors of *said*, which has rows or columns."""
        rows, columns = said.get(named.rows), said.get(named.columns)
        if columns is not None and not self._rows_only:
            if rows is not None:
                raise DecodeError(
                    f"the payload has {named.rows} and {named.columns}: expected one of them"
                )
            return _of_columns(columns, named, booleans)
        if rows is None:
            expected = named.rows if self._rows_only else f"{named.rows} or {named.columns}"
            raise DecodeError(f"the payload holds no tensors: expected {expected}")
        return _of_rows(rows, named, booleans)


def _object(body: Body) -> Mapping[str, Any]:
    said = loaded(body)
    if not isinstance(said, dict):
        raise DecodeError("the payload is no JSON object: expected rows or columns in one")
    return said


def _of_columns(columns: Any, named: _Named, booleans: bool) -> tuple[Tensor, ...]:
    where = named.columns
    if type(columns) is not dict or columns.keys() == {"b64"}:
        return (arrays.read(columns, named.bare, where, booleans=booleans, b64=True),)
    arrays.count_checked(len(columns), where)
    return tuple(
        [
            arrays.read(values, name, f"{where}.{name[:60]}", booleans=booleans, b64=True)
            for name, values in columns.items()
        ]
    )


def _of_rows(rows: Any, named: _Named, booleans: bool) -> tuple[Tensor, ...]:
    where = named.rows
    if type(rows) is not list or not (rows and _is_named(rows[0])):
        return (arrays.read(rows, named.bare, where, booleans=booleans, b64=True),)
    names = rows[0].keys()
    arrays.count_checked(len(names), where)
    for index, row in enumerate(rows):
        if type(row) is not dict or row.keys() != names:
            expected = ", ".join(map(repr, names))[:300]
            raise DecodeError(
                f"{where}[{index}] is no object with the names of the first: expected {expected}"
            )
    return tuple(
        [
            arrays.read(
                [row[name] for row in rows],
                name,
                f"{where}[].{name[:60]}",
                booleans=booleans,
                b64=True,
            )
            for name in names
        ]
    )


def _is_named(row: Any) -> bool:
    """Whether a row is tensors by name: an object, and no value in base64."""
    return isinstance(row, dict) and row.keys() != {"b64"}


def _columns(tensors: Tensors, bare: str | None, non_finite: Written) -> Any:
    """Return *tensors* by name, or the only one without it where it is called *bare*."""
    if len(tensors.tensors) == 1 and tensors.tensors[0].name == bare:
        return written.values(tensors.tensors[0], non_finite, b64=True)
    return {each.name: written.values(each, non_finite, b64=True) for each in tensors.tensors}


def _has_rows(body: Body) -> bool:
    """Whether *body* asks with rows."""
    said = parsed(body)
    return isinstance(said, dict) and said.get("instances") is not None


def _are_rows(tensors: Tensors) -> bool:
    """Whether *tensors* have as many rows each."""
    shapes = [each.shape for each in tensors.tensors]
    return () not in shapes and len({shape[0] for shape in shapes}) < 2


def _rows(tensors: Tensors, bare: str | None, non_finite: Written) -> Any:
    """Return *tensors* row by row; raise Rejected where they have not the same rows."""
    if not _are_rows(tensors):
        found = ", ".join(f"{each.name!r} of {list(each.shape)}" for each in tensors.tensors)
        raise Rejected(
            f"tensors cannot be said row by row, each has rows of its own: {found[:400]}"
        )
    if len(tensors.tensors) == 1 and tensors.tensors[0].name == bare:
        return written.values(tensors.tensors[0], non_finite, b64=True)
    names = tensors.names
    columns = [list(written.values(each, non_finite, b64=True)) for each in tensors.tensors]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
