"""KServe's form: files written for a transformer of `kserve` or `kfserving` run unchanged."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.core.errors import ConfigError, DecodeError, TransformError
from bridge.core.payload import Body
from bridge.transformers.user import TransformerOptions, UserTransformer
from tests.fakes_usercode import context, nothing_loaded, transformer, write


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Leave nothing of a test's files behind."""
    with nothing_loaded():
        yield


def image_transformer(package: str, base: str, kind: str) -> str:
    """Return a file like the one of the published Kafka example, its store a folder."""
    level = f"{package.upper()}_LOGLEVEL"
    module, server = (
        ("model_server", "ModelServer") if base == "Model" else ("kfserver", "KFServer")
    )
    return f"""
        import argparse
        import logging
        from pathlib import Path
        from typing import Dict

        import {package}

        logging.getLogger("image").setLevel({package}.constants.{level})

        def scaled(image: bytes):
            return [(255 - pixel) / 255.0 for pixel in image]

        class ImageTransformer({package}.{base}):
            def __init__(self, name: str, predictor_host: str, store: str = "."):
                super().__init__(name)
                self.predictor_host = predictor_host
                self.store = Path(store)
                self._key = None

            {kind} preprocess(self, inputs: Dict) -> Dict:
                if inputs["EventName"] == "s3:ObjectCreated:Put":
                    record = inputs["Records"][0]["s3"]
                    self._key = record["object"]["key"]
                    image = (self.store / record["bucket"]["name"] / self._key).read_bytes()
                    return {{"instances": [scaled(image)]}}
                raise Exception("unknown event")

            {kind} postprocess(self, inputs: Dict) -> Dict:
                digit = inputs["predictions"][0]["classes"]
                (self.store / f"digit-{{digit}}" / self._key).write_bytes(b"")
                return inputs

        parser = argparse.ArgumentParser(parents=[{package}.{module}.parser])
        parser.add_argument("--predictor_host", required=True)
        args, _ = parser.parse_known_args()

        if __name__ == "__main__":
            transformer = ImageTransformer(args.model_name, predictor_host=args.predictor_host)
            {package}.{server}(workers=1).start([transformer])
    """


NOTIFICATION = (
    b'{"EventName":"s3:ObjectCreated:Put","Key":"mnist/0.png","Records":[{"s3":'
    b'{"bucket":{"name":"mnist"},"object":{"key":"0.png"}}}]}'
)


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(("package", "base"), [("kserve", "Model"), ("kfserving", "KFModel")])
async def test_a_published_kind_of_file_runs(
    tmp_path: Path, package: str, base: str, kind: str
) -> None:
    """Notification in, instances out; predictions in, the image filed under its digit."""
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "0.png").write_bytes(bytes([255, 0]))
    (tmp_path / "digit-7").mkdir()
    options = {"predictor_host": "unused", "store": str(tmp_path)}
    text = image_transformer(package, base, kind)

    async with transformer(tmp_path, text, cls="ImageTransformer", options=options) as steps:
        before = await steps.preprocess(Body(NOTIFICATION), context())
        after = await steps.postprocess(Body(b'{"predictions":[{"classes":7}]}'), context())

    assert before == Body(b'{"instances":[[0.0,1.0]]}')
    assert after == Body(b'{"predictions":[{"classes":7}]}')
    assert (tmp_path / "digit-7" / "0.png").exists()


async def test_other_events_name_the_users_error(tmp_path: Path) -> None:
    """What such a file raises is named after it."""
    text = image_transformer("kserve", "Model", "def")
    options = {"predictor_host": "unused"}

    async with transformer(tmp_path, text, cls="ImageTransformer", options=options) as steps:
        with pytest.raises(TransformError) as unknown:
            await steps.preprocess(Body(b'{"EventName":"s3:ObjectRemoved:Delete"}'), context())
        with pytest.raises(TransformError) as missing:
            await steps.preprocess(Body(b"{}"), context())

    assert str(unknown.value) == "ImageTransformer.preprocess: Exception('unknown event')"
    assert str(missing.value) == "ImageTransformer.preprocess: KeyError('EventName')"


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(
    ("signature", "seen"),
    [
        ("self, inputs", "None, None"),
        ("self, inputs, headers=None", "headers, None"),
        ("self, inputs, headers, response_headers=None", "headers, response_headers"),
    ],
)
async def test_each_published_signature(
    tmp_path: Path, kind: str, signature: str, seen: str
) -> None:
    """Methods of every KServe release are called with what they take."""
    text = f"""
        import kserve

        class T(kserve.Model):
            {kind} preprocess({signature}):
                return [inputs, {seen}]
    """

    async with transformer(tmp_path, text) as steps:
        answer = await steps.preprocess(Body(b"[1]"), context(headers={"x-request-id": "r"}))

    assert answer is not None
    assert answer.json() == [
        [1],
        {"x-request-id": "r"} if "headers" in seen else None,
        {} if "response_headers" in seen else None,
    ]


@pytest.mark.parametrize("signature", ["self", "self, a, b, c, d"])
def test_another_signature_is_refused_at_load(tmp_path: Path, signature: str) -> None:
    """A method that KServe could not call either says what was expected."""
    text = f"""
        import kserve

        class T(kserve.Model):
            def preprocess({signature}):
                return None
    """

    with pytest.raises(ConfigError) as caught:
        transformer(tmp_path, text)

    assert str(caught.value) == (
        f"T.preprocess({signature}) cannot be called: expected "
        "preprocess(self, inputs), or with headers, or with headers and response_headers"
    )


