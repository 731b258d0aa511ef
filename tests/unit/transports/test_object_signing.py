"""Signatures: Amazon's own examples, and what goes with each request."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.config.objects import ObjectStoreOptions
from bridge.config.watched import LOOK_SECONDS
from bridge.core.errors import ConfigError
from bridge.transports.objects.signing import EMPTY, Signer
from tests.fakes import FakeClock

HOST = "examplebucket.s3.amazonaws.com"

#: Amazon S3 API reference, "Examples: Signature Calculations".
ACCESS_KEY, SECRET_KEY = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


class Clock2013(FakeClock):
    """The clock of Amazon's examples: 2013-05-24T00:00:00Z, and most of a second."""

    def now_ns(self) -> int:
        return 1_369_353_600_999_999_999


def signer(clock: FakeClock | None = None, **given: str) -> Signer:
    """Return the signer for those credentials, by default those of the examples."""
    credentials = given or {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
    options = ObjectStoreOptions.model_validate({"url": f"https://{HOST}", **credentials})
    return Signer(options, HOST, clock or Clock2013())


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "body_hash", "signature"),
    [
        (
            "GET",
            "/test.txt",
            "",
            {"range": "bytes=0-9"},
            EMPTY,
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "/test%24file.text",
            "",
            {
                "date": "Fri, 24 May 2013 00:00:00 GMT",
                "x-amz-storage-class": "REDUCED_REDUNDANCY",
            },
            "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            "GET",
            "/",
            "lifecycle=",
            {},
            EMPTY,
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "GET",
            "/",
            "prefix=J&max-keys=2",
            {},
            EMPTY,
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_amazons_examples(
    method: str, path: str, query: str, headers: dict[str, str], body_hash: str, signature: str
) -> None:
    """The signatures that the reference gives, to the last digit; every header is signed."""
    sent = dict(signer().signed(method, path, query, headers, body_hash))

    names = ";".join(sorted({"host", "x-amz-content-sha256", "x-amz-date", *headers}))
    assert (
        "AWS4-HMAC-SHA256 "
        f"Credential={ACCESS_KEY}/20130524/us-east-1/s3/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    ) == sent[b"authorization"].decode()
    assert b"20130524T000000Z" == sent[b"x-amz-date"]
    assert HOST.encode() == sent[b"host"]


def test_a_session_token_goes_along_and_is_signed() -> None:
    """Temporary credentials are three."""
    made = signer(access_key="a", secret_key="s", session_token="token/7+==")

    sent = dict(made.signed("GET", "/b/k", "", {"if-match": '"7"'}, EMPTY))

    assert b"token/7+==" == sent[b"x-amz-security-token"]
    signed = b"SignedHeaders=host;if-match;x-amz-content-sha256;x-amz-date;x-amz-security-token,"
    assert signed in sent[b"authorization"]


def test_strangers_sign_nothing() -> None:
    """Anonymous requests have what was asked, and the host."""
    options = ObjectStoreOptions(url=f"https://{HOST}")

    made = Signer(options, HOST, Clock2013())

    assert made.anonymous
    assert [(b"host", HOST.encode()), (b"range", b"bytes=0-9")] == made.signed(
        "GET", "/b/k", "", {"range": "bytes=0-9"}, EMPTY
    )


def test_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    """As a Secret that is rotated: the next request is signed by what is there then."""
    clock = Clock2013()
    access, secret, token = (tmp_path / name for name in ("access", "secret", "token"))
    access.write_text("old\n")
    secret.write_text(SECRET_KEY)
    token.write_text("t1")
    made = signer(
        clock,
        access_key_file=str(access),
        secret_key_file=str(secret),
        session_token_file=str(token),
    )
    before = dict(made.signed("GET", "/b/k", "", {}, EMPTY))
    for file, content in ((access, ACCESS_KEY), (token, "t2")):
        new = file.with_suffix(".new")
        new.write_text(content)
        os.replace(new, file)
    clock.now += LOOK_SECONDS

    after = dict(made.signed("GET", "/b/k", "", {}, EMPTY))

    assert (b"t1", b"t2") == (before[b"x-amz-security-token"], after[b"x-amz-security-token"])
    assert b"Credential=old/" in before[b"authorization"]
    assert f"Credential={ACCESS_KEY}/".encode() in after[b"authorization"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"access_key": "a", "secret_key": "s-7\n7"}, "secret_key: expected one line"),
        ({"access_key": "ä", "secret_key": "s"}, "access_key: expected one line"),
        ({"access_key": "", "secret_key": "s"}, "access_key: expected one line"),
        ({"access_key": "a", "secret_key_file": "/not/here"}, "secret_key_file '/not/here'"),
    ],
)
def test_credentials_that_cannot_be_used_are_told_at_start(
    given: dict[str, str], said: str
) -> None:
    """By the option's name, never by what it holds."""
    with pytest.raises(ConfigError, match=said) as caught:
        signer(**given)

    assert "s-7" not in str(caught.value)


def test_our_secrets_are_taken_out_of_the_stores_words() -> None:
    """A store that quotes what it was sent puts it into a log otherwise."""
    made = signer(access_key="a", secret_key="secret-7", session_token="token-7")
    made.signed("GET", "/b/k", "", {}, EMPTY)

    assert "sent *** by ***" == made.hidden("sent token-7 by secret-7")


def test_without_the_package_the_extra_is_named() -> None:
    """At start, and only where something must be signed."""
    script = (
        "import sys; sys.modules['minio'] = None\n"
        "from bridge import ConfigError, ObjectStore, ObjectStoreOptions\n"
        "ObjectStore(ObjectStoreOptions(url='http://minio:9000'))\n"
        "try: ObjectStore(ObjectStoreOptions(url='http://minio:9000', access_key='a', "
        "secret_key='s'))\n"
        "except ConfigError as error: print(error)"
    )

    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert "" == found.stderr
    assert "expected the extra inference-bridge[objects]" in found.stdout
