"""The Dockerfile, read as Docker would: stages, users, entry points, and files that are there.

No image is built here: that needs a Docker engine and a registry.
"""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import pytest
from typer.main import get_command

from bridge.cli import app
from tests.manifests import ROOT, read

INSTRUCTIONS = {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "FROM", "RUN", "USER", "WORKDIR"}

#: What an image is made for; the others only lead to them.
TARGETS = ("bridge", "component", "mnist")


@dataclass(slots=True)
class Stage:
    """One `FROM` and what follows; *base* is an image or the name of an earlier stage."""

    name: str
    base: str
    lines: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        """Return the arguments of every such *instruction* of this stage."""
        return [arguments for word, arguments in self.lines if word == instruction]


def stages(text: str) -> dict[str, Stage]:
    """Return the stages of a Dockerfile by name; raise ValueError for a line nobody knows."""
    found: dict[str, Stage] = {}
    variables: dict[str, str] = {}
    current: Stage | None = None
    joined = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    for line in filter(str.strip, joined.splitlines()):
        word, _, arguments = line.strip().partition(" ")
        if word not in INSTRUCTIONS:
            raise ValueError(f"unknown instruction: {line}")
        if word == "FROM":
            base, as_, name = arguments.split()
            if as_ != "AS" or name in found:
                raise ValueError(f"a stage without a name of its own: {line}")
            base = re.sub(r"\$\{(\w+)\}", lambda match: variables[match[1]], base)
            current = found[name] = Stage(name=name, base=base)
        elif current is not None:
            current.lines.append((word, arguments.strip()))
        elif word == "ARG":
            variable, _, value = arguments.partition("=")
            variables[variable] = value
        else:
            raise ValueError(f"before the first stage: {line}")
    return found


STAGES = stages((ROOT / "Dockerfile").read_text())


def lineage(name: str) -> list[Stage]:
    """Return the stage *name* and those it is built on, the last one first."""
    stage = STAGES[name]
    return [stage, *(lineage(stage.base) if stage.base in STAGES else ())]


def last(name: str, instruction: str) -> str:
    """Return the *instruction* that counts for the image of *name*."""
    return next(stage.all(instruction)[-1] for stage in lineage(name) if stage.all(instruction))


def environment(name: str) -> dict[str, str]:
    """Return the environment of the image of *name*."""
    return {
        variable: value
        for stage in reversed(lineage(name))
        for line in stage.all("ENV")
        for variable, value in (pair.split("=", 1) for pair in shlex.split(line))
    }


def copied(stage: Stage) -> list[tuple[str | None, list[str]]]:
    """Return what each COPY of *stage* takes: from which stage (None: the folder), and what."""
    found = []
    for line in stage.all("COPY"):
        *words, _ = line.split()
        options = [word for word in words if word.startswith("--")]
        sources = [word for word in words if not word.startswith("--")]
        (origin,) = [option.removeprefix("--from=") for option in options] or [None]
        found.append((origin, sources))
    return found


def is_sent(path: str) -> bool:
    """Whether .dockerignore leaves *path* in what Docker is sent; the last match decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        names = (path, *(str(parent) for parent in Path(path).parents))[:-1]
        pattern = line.removeprefix("!")
        if not line.startswith("#") and any(fnmatch(name, pattern) for name in names):
            sent = line.startswith("!")
    return sent


def test_the_bridge_is_what_comes_without_a_target() -> None:
    """The last stage is the default of `docker build`."""
    assert list(STAGES)[-1] == "bridge"
    assert set(TARGETS) <= set(STAGES)


def test_every_stage_leads_to_an_earlier_one_or_to_the_one_base() -> None:
    """One image from outside, by Docker's default name, in one place."""
    earlier: set[str] = set()
    for stage in STAGES.values():
        assert stage.base in earlier or stage.base == "python:3.12-slim"
        assert {origin for origin, _ in copied(stage)} - {None} <= earlier
        earlier.add(stage.name)


@pytest.mark.parametrize("target", TARGETS)
def test_nobody_is_root(target: str) -> None:
    """A number, as `runAsNonRoot` needs to know without a look into the image."""
    user, _, group = last(target, "USER").partition(":")

    assert int(user) > 0
    assert int(group) > 0


