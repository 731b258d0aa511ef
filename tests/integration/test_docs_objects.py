"""docs/objects.md: its examples work, and its numbers are the code's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from bridge.config.objects import ObjectStoreOptions
from bridge.core.errors import Filtered
from bridge.core.payload import Body
from bridge.transformers.user import TransformerOptions, UserTransformer
from bridge.transports.objects import ObjectStore
from bridge.transports.objects.names import MAX_KEY_BYTES
from bridge.transports.objects.store import FIRST_BYTES, MAX_LISTED
from tests.fakes_usercode import context, nothing_loaded, write
from tests.services.minio import ObjectServer

TEXT = (Path(__file__).parents[2] / "docs" / "objects.md").read_text()


def block(language: str) -> str:
    """Return the only block in *language*."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert isinstance(found, str)
    return found


def notification(key: str, etag: str) -> Body:
    """Return what a store tells of the object *key*, as it writes it."""
    told = {"key": key.replace(" ", "+"), "eTag": etag}
    record = {
        "eventName": "s3:ObjectCreated:Put",
        "s3": {"bucket": {"name": "mnist"}, "object": told},
    }
    return Body.of({"Records": [record]})


def test_the_store_of_the_file_is_one() -> None:
    """Every option that the example names is an option."""
    options = ObjectStoreOptions.model_validate(yaml.safe_load(block("yaml"))["store"])

    assert ("https://minio.storage.svc:9000", "us-east-1") == (options.url, options.region)


async def test_the_transformer_fetches_what_was_told(moto: ObjectServer, tmp_path: Path) -> None:
    """The object as the model gets it; a notification that is overtaken is filtered."""
    write(tmp_path, "transformer.py", block("python"))
    chosen = TransformerOptions(type="transformer:Fetch", options={"store": moto.options})
    async with ObjectStore(ObjectStoreOptions.model_validate(moto.options)) as store:
        await store.create_bucket("mnist")
        ref = await store.put("mnist", "a b.png", b"\x89PNG", content_type="image/png")
    with nothing_loaded():
        async with UserTransformer(chosen, folder=tmp_path) as steps:
            payload = await steps.preprocess(notification("a b.png", ref.etag or ""), context())
            await steps.ping()

            assert Body(b"\x89PNG", "image/png") == payload
            for key, etag, reason in (("a b.png", "8", "superseded"), ("none", "8", "gone")):
                with pytest.raises(Filtered) as caught:
                    await steps.preprocess(notification(key, etag), context())
                assert reason == caught.value.reason


def test_the_numbers_are_the_codes() -> None:
    """Limits that the page names, from where they are kept."""
    default = ObjectStoreOptions(url="http://minio:9000").max_object_bytes

    assert f"({default // 1024**2} MiB)" in TEXT
    assert f"at most {MAX_LISTED:,}" in TEXT
    assert f"up to {MAX_KEY_BYTES:,} bytes" in TEXT
    assert f"up to {FIRST_BYTES // 1024**2} MiB, two beyond" in TEXT


def test_the_page_names_every_method() -> None:
    """What a transformer may call, and nothing that it may not."""
    named = set(re.findall(r"^\| `(\w+)\(", TEXT, re.MULTILINE))

    public = {name for name in vars(ObjectStore) if not name.startswith("_")}
    assert public - {"Options", "ask", "refused"} == named
