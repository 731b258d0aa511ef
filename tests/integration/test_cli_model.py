"""What a model says of itself, at the command line: `bridge model`, `check --connect`, `try`.

Each on real servers: KServe over gRPC and V1, pythie-serving, and the stand-in for TensorFlow.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog
import yaml

from bridge.cli import main
from tests.fakes_cli import Ended
from tests.services.model_servers.models import iris
from tests.services.model_servers.models.datatypes import BROKEN
from tests.services.model_servers.server import Server

FLOWER = [[1.0, 2.0, 3.0, 4.0]]

Run = Callable[..., Ended]


@pytest.fixture
def bridge(capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run `bridge` with the given arguments, in this process; leave no log behind."""

    def run(*argv: object) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in argv])
        printed = capsys.readouterr()
        return Ended(int(ended.value.code or 0), printed.out, printed.err)

    handlers = list(logging.getLogger().handlers)
    yield run
    logging.getLogger().handlers[:] = handlers
    structlog.reset_defaults()


def written(folder: Path, model: dict[str, Any]) -> Path:
    """Return a file with one pipeline that has *model*."""
    file = folder / "bridge.yaml"
    pipeline = {
        "source": {"type": "http", "host": "127.0.0.1", "port": 0},
        "model": model,
        "response": {"type": "scored", "source": "/models"},
    }
    file.write_text(yaml.safe_dump({"pipelines": {"iris": pipeline}}))
    return file


def kserve_iris(kserve: Server, **options: Any) -> dict[str, Any]:
    asked = {"type": "grpc", "protocol": "oip", "name": "iris", "target": kserve.grpc_target}
    return {**asked, **options}


class TestModel:
    def test_what_it_takes_and_a_request(self, bridge: Run, kserve: Server, tmp_path: Path) -> None:
        """Names, datatypes and shapes; the request is printed in the form of payloads."""
        form = {"form": "seldon", "inputs": {"measures": {"datatype": "FP32"}}}

        ended = bridge("model", written(tmp_path, kserve_iris(kserve, **form)))

        assert (0, "") == (ended.status, ended.err)
        words = [line.split() for line in ended.out.splitlines()]
        assert ["takes", "measures", "FP32", "[-1,", "4]"] in words
        assert ["answers", "probabilities", "FP32", "[-1,", "3]"] in words
        request = json.loads(ended.out.rpartition("a request that it would take:")[2])
        assert {"shape": [1, 4], "values": [1.0] * 4} == request["data"]["tensor"]

    def test_the_request_works(self, bridge: Run, kserve: Server, tmp_path: Path) -> None:
        """With --ask it is sent, and the answer is there for programs as well."""
        ended = bridge("model", written(tmp_path, kserve_iris(kserve)), "--ask", "--output", "json")

        told = json.loads(ended.out)
        (answered,) = told["answer"]["outputs"]
        assert 0 == ended.status
        assert ("iris", "iris") == (told["pipeline"], told["model"])
        assert [{"name": "measures", "datatype": "FP32", "shape": [-1, 4]}] == told["inputs"]
        assert (np.float32(answered["data"]) == iris.probabilities([[1.0] * 4]).ravel()).all()

    def test_a_signature(self, bridge: Run, tensorflow_standin: Server, tmp_path: Path) -> None:
        """The tensors are those of the function that the file names."""
        model = {"type": "rest", "protocol": "tensorflow", "url": tensorflow_standin.rest_url}
        model |= {"name": "digits", "signature": "digit_only"}

        ended = bridge("model", written(tmp_path, model), "--ask", "--output", "json")

        told = json.loads(ended.out)
        assert 0 == ended.status
        assert [{"name": "digit", "datatype": "INT64", "shape": [-1]}] == told["outputs"]
        assert 1 == len(told["answer"]["outputs"])

    def test_a_protocol_without_words_for_it(
        self, bridge: Run, kserve: Server, tmp_path: Path
    ) -> None:
        """KServe's V1 tells of no tensors: the file cannot be told from."""
        model = {"type": "rest", "protocol": "kserve", "name": "iris", "url": kserve.rest_url}

        ended = bridge("model", written(tmp_path, model))

        assert (2, "") == (ended.status, ended.out)
        assert "its model does not tell what it takes" in ended.err

    def test_a_server_that_cannot_tell(self, bridge: Run, pythie: Server, tmp_path: Path) -> None:
        """pythie-serving has no metadata: it says so, and the exit says that it did not tell."""
        model = {"type": "grpc", "protocol": "tensorflow", "name": "recommender"}

        ended = bridge("model", written(tmp_path, {**model, "target": pythie.grpc_target}))

        assert 1 == ended.status
        assert "UNIMPLEMENTED to its metadata" in ended.err


