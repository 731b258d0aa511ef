"""`bridge model` and a server that says what it likes: nothing of it reaches the terminal raw."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
import structlog
import yaml
from typer.testing import CliRunner

from bridge.cli import app

#: Colours the terminal: by an escape, by its one-byte form, and a text that runs backwards.
TRICKS = "\x1b[31m\x9b31m\u202e"


class Liar(BaseHTTPRequestHandler):
    """Answers everything with *said*."""

    said: ClassVar[bytes] = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(self.said)))
        self.end_headers()
        self.wfile.write(self.said)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """Return a file whose model is the liar."""
    handlers = list(logging.getLogger().handlers)
    with ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        url = f"http://user:hidden@127.0.0.1:{server.server_port}/?key=hidden"
        model = {"type": "rest", "protocol": "oip", "name": "m", "url": url}
        pipeline = {"source": {"type": "http", "port": 0}, "model": model}
        path = tmp_path / "bridge.yaml"
        path.write_text(yaml.safe_dump({"pipelines": {"p": pipeline}}))
        yield path
        server.shutdown()
        serving.join()
    logging.getLogger().handlers[:] = handlers
    structlog.reset_defaults()


def test_a_models_name_coloured_the_terminal(file: Path) -> None:
    """Names, versions and the printed request are shown with what is no letter escaped."""
    tensor = {"name": f"x{TRICKS}", "datatype": "FP32", "shape": [1, 2]}
    told = {"name": f"m{TRICKS}", "versions": [TRICKS], "platform": TRICKS, "inputs": [tensor]}
    Liar.said = json.dumps(told, ensure_ascii=False).encode()

    ended = CliRunner().invoke(app, ["model", str(file)])

    assert 0 == ended.exit_code
    assert "a request that it would take:" in ended.output
    assert not set(TRICKS[0] + "\x9b\u202e") & set(ended.output)


@pytest.mark.parametrize(
    "said", [b"<html>login</html>", b"[" * 100_000, b"null", b'{"inputs":[{"name":"x","shape":[1,']
)
def test_metadata_that_is_none_is_one_line(file: Path, said: bytes) -> None:
    """Without a traceback, and without the URL's secrets."""
    Liar.said = said

    ended = CliRunner().invoke(app, ["check", "--connect", str(file)])

    assert 1 == ended.exit_code
    assert re.search("answered (garbage to its metadata|a page to its health check)", ended.output)
    assert "hidden" not in ended.output
