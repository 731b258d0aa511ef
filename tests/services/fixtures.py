"""The components of the world outside, as fixtures: each is started once, when first needed.

An address in the environment is used as it is; otherwise the component is started here;
otherwise the test is skipped and says why. `BRIDGE_TEST_REQUIRE=1` turns that skip into a
failure. The summary at the end says what each one cost, and a failing test shows the end of
what the components it used have printed.
"""

from __future__ import annotations

import gc
import os
import time
import warnings
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

from tests.services.cache import Missing
from tests.services.kafka import Kafka
from tests.services.kafka import kafka as kafka_component
from tests.services.knative import KnativeDispatcher
from tests.services.minio import Minio, ObjectServer
from tests.services.minio import minio as minio_component
from tests.services.mnist import digits_server
from tests.services.moto import moto as moto_component
from tests.services.process import tail

REQUIRE = "BRIDGE_TEST_REQUIRE"

T = TypeVar("T")


class Services:
    """What was started in this run: where it prints, and the seconds until it was ready."""

    def __init__(self, folder: Path) -> None:
        self.costs: dict[str, float] = {}
        self._folder = folder

    def output(self, name: str) -> Path:
        """Return the file that *name* prints into."""
        return self._folder / f"{name}.log"

    @contextmanager
    def started(self, name: str, component: AbstractContextManager[T]) -> Iterator[T]:
        """Yield what *component* yields when entered, and note the seconds it took."""
        begin = time.monotonic()
        try:
            entered = component.__enter__()
        except Missing as missing:
            unavailable(f"{name}: {missing}")
        self.costs[name] = time.monotonic() - begin
        try:
            yield entered
        finally:
            component.__exit__(None, None, None)


_SERVICES = pytest.StashKey[Services]()


def unavailable(reason: str) -> NoReturn:
    """Skip the test, saying *reason*; fail it where every component is required."""
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(f"{reason} ({REQUIRE}=1)", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def services(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Services:
    """What was started in this run."""
    found = Services(tmp_path_factory.mktemp("services"))
    pytestconfig.stash[_SERVICES] = found
    return found


@pytest.fixture(scope="session")
def knative_dispatcher(services: Services) -> Iterator[KnativeDispatcher]:
    """Knative's own delivery client."""

    @contextmanager
    def component() -> Iterator[KnativeDispatcher]:
        with KnativeDispatcher.find(output=services.output("knative_dispatcher")) as found:
            yield found

    with services.started("knative_dispatcher", component()) as dispatcher:
        yield dispatcher


@pytest.fixture(scope="session")
def kafka(services: Services) -> Iterator[Kafka]:
    """A Kafka that all tests of the run share, topics and groups named by `fresh`."""
    with services.started("kafka", kafka_component(output=services.output("kafka"))) as shared:
        yield shared


@pytest.fixture(scope="session")
def breakable_kafka(services: Services) -> Iterator[Kafka]:
    """The broker behind `own_kafka`."""
    component = kafka_component(output=services.output("breakable_kafka"), own=True)
    with services.started("breakable_kafka", component) as breakable:
        yield breakable


@pytest.fixture
def own_kafka(breakable_kafka: Kafka) -> Iterator[Kafka]:
    """A Kafka that a test may stop, kill and freeze: no other test runs meanwhile."""
    breakable_kafka.broker.start()
    yield breakable_kafka
    with warnings.catch_warnings():
        # aiokafka forgets a connection that it is making when it is told to give up.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="session")
def minio(services: Services, kafka: Kafka) -> Iterator[Minio]:
    """A MinIO that all tests of the run share, its Kafka targets in the shared `kafka`."""
    component = minio_component(output=services.output("minio"), kafka=kafka)
    with services.started("minio", component) as shared:
        yield shared


@pytest.fixture(scope="session")
def breakable_minio(services: Services, kafka: Kafka) -> Iterator[Minio]:
    """The server behind `own_minio`."""
    component = minio_component(output=services.output("breakable_minio"), kafka=kafka, own=True)
    with services.started("breakable_minio", component) as breakable:
        yield breakable


@pytest.fixture
def own_minio(breakable_minio: Minio) -> Minio:
    """A MinIO that a test may stop, kill and freeze: no other test runs meanwhile."""
    breakable_minio.server.start()
    return breakable_minio


@pytest.fixture(scope="session")
def moto(services: Services) -> Iterator[ObjectServer]:
    """A stand-in for any S3 store without notifications, for tests of listing."""
    with services.started("moto", moto_component(output=services.output("moto"))) as found:
        yield found


@pytest.fixture(scope="session")
def digits(services: Services) -> Iterator[str]:
    """The URL of the model of digits in examples/mnist."""
    with services.started("digits", digits_server(output=services.output("digits"))) as url:
        yield url


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    """Treat a test that finds in its middle what is missing like one that lacks a fixture."""
    try:
        return (yield)
    except Missing as missing:
        reason = str(missing)
    unavailable(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the components of the failing test have printed."""
    report = yield
    if report.failed and _SERVICES in item.config.stash:
        services = item.config.stash[_SERVICES]
        for name in getattr(item, "fixturenames", ()):
            printed = tail(services.output(name))
            if printed:
                report.sections.append((f"printed by {name} ({services.output(name)})", printed))
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the seconds that each component took until it was ready."""
    if _SERVICES not in config.stash or not config.stash[_SERVICES].costs:
        return
    terminalreporter.section("components (seconds until ready, first builds included)")
    for name, seconds in sorted(config.stash[_SERVICES].costs.items()):
        terminalreporter.line(f"{seconds:8.1f}  {name}")
