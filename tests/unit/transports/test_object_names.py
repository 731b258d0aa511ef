"""Which keys a path carries, and how each byte of them is written."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import Rejected
from bridge.transports.objects.names import MAX_KEY_BYTES, bucket_path, object_path


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("0.png", "/mnist/0.png"),
        ("dir/0.png", "/mnist/dir/0.png"),
        ("dir/", "/mnist/dir/"),
        ("a b", "/mnist/a%20b"),
        ("a+b", "/mnist/a%2Bb"),
        ("100%", "/mnist/100%25"),
        ("%2F", "/mnist/%252F"),
        ("a#b?c=d&e", "/mnist/a%23b%3Fc%3Dd%26e"),
        ("a;b", "/mnist/a%3Bb"),
        ("ü/日本", "/mnist/%C3%BC/%E6%97%A5%E6%9C%AC"),
        ("..a/b../...", "/mnist/..a/b../..."),
        ("%2e%2e/x", "/mnist/%252e%252e/x"),
        ("A-Z_a.z~09", "/mnist/A-Z_a.z~09"),
        ("!$'()*,:@\\", "/mnist/%21%24%27%28%29%2A%2C%3A%40%5C"),
        ("\x01\r\n", "/mnist/%01%0D%0A"),
        ("k" * MAX_KEY_BYTES, "/mnist/" + "k" * MAX_KEY_BYTES),
    ],
)
def test_keys_are_encoded_once(key: str, path: str) -> None:
    """As the canonical URI of a signature has them: all but unreserved characters and `/`."""
    assert path == object_path("mnist", key)


@pytest.mark.parametrize(
    "key",
    [
        "",
        ".",
        "..",
        "../other/secret",
        "a/../b",
        "a/./b",
        "a/..",
        "a/.",
        "./a",
        "/a",
        "a//b",
        "a//",
        "/",
        "\ud800",
        "k" * (MAX_KEY_BYTES + 1),
        "ü" * (MAX_KEY_BYTES // 2 + 1),
    ],
)
def test_what_could_be_read_as_another_path_is_refused(key: str) -> None:
    """The text says which object, and what was expected of its key."""
    with pytest.raises(Rejected, match=r"object 'mnist/.*: expected a key of"):
        object_path("mnist", key)


@pytest.mark.parametrize(
    "bucket", ["", "a", "..", "a/b", "a?b", "-a", "a-", "minio", "ü-bucket", "a\nb", "x" * 256]
)
def test_what_is_no_bucket_is_refused(bucket: str) -> None:
    """A bucket comes with a notification too: none leads to MinIO's own interface."""
    with pytest.raises(Rejected, match=r"bucket .*: expected 3 to 63"):
        bucket_path(bucket)


@given(st.text(max_size=40))
def test_any_key_is_one_path_or_refused(key: str) -> None:
    """What comes out is printable ASCII, leads back to the key, and has no dot segments."""
    try:
        path = object_path("mnist", key)
    except Rejected:
        return

    assert path.isascii()
    assert path.isprintable()
    assert not set(" ?#;+") & set(path)
    assert f"/mnist/{key}" == unquote(path, errors="strict")
    assert not {"", ".", ".."} & set(path.rstrip("/").split("/")[1:])