class TestCheck:
    def test_what_agrees(self, bridge: Run, kserve: Server, tmp_path: Path) -> None:
        """The same names, datatypes and shapes: the far end answers, and nothing differs."""
        inputs = {"measures": {"datatype": "FP32", "shape": [-1, 4]}}
        outputs = {"p": {"from": "probabilities"}}
        model = kserve_iris(kserve, inputs=inputs, outputs=outputs)

        ended = bridge("check", "--connect", written(tmp_path, model), "--output", "json")

        assert 0 == ended.status
        assert "ok" == json.loads(ended.out)["answers"]["iris.model"]

    @pytest.mark.parametrize("transport", ["grpc", "rest"])
    def test_what_differs(
        self, bridge: Run, kserve: Server, tmp_path: Path, transport: str
    ) -> None:
        """Every disagreement in one go, with both sides of it."""
        inputs = {"measure": {}, "measures": {"datatype": "FP64", "shape": [-1, 5]}}
        model = kserve_iris(kserve, inputs=inputs, outputs={"p": {"from": "probability"}})
        if transport == "rest":
            model |= {"type": "rest", "url": kserve.rest_url}
            del model["target"]

        ended = bridge("check", "--connect", written(tmp_path, model))

        assert 1 == ended.status
        said = " ".join(ended.out.split())
        assert "differs iris.model" in said
        assert "inputs.measure: the model has no such input; did you mean 'measures'?" in said
        assert "inputs.measures: FP64, where the model takes FP32" in said
        assert "shape [-1, 5], where the model takes [-1, 4]" in said
        assert "outputs.p: the model has no output 'probability'" in said

    def test_a_server_that_cannot_tell_was_said_not_to_answer(
        self, bridge: Run, pythie: Server, tmp_path: Path
    ) -> None:
        """pythie-serving has no metadata, and answers events all the same."""
        model = {"type": "grpc", "protocol": "tensorflow", "name": "recommender"}
        file = written(tmp_path, {**model, "target": pythie.grpc_target})

        ended = bridge("check", "--connect", file, "--output", "json")

        assert (0, {"ok"}) == (ended.status, set(json.loads(ended.out)["answers"].values()))

    def test_a_model_that_is_not_there(self, bridge: Run, kserve: Server, tmp_path: Path) -> None:
        """It is no disagreement: it does not answer."""
        ended = bridge("check", "--connect", written(tmp_path, kserve_iris(kserve, name="nobody")))

        assert 1 == ended.status
        assert "no answer" in ended.out
        assert "nobody" in ended.out


def tried(bridge: Run, folder: Path, model: dict[str, Any], data: Any) -> Ended:
    """Run `bridge try` with an event of *data*."""
    event = {"specversion": "1.0", "id": "7", "source": "/", "type": "x", "data": data}
    event["datacontenttype"] = "application/json"
    (folder / "event.json").write_text(json.dumps(event))
    return bridge("try", written(folder, model), folder / "event.json")


class TestTry:
    def test_the_tensors_of_each_stage(self, bridge: Run, kserve: Server, tmp_path: Path) -> None:
        """Those that the model is given, by its own names, and those of the answer."""
        form = {"form": "seldon", "inputs": {"measures": {"datatype": "FP32"}}}

        ended = tried(bridge, tmp_path, kserve_iris(kserve, **form), {"data": {"ndarray": FLOWER}})

        assert (0, "") == (ended.status, ended.err)
        values = " ".join(f"{one:.6g}" for one in iris.probabilities(FLOWER).ravel().tolist())
        assert "── to the model\nmeasures  FP32 [1, 4]  1 2 3 4\n" in ended.out
        assert "output  FP64 [1, 3]  " in ended.out
        shown = ended.out.partition("output  FP64 [1, 3]  ")[2].splitlines()[0]
        assert np.allclose(
            [float(one) for one in shown.split()], [float(one) for one in values.split()]
        )
        assert "response event" in ended.out

    def test_a_refusal_in_the_servers_words(
        self, bridge: Run, kserve: Server, tmp_path: Path
    ) -> None:
        """What the model judged is shown as it would be told to a sender: without a traceback."""
        model = {"type": "rest", "protocol": "oip", "name": "broken", "url": kserve.rest_url}
        body = {"name": "measures", "shape": [1, 4], "datatype": "FP32", "data": FLOWER[0]}

        ended = tried(bridge, tmp_path, model, {"inputs": [body]})

        assert 1 == ended.status
        assert "refused for good (rejected)" in ended.out
        assert f"answered 500: 'RuntimeError : {BROKEN}'" in ended.out
        assert "Traceback" not in ended.out + ended.err
