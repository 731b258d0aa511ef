"""The model servers as fixtures: each is started once in a run, when first needed.

`triton` and whichever else is in HEAVY run in `make test-all` alone: a test that asks for one
is marked `heavy`, and one that asks at its own time (`request.getfixturevalue`) marks itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from importlib import import_module

import pytest

from tests.services.fixtures import Services
from tests.services.model_servers.server import Server
from tests.services.seldon_microservice import ADDRESS, SeldonMicroservice

#: The fixtures that `make test` leaves out.
HEAVY = frozenset(("mlserver", "triton"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a heavy server."""
    for item in items:
        if not HEAVY.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("heavy")


def _running(services: Services, name: str) -> Iterator[Server]:
    running: Callable[..., AbstractContextManager[Server]]
    running = import_module(f"tests.services.model_servers.{name}").running
    with services.started(name, running(output=services.output(name))) as server:
        yield server


@pytest.fixture(scope="session")
def seldon(services: Services) -> Iterator[Server]:
    """Seldon's own microservice: `iris` over REST and gRPC."""
    yield from _running(services, "seldon")


@pytest.fixture(scope="session")
def seldon_iris(request: pytest.FixtureRequest) -> SeldonMicroservice:
    """Seldon's own microservice over REST, also one that runs elsewhere."""
    address = os.environ.get(ADDRESS)
    if address:
        return SeldonMicroservice(address.rstrip("/"))
    server: Server = request.getfixturevalue("seldon")
    assert server.rest_url is not None
    return SeldonMicroservice(server.rest_url)


@pytest.fixture(scope="session")
def mlserver(services: Services) -> Iterator[Server]:
    """MLServer: `iris`, `echo` and `broken` over V2 REST and gRPC."""
    yield from _running(services, "mlserver")


@pytest.fixture(scope="session")
def kserve(services: Services) -> Iterator[Server]:
    """KServe's model server: `iris`, `echo` and `broken` over V1 REST, V2 REST and gRPC."""
    yield from _running(services, "kserve")


@pytest.fixture(scope="session")
def triton(services: Services) -> Iterator[Server]:
    """Triton: `iris`, `echo` and `broken` over V2 REST, its binary extension, and gRPC."""
    yield from _running(services, "triton")


@pytest.fixture(scope="session")
def pythie(services: Services) -> Iterator[Server]:
    """pythie-serving: `recommender` over TensorFlow's PredictionService."""
    yield from _running(services, "pythie")


@pytest.fixture(scope="session")
def tensorflow_standin(services: Services) -> Iterator[Server]:
    """A stand-in for TensorFlow Serving's REST: `recommender`, `fraud`, `digits`."""
    yield from _running(services, "tensorflow_standin")
