"""The files of examples/mnist are fit to run, and pass their own tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.unit.cli.conftest import Ended

MNIST = Path(__file__).parents[3] / "examples" / "mnist"

#: What an image of the most pixels that are unpacked takes of the one thread for it.
SECONDS_TO_UNPACK = 0.5

Bridge = Callable[..., Ended]


@pytest.mark.parametrize("name", ["bridge", "listing"])
def test_every_file_is_fit_to_run(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """`bridge check` has nothing to say of it, but that it wants to know who it is to the store."""
    unknown = bridge("check", MNIST / f"{name}.yaml")
    monkeypatch.setenv("MINIO_ACCESS_KEY", "access")
    monkeypatch.setenv("MINIO_SECRET_KEY", "correct-horse")

    ended = bridge("check", MNIST / f"{name}.yaml")

    assert (unknown.status, "MINIO_ACCESS_KEY" in unknown.err) == (2, True)
    assert (ended.status, "warning" in ended.out) == (0, False), ended.err
    assert "correct-horse" not in ended.out


@pytest.mark.parametrize(
    "file",
    [
        MNIST / "bridge.yaml",
        MNIST / "listing.yaml",
        MNIST.parents[1] / "deploy" / "kafka" / "knative" / "config" / "bridge.yaml",
    ],
    ids=["bridge", "listing", "knative"],
)
def test_five_hundred_photographs_at_once_neither_fill_the_memory_nor_run_out_of_time(
    file: Path,
) -> None:
    """As many are fetched as fit into 256 MiB, and are unpacked one by one within the deadline."""
    pipeline = yaml.safe_load(file.read_text())["pipelines"]["mnist"]
    largest = pipeline["transformer"]["options"]["store"]["max_object_bytes"]

    waiting = pipeline["source"]["max_in_flight"]

    assert waiting * largest <= 256 * 1024 * 1024
    assert waiting * SECONDS_TO_UNPACK <= pipeline.get("deadline_seconds", 30) * 0.6


def test_the_example_passes_its_own_tests(bridge: Bridge) -> None:
    """What is published, filtered, dead-lettered and held, by the real transformer."""
    ended = bridge("test", MNIST / "bridge.yaml")

    assert ended.status == 0, ended.out
    assert "7 tests: 7 passed" in ended.out


def test_images_can_be_made_for_a_bucket_of_ones_own(tmp_path: Path) -> None:
    """As many as are asked for, each called after the digit that it shows."""
    done = subprocess.run(
        [sys.executable, MNIST / "make_images.py", tmp_path / "made", "--count", "9"],
        capture_output=True,
        text=True,
        check=True,
    )

    files = sorted((tmp_path / "made").iterdir())

    assert done.stdout == f"9 images in {tmp_path / 'made'}\n"
    assert [file.name for file in files][:3] == ["000-2.png", "001-8.png", "002-2.jpg"]
    assert len(files) == 9