async def test_inputs_changed_in_place_change_nothing_else(tmp_path: Path) -> None:
    """Each call has a dict of its own: files change it, and the event's payload stays."""
    text = """
        import kserve

        class T(kserve.Model):
            def preprocess(self, inputs):
                inputs["seen"] = inputs.get("seen", 0) + 1
                return inputs
    """
    payload = Body(b"{}")

    async with transformer(tmp_path, text) as steps:
        answers = [await steps.preprocess(payload, context()) for _ in range(2)]

    assert answers == [Body(b'{"seen":1}')] * 2
    assert payload.json() == {}


async def test_the_pipelines_name_is_the_models(tmp_path: Path) -> None:
    """`name` is the option of that name, or else the pipeline's."""
    text = """
        import kserve

        class T(kserve.Model):
            def preprocess(self, inputs):
                return self.name
    """

    async with (
        transformer(tmp_path, text, name="mnist") as unnamed,
        transformer(tmp_path, text, name="mnist", options={"name": "own"}) as named,
    ):
        answers = [await steps.preprocess(Body(b"{}"), context()) for steps in (unnamed, named)]

    assert [answer.data for answer in answers if answer is not None] == [b"mnist", b"own"]


def test_a_missing_option_names_it(tmp_path: Path) -> None:
    """Published constructors want a predictor_host: what is missing is named."""
    text = """
        import kserve

        class T(kserve.Model):
            def __init__(self, name, predictor_host):
                super().__init__(name)

            def preprocess(self, inputs):
                return inputs
    """

    with pytest.raises(ConfigError) as caught:
        transformer(tmp_path, text)

    assert str(caught.value) == (
        "T: options do not fit T(name, predictor_host): "
        "missing a required argument: 'predictor_host'"
    )


def test_a_predict_of_its_own_is_refused(tmp_path: Path) -> None:
    """A predict that would silently never be called is refused at load."""
    text = """
        import kserve

        class T(kserve.Model):
            def preprocess(self, inputs):
                return inputs

            def predict(self, inputs):
                return inputs
    """

    with pytest.raises(ConfigError, match=r"^T\.predict would never be called: "):
        transformer(tmp_path, text)


def test_a_model_with_nothing_to_do_is_refused(tmp_path: Path) -> None:
    """The base's own preprocess and postprocess do nothing, and do not count."""
    with pytest.raises(ConfigError) as caught:
        transformer(tmp_path, "import kserve\nclass T(kserve.Model): pass")

    assert str(caught.value) == "T has nothing to do: expected preprocess or postprocess"


async def test_absent_steps_stay_absent(tmp_path: Path) -> None:
    """Only what the user wrote is a step: the base's identity is not called."""
    text = """
        import kserve

        class T(kserve.Model):
            def postprocess(self, outputs):
                return outputs
    """

    steps = transformer(tmp_path, text)

    assert (steps.has_preprocess, steps.has_postprocess) == (False, True)


async def test_a_payload_that_is_no_json_is_the_events_fault(tmp_path: Path) -> None:
    """KServe's form needs JSON; anything else is refused before user code runs."""
    text = """
        import kserve

        class T(kserve.Model):
            def preprocess(self, inputs):
                raise AssertionError
    """

    async with transformer(tmp_path, text) as steps:
        with pytest.raises(DecodeError, match="data is not JSON"):
            await steps.preprocess(Body(b"\x89PNG", "image/png"), context())


async def test_two_events_at_once_on_one_class(tmp_path: Path) -> None:
    """Sync calls of one class never overlap, so each preprocess sees its own state."""
    text = """
        import kserve

        class T(kserve.Model):
            def preprocess(self, inputs):
                self._key = inputs["key"]
                for _ in range(1000):
                    pass
                return {"instances": [self._key]}
    """

    async with transformer(tmp_path, text) as steps:
        answers = await asyncio.gather(
            *(steps.preprocess(Body.of({"key": n}), context()) for n in range(50))
        )

    assert [answer.json() for answer in answers if answer is not None] == [
        {"instances": [n]} for n in range(50)
    ]


async def test_a_real_kserve_goes_first(tmp_path: Path) -> None:
    """Where `kserve` is there, its own Model is the base, and the form is still recognised."""
    write(
        tmp_path,
        "kserve/__init__.py",
        "from .model import Model",
    )
    write(
        tmp_path,
        "kserve/model.py",
        """
        class Model:
            REAL = True

            def __init__(self, name):
                self.name = name

            def load(self):
                raise AssertionError("the base's own load is not the user's")

            def predict(self, payload, headers=None):
                raise AssertionError

            def preprocess(self, payload, headers=None):
                raise AssertionError
        """,
    )
    write(
        tmp_path,
        "mine.py",
        """
        import kserve

        class Mine(kserve.Model):
            def postprocess(self, outputs, headers=None):
                return {"real": self.REAL}
        """,
    )
    options = TransformerOptions(type="mine:Mine", options={"name": "m"})

    async with UserTransformer(options, folder=tmp_path) as steps:
        answer = await steps.postprocess(Body(b"{}"), context())

    assert answer == Body(b'{"real":true}')
    assert not steps.has_preprocess
    assert sys.modules["kserve"].__file__ == str(tmp_path.resolve() / "kserve" / "__init__.py")