@pytest.mark.parametrize("target", TARGETS)
def test_signals_reach_the_process(target: str) -> None:
    """ENTRYPOINT and CMD are lists, so no shell stands between SIGTERM and the drain."""
    entry, arguments = json.loads(last(target, "ENTRYPOINT")), json.loads(last(target, "CMD"))
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]

    assert entry[0] in scripts
    assert arguments[0] in get_command(app).commands


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_needs_no_place_to_write(target: str) -> None:
    """No bytecode is written, and what runs was compiled when it was installed."""
    environ = environment(target)

    assert environ["PYTHONDONTWRITEBYTECODE"] == "1"
    assert environ["PYTHONUNBUFFERED"] == "1"
    assert environ["PATH"].split(":")[0] == "/opt/bridge/bin"
    for stage in STAGES.values():
        if stage.all("RUN"):
            assert "PYTHONDONTWRITEBYTECODE" not in environment(stage.name)


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_has_the_environment_and_nothing_of_the_build(target: str) -> None:
    """What a target copies is the installed environment, at the path it was made at."""
    taken = [(stage, entry) for stage in lineage(target) for entry in copied(stage)]
    ((origin, sources),) = [entry for _, entry in taken if entry[0] is not None]

    assert sources == ["/opt/bridge"]
    assert any("venv --without-pip /opt/bridge" in run for run in STAGES[origin].all("RUN"))
    assert not any(stage.all("RUN") for stage in lineage(target))


@pytest.mark.parametrize("stage", STAGES.values(), ids=list(STAGES))
def test_every_file_that_is_copied_is_there_and_is_sent(stage: Stage) -> None:
    """Each source exists, and .dockerignore lets it through."""
    for origin, sources in copied(stage):
        for source in sources if origin is None else ():
            assert (ROOT / source).exists()
            assert is_sent(source)


def test_nothing_else_is_sent() -> None:
    """Neither the history, nor an environment, nor a secret somebody left lying about."""
    for path in (".git/config", ".venv/bin/python", "tests/manifests.py", "key.pem", ".env"):
        assert not is_sent(path)
    assert is_sent("bridge/core/event.py")
    assert not is_sent("bridge/core/__pycache__/event.cpython-312.pyc")


def test_what_is_installed_is_what_the_tests_run_with() -> None:
    """By constraints.txt; each image has what its own work needs, and no more."""
    installs = [
        run for stage in STAGES.values() for run in stage.all("RUN") if "pip --python" in run
    ]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (component,) = STAGES["component-environment"].all("RUN")
    (bridge,) = STAGES["bridge-environment"].all("RUN")
    (mnist,) = STAGES["mnist-environment"].all("RUN")

    assert len(installs) == len(TARGETS)
    assert all(" -c constraints.txt " in run for run in installs)
    chosen = [re.findall(r"\[([\w,]+)\]", run) for run in (component, bridge, mnist)]
    assert chosen == [["models"], ["grpc,kafka,objects"], ["images,kafka,models,objects"]]
    named = {name for (names,) in chosen for name in names.split(",")}
    assert named <= set(extras["optional-dependencies"])


def test_the_wheel_finds_what_its_metadata_names() -> None:
    """The README and the licence are part of it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    sources = [name for _, names in copied(STAGES["wheel"]) for name in names]

    assert {"pyproject.toml", project["readme"], "LICENSE", "constraints.txt", "bridge"} == set(
        sources
    )


def test_the_manifests_run_what_the_images_have() -> None:
    """Each image of deploy/knative is a target, and the class that is served is in it."""
    (images,) = read(ROOT / "deploy" / "knative" / "image" / "kustomization.yaml")
    names = {image["name"] for image in images.document["images"]}
    deployment = read(ROOT / "deploy" / "knative" / "iris-model" / "iris-model.yaml")[0]
    (container,) = deployment.document["spec"]["template"]["spec"]["containers"]
    file = container["args"][1].partition(":")[0]
    destinations = [line.split()[-1] for line in STAGES["component"].all("COPY")]

    assert names == {"inference-bridge", "inference-bridge-component"}
    assert file in destinations
    assert last("component", "WORKDIR") == "/srv"


def test_a_line_nobody_knows_is_refused() -> None:
    """The reader of this test is honest: it passes nothing over."""
    with pytest.raises(ValueError, match="unknown instruction"):
        stages("FROM python AS a\nENTRYPONT [x]\n")
    with pytest.raises(ValueError, match="before the first stage"):
        stages("USER 1\nFROM python AS a\n")
