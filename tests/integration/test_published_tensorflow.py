"""The published TensorFlow examples: their curl bodies as the data of events, through `bridge run`.

    event ──▶ bridge ──▶ Seldon's executor (its path) ──▶ TensorFlow Serving (a stand-in)
                   └───▶ pythie-serving over gRPC

The recommender is behind Seldon's executor, whose path has a slash before the colon; the fraud
detector is asked in version 1. Source: the published README's commands, word for word.
"""

from __future__ import annotations

import http.client
import http.server
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from tests.services.bridge import Bridge, pipelines_running
from tests.services.model_servers.models import recommender
from tests.services.model_servers.server import Server

#: The path of the published URL behind its host.
PREFIX, PATH = "/seldon/seldon/rest-tfserving", "/v1/models/recommender/:predict"

#: What curl's -d sends, unchanged.
RECOMMENDER = (
    b'{"signature_name":"","inputs":{"products":[[1.0],[2.0],[3.0],[4.0]],'
    b'"users":[[10.0],[10.0],[10.0],[10.0]]}}'
)
FRAUD = (
    b'{"signature_name":"","inputs":{"transaction":[[-1.3598071336738,-0.0727811733098497,'
    b"2.53634673796914,1.37815522427443,-0.338320769942518,0.462387777762292,0.239598554061257,"
    b"0.0986979012610507,0.363786969611213,0.0907941719789316,-0.551599533260813,"
    b"-0.617800855762348,-0.991389847235408,-0.311169353699879,1.46817697209427,"
    b"-0.470400525259478,0.207971241929242,0.0257905801985591,0.403992960255733,"
    b"0.251412098239705,-0.018306777944153,0.277837575558899,-0.110473910188767,"
    b"0.0669280749146731,0.128539358273528,-0.189114843888824,0.133558376740387,"
    b"-0.0210530534538215,149.62]]}}"
)

SCORES = recommender.scores(np.reshape([1.0, 2.0, 3.0, 4.0], (-1, 1)), np.full((4, 1), 10.0))


@contextmanager
def executor(serving: str) -> Iterator[str]:
    """Yield the URL of what stands in for Seldon's executor: it knows PREFIX and PATH alone."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path != PREFIX + PATH:
                self._answer(404, b"404 page not found\n")
                return
            inner = f"{serving}{PATH.replace('/:', ':')}"
            try:
                with urllib.request.urlopen(urllib.request.Request(inner, body)) as answer:
                    self._answer(answer.status, answer.read())
            except urllib.error.HTTPError as error:
                with error:
                    self._answer(error.code, error.read())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def bridge(
    tensorflow_standin: Server, pythie: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bridge]:
    """One bridge with a pipeline for each of the published commands, and one over gRPC."""
    assert tensorflow_standin.rest_url is not None
    with executor(tensorflow_standin.rest_url) as url:
        rest = {"type": "rest", "protocol": "tensorflow"}
        models = {
            "recommender": {**rest, "name": "recommender", "url": f"{url}{PREFIX}", "path": PATH},
            "fraud": {**rest, "name": "fraud", "version": "1", "url": tensorflow_standin.rest_url},
            "grpc": {
                "type": "grpc",
                "protocol": "tensorflow",
                "name": "recommender",
                "target": pythie.grpc_target,
                "inputs": {"products": {"datatype": "FP32"}, "users": {"datatype": "FP32"}},
            },
        }
        pipelines = {
            name: {
                "source": {"path": f"/{name}"},
                "model": model,
                "response": {"type": f"{name}.scored", "source": "/models"},
            }
            for name, model in models.items()
        }
        folder = tmp_path_factory.mktemp("published_tensorflow")
        with pipelines_running(pipelines, folder) as running:
            yield running


def post(bridge: Bridge, pipeline: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """Post an event with *body* as its data; return status, headers and body of the reply."""
    headers = {
        "Ce-Id": "7",
        "Ce-Source": "/curl",
        "Ce-Type": "published",
        "Ce-Specversion": "1.0",
        "Content-Type": "application/json",
    }
    connection = http.client.HTTPConnection(bridge.url.split("/")[2], timeout=30)
    connection.request("POST", f"/{pipeline}", body, headers)
    answer = connection.getresponse()
    found = (
        answer.status,
        {name.lower(): value for name, value in answer.getheaders()},
        answer.read(),
    )
    connection.close()
    return found


def test_the_recommender_over_its_published_path(bridge: Bridge) -> None:
    """Columns in, one column of scores out, as a typed event."""
    status, headers, body = post(bridge, "recommender", RECOMMENDER)

    assert (200, "recommender.scored") == (status, headers["ce-type"])
    assert {"outputs": SCORES.tolist()} == json.loads(body)


def test_the_fraud_detector_in_version_1(bridge: Bridge, tensorflow_standin: Server) -> None:
    """Its answer is the server's own, byte for byte."""
    status, headers, body = post(bridge, "fraud", FRAUD)

    asked = urllib.request.Request(
        f"{tensorflow_standin.rest_url}/v1/models/fraud/versions/1:predict", FRAUD
    )
    with urllib.request.urlopen(asked) as answer:
        assert answer.read() == body
    assert (200, "fraud.scored") == (status, headers["ce-type"])
    ((score,),) = json.loads(body)["outputs"]
    assert score == pytest.approx(773.0, rel=0.01)  # nearly all of it the amount, 149.62² / 29


def test_the_recommender_over_grpc(bridge: Bridge) -> None:
    """The same body asks pythie-serving, and the answer is columns again."""
    status, headers, body = post(bridge, "grpc", RECOMMENDER)

    assert (200, "grpc.scored") == (status, headers["ce-type"])
    assert {"outputs": SCORES.tolist()} == json.loads(body)


@pytest.mark.parametrize("pipeline", ["recommender", "fraud", "grpc"])
def test_what_the_model_cannot_take_is_refused_in_its_words(bridge: Bridge, pipeline: str) -> None:
    """422, and no traceback in what a sender is told."""
    wrong = {"inputs": {"products": [[1.0, 2.0]], "users": [[1.0, 2.0]]}}

    status, headers, body = post(bridge, pipeline, json.dumps(wrong).encode())

    assert (422, "rejected") == (status, headers["kne-bridgereason"])
    assert b"answered" in body
    assert b"Traceback" not in body
