"""Options of an object store: credentials whole or none, and never shown."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from bridge.config.objects import ObjectStoreOptions

URL = "http://minio:9000"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"access_key": "a", "secret_key": "s"},
        {"access_key": "a", "secret_key_file": "/s", "session_token_file": "/t"},
        {"access_key_file": "/a", "secret_key_file": "/s", "session_token": "t"},
    ],
)
def test_credentials_are_whole_or_none(given: dict[str, str]) -> None:
    """Anonymous, or a key with its secret, each in whichever form."""
    options = ObjectStoreOptions(url=URL, **given)  # type: ignore[arg-type]  # as the file has it

    assert given == options.model_dump(include=set(given), mode="json") | given


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"access_key": "a"}, "access_key and secret_key"),
        ({"secret_key": "s"}, "access_key and secret_key"),
        ({"session_token": "t"}, "access_key and secret_key"),
        (
            {"access_key": "a", "access_key_file": "/a", "secret_key": "s"},
            "one of access_key and access_key_file",
        ),
        ({"region": "eu west"}, "region"),
        ({"max_object_bytes": 0}, "max_object_bytes"),
        ({"connections": True}, "connections"),
        ({"bucket": "b"}, "bucket"),
    ],
)
def test_what_cannot_be_is_told(given: dict[str, Any], said: str) -> None:
    """Half of the credentials, two of one, and what no store has."""
    with pytest.raises(ValidationError, match=said):
        ObjectStoreOptions(url=URL, **given)


def test_secrets_are_not_shown() -> None:
    """Neither by the options nor by what is wrong with them."""
    given = {"access_key": "access-7", "secret_key": "secret-7", "session_token": "token-7"}
    proxy = "http://user:proxy-7@proxy:3128"

    options = ObjectStoreOptions.model_validate({"url": URL, "proxy_url": proxy, **given})
    with pytest.raises(ValidationError) as caught:
        ObjectStoreOptions.model_validate({"url": URL, "secret_key": "secret-7"})

    assert "-7" not in repr(options) + str(options) + str(caught.value)
