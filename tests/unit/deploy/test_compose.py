"""docker-compose.yml is what Compose takes, and says what the rest of the project says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from bridge import app as application
from bridge.cli import app
from tests.compose import FILE, Service, services
from tests.manifests import ROOT
from tests.services.kafka_broker import IMAGE
from tests.unit.deploy.test_dockerfile import STAGES

SERVICES = services()
EVERY = pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))


def in_image(path: str) -> Path:
    """Return the file of this folder that is at *path* in the image `mnist`."""
    (copied,) = [line for line in STAGES["mnist"].all("COPY") if not line.startswith("--from")]
    source, destination = copied.split()
    assert path.startswith(f"{destination}/"), path
    return ROOT / source / path.removeprefix(f"{destination}/")


def test_compose_takes_it() -> None:
    """By the schema of the Compose specification, closed for unknown keys."""
    command = [sys.executable, "-m", "check_jsonschema"]
    done = subprocess.run(
        [*command, "--builtin-schema", "vendor.compose-spec", str(FILE)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stderr), done.stdout


@EVERY
def test_images_are_ours_or_of_one_version(service: Service) -> None:
    """Built from a target that the Dockerfile has, or a tag that does not move."""
    if "build" in service.raw:
        assert service.raw["build"]["target"] in STAGES
        assert (ROOT / service.raw["build"]["context"]) == ROOT
    else:
        tag = service.raw["image"].partition(":")[2]
        assert re.fullmatch(r"(RELEASE\.)?\d[\w.-]+", tag), service.raw["image"]


def test_kafka_is_the_one_that_the_tests_run() -> None:
    """One version for Maven's jars, the tests' image and this file."""
    assert {SERVICES[name].raw["image"] for name in ("kafka", "topics")} == {IMAGE}


@EVERY
def test_nobody_else_reaches_a_port(service: Service) -> None:
    """Passwords of a demo are known to everybody: each port is this machine's alone."""
    for port in service.raw.get("ports", []):
        assert port.startswith("127.0.0.1:")


@EVERY
def test_what_stays_says_whether_it_is_well(service: Service) -> None:
    """And what ends by itself is not started again."""
    assert service.is_job == (service.check is None)


@EVERY
def test_everybody_waits_for_what_can_come(service: Service) -> None:
    """For the health of what stays, for the end of what ends, and never in a circle."""
    for name, condition in service.waits_for.items():
        expected = "service_completed_successfully" if SERVICES[name].is_job else "service_healthy"
        assert condition == expected

    def behind(name: str, seen: tuple[str, ...]) -> None:
        assert name not in seen, f"{' '.join(seen)} {name}"
        for other in SERVICES[name].waits_for:
            behind(other, (*seen, name))

    behind(service.name, ())


@EVERY
def test_what_runs_of_ours_is_in_the_image(service: Service) -> None:
    """Each command is one of `bridge`, or a program of the example, with files that are there."""
    if "build" not in service.raw:
        return
    if service.entrypoint is None:
        assert service.command[0] in get_command(app).commands
    else:
        assert service.entrypoint == ["python"]
    files = [word for word in service.command if word.startswith("mnist/")]
    assert files
    assert all(in_image(file).is_file() for file in files)


@pytest.mark.parametrize("name", ["bridge", "display"])
def test_a_file_that_is_run_works_with_what_its_service_is_told(name: str) -> None:
    """With that environment and nothing else of this machine's."""
    (file,) = [word for word in SERVICES[name].command if word.endswith(".yaml")]

    loaded = application.load(in_image(file), SERVICES[name].environment)

    assert list(loaded.lines)


def test_everybody_means_the_same_store_and_broker() -> None:
    """One address, one user and one password, and the topic that the pipeline reads."""
    stores = {
        tuple(environment[name] for name in ("MINIO_URL", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY"))
        for service in SERVICES.values()
        if "MINIO_URL" in (environment := service.environment)
    }
    minio = SERVICES["minio"].environment
    brokers = {
        service.environment["KAFKA_BROKER"]
        for service in SERVICES.values()
        if "KAFKA_BROKER" in service.environment
    }
    pipeline = yaml.safe_load(in_image("mnist/bridge.yaml").read_text())["pipelines"]["mnist"]

    ((_, user, password),) = stores
    assert (user, password) == (minio["MINIO_ROOT_USER"], minio["MINIO_ROOT_PASSWORD"])
    assert brokers == {minio["MINIO_NOTIFY_KAFKA_BROKERS_PRIMARY"]}
    assert [minio["MINIO_NOTIFY_KAFKA_TOPIC_PRIMARY"]] == pipeline["source"]["topics"]


def test_passwords_can_be_ones_own() -> None:
    """From the environment, for everybody who needs them."""
    told = services({"MINIO_ROOT_USER": "me", "MINIO_ROOT_PASSWORD": "my own"})

    assert told["minio"].environment["MINIO_ROOT_PASSWORD"] == "my own"
    assert told["bridge"].environment["MINIO_SECRET_KEY"] == "my own"
    assert told["images"].environment["MINIO_ACCESS_KEY"] == "me"


def test_nothing_of_this_machine_is_meant() -> None:
    """No path of a host is mounted: what runs is in the images, and data in volumes."""
    volumes = {
        volume.partition(":")[0]
        for service in SERVICES.values()
        for volume in service.raw.get("volumes", [])
    }

    assert volumes == set(yaml.safe_load(FILE.read_text())["volumes"])
    assert not any(os.sep in volume for volume in volumes)
