"""The rows of the table of docs/protocols.md: every server, by each protocol and transport it has.

With what a row is asked: the same two flowers or four products in every form that payloads
have, and the values that each server must answer to the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.models.grpc import GrpcModel, GrpcModelOptions
from bridge.models.rest import RestModel, RestModelOptions
from tests.services.model_servers import (
    kserve,
    mlserver,
    pythie,
    seldon,
    tensorflow_standin,
    triton,
)
from tests.services.model_servers.fixtures import HEAVY
from tests.services.model_servers.models import iris, recommender
from tests.services.model_servers.server import Server

#: A model behind either transport.
AnyModel = RestModel | GrpcModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One way to ask one server: *server* is its fixture, *title* what the table calls it."""

    server: str
    title: str
    protocol: str
    transport: str

    @property
    def id(self) -> str:
        """What tests call it."""
        return f"{self.server}-{self.protocol}-{self.transport}".replace(", ", "-")

    @property
    def is_heavy(self) -> bool:
        """Whether `make test` leaves it out."""
        return self.server in HEAVY

    @property
    def is_grpc(self) -> bool:
        """Whether it is asked over gRPC."""
        return self.transport == "gRPC"

    @property
    def model(self) -> str:
        """The model that computes something, which this server has."""
        return "recommender" if self.protocol == "tensorflow" else "iris"


REST, BINARY, GRPC = "REST", "REST, binary", "gRPC"

_SELDON = f"Seldon microservice {seldon.VERSION}"
_KSERVE = f"KServe {kserve.VERSION}"
_MLSERVER = f"MLServer {mlserver.VERSION}"
_TRITON = f"Triton {triton.VERSION}"

ROWS: Final = tuple(
    Row(server=server, title=title, protocol=protocol, transport=transport)
    for server, title, protocol, transport in (
        ("seldon", _SELDON, "seldon", REST),
        ("seldon", _SELDON, "seldon", GRPC),
        ("kserve", _KSERVE, "kserve", REST),
        ("kserve", _KSERVE, "oip", REST),
        ("kserve", _KSERVE, "oip", BINARY),
        ("kserve", _KSERVE, "oip", GRPC),
        ("mlserver", _MLSERVER, "oip", REST),
        ("mlserver", _MLSERVER, "oip", GRPC),
        ("triton", _TRITON, "oip", REST),
        ("triton", _TRITON, "oip", BINARY),
        ("triton", _TRITON, "oip", GRPC),
        ("tensorflow_standin", tensorflow_standin.NAME, "tensorflow", REST),
        ("pythie", f"pythie-serving {pythie.VERSION}", "tensorflow", GRPC),
    )
)

FLOWERS: Final = [[1.0, 2.0, 3.0, 4.0], [5.1, 3.5, 1.4, 0.2]]
PRODUCTS: Final = [[1.0], [2.0], [3.0], [4.0]]
USERS: Final = [[10.0], [10.0], [10.0], [10.0]]


def asked(row: Row, server: Server, **options: Any) -> AnyModel:
    """Return the model that *row* asks on *server*, with *options* beside or instead of its own."""
    said: dict[str, Any] = {"protocol": row.protocol, "timeout_seconds": 20.0}
    if row.protocol != "seldon":
        said["name"] = row.model
    if row.is_grpc:
        told = GrpcModelOptions.model_validate({"target": server.grpc_target, **said, **options})
        return GrpcModel(told)
    if row.transport == BINARY:
        said["binary"] = True
    return RestModel(RestModelOptions.model_validate({"url": server.rest_url, **said, **options}))


def mapping(row: Row) -> dict[str, Any]:
    """Return the `inputs` that name the tensors of *row*'s model, in its own datatype."""
    if row.protocol == "oip":
        return {"measures": {"datatype": "FP32"}}
    if row.protocol == "tensorflow":
        return {"products": {"datatype": "FP32"}, "users": {"datatype": "FP32"}}
    return {"input": {}} if row.protocol == "kserve" else {}


def expected(row: Row) -> Any:
    """Return the float32 values that *row*'s model answers."""
    if row.model == "iris":
        return iris.probabilities(FLOWERS)
    return recommender.scores(PRODUCTS, USERS)


def payload(row: Row, form: str) -> Body:
    """Return what *row*'s model is asked, written in *form*."""
    if row.model == "iris":
        return _flowers(form)
    return _products(form)


def _flowers(form: str) -> Body:
    match form:
        case "seldon":
            return Body.of({"data": {"ndarray": FLOWERS}})
        case "kserve" | "rows":
            return Body.of({"instances": FLOWERS})
        case "tensorflow":
            return Body.of({"inputs": FLOWERS})
    return Body.of({"inputs": [tensor("measures", "FP32", FLOWERS)]})


def _products(form: str) -> Body:
    match form:
        case "seldon":
            table = np.hstack([PRODUCTS, USERS])
            return Body.of({"data": {"names": ["products", "users"], "ndarray": table}})
        case "kserve" | "rows":
            rows = [
                {"products": one, "users": two} for one, two in zip(PRODUCTS, USERS, strict=True)
            ]
            return Body.of({"instances": rows})
        case "tensorflow":
            return Body.of({"signature_name": "", "inputs": {"products": PRODUCTS, "users": USERS}})
    products, users = tensor("products", "FP32", PRODUCTS), tensor("users", "FP32", USERS)
    return Body.of({"inputs": [products, users]})


def tensor(name: str, datatype: str, values: Sequence[Any]) -> dict[str, Any]:
    """Return a tensor as the Open Inference Protocol's JSON has it, its values flat."""
    flat = np.array(values, dtype=object)
    return {
        "name": name,
        "shape": list(flat.shape),
        "datatype": datatype,
        "data": flat.ravel().tolist(),
    }


def answered(form: str, answer: Body) -> Any:
    """Return the only tensor of *answer*, which is written in *form*, as float32."""
    said = answer.json()
    match form:
        case "seldon":
            values = said["data"]["ndarray"]
        case "kserve" | "rows":
            values = said["predictions"]
        case "tensorflow":
            values = said["outputs"]
        case _:
            (output,) = said["outputs"]
            values = np.reshape(output["data"], output["shape"])
    return np.asarray(values, dtype=np.float32)


def request(body: Body, *, deadline: float | None = None) -> Request:
    """Return the request that asks with *body*."""
    return Request(payload=body, id="p-1", deadline=deadline)
