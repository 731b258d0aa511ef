"""`bridge send` to a listener that asks who sends, over TLS with an authority of our own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.fakes_cli import Serving, bridge, serving

TOKEN = "a-token-of-sixteen-or-more"

FILE = """\
pipelines:
  shown:
    source:
      type: http
      host: 127.0.0.1
      port: 0
      auth: {{token_files: ["{folder}/token"]}}
      tls: {{cert_file: "{folder}/server.pem", key_file: "{folder}/server.key"}}
    sinks: [{{type: log, format: json}}]
admin: {{host: 127.0.0.1, port: 0}}
lifecycle: {{shutdown_delay_seconds: 0}}
log: {{format: console}}
"""


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Serving]:
    """A bridge behind a token and TLS."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(str(tmp_path / "server.key"))
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(tmp_path / "server.pem"), append=True)
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    file = tmp_path / "bridge.yaml"
    file.write_text(FILE.format(folder=tmp_path))
    with serving(tmp_path / "log", "run", file) as running:
        yield running


def test_an_event_is_sent_with_what_the_door_asks_for(door: Serving, tmp_path: Path) -> None:
    """Token and authority from files; without either it is not taken, and the token never shown."""
    url, data = f"https://127.0.0.1:{door.port}", ("--data", "{}")
    ca_file, token_file = ("--ca-file", tmp_path / "ca.pem"), ("--token-file", tmp_path / "token")

    taken = bridge("send", url, *data, *ca_file, *token_file)
    by_header = bridge("send", url, *data, *ca_file, "--header", f"Authorization=Bearer {TOKEN}")
    stranger = bridge("send", url, *data, *ca_file)
    untrusting = bridge("send", url, *data, *token_file)

    assert [(0, "202\n"), (0, "202\n")] == [(one.status, one.out) for one in (taken, by_header)]
    assert (1, "401") == (stranger.status, stranger.out[:3])
    assert 1 == untrusting.status
    assert "certificate" in untrusting.err
    assert TOKEN not in "".join(one.out + one.err for one in (taken, stranger, untrusting))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--header", "secret-without-equals"), "--header: expected name=value"),
        (("--token-file", "/nowhere"), "token_file '/nowhere'"),
        (("--header", "Content-Type=text/plain"), "is the event's own"),
    ],
)
def test_what_cannot_be_sent_along_is_a_mistake_of_the_command_line(
    options: tuple[str, str], said: str
) -> None:
    """Status 2, and no value is shown."""
    ended = bridge("send", "http://127.0.0.1:1", "--data", "{}", *options)

    assert 2 == ended.status
    assert said in ended.err
    assert "secret" not in ended.err
