"""What stands in for `kserve`, `kfserving` and `seldon_core`, and when it does not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

from bridge.core import aliases
from bridge.core.errors import ConfigError
from bridge.core.loading import load_class
from tests.fakes_usercode import nothing_loaded, write

pytestmark = pytest.mark.skipif(
    any(PathFinder.find_spec(name) is not None for name in aliases.PACKAGES),
    reason="a real package is installed: nothing stands in for it",
)


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Leave nothing of a test's files behind."""
    with nothing_loaded():
        yield


#: What files of the three kinds say in their first lines.
IMPORTS = {
    "kserve": """
        import kserve
        import logging
        from typing import Dict, Union
        from kserve import InferInput, InferOutput, InferRequest, InferResponse
        from kserve import Model, ModelServer, model_server
        from kserve.errors import InferenceError, InvalidInput, ModelMissingError, ModelNotReady
        from kserve.log_config import logger
        from kserve.logging import configure_logging, logger
        from kserve.model import InferRequest, Model, ModelInferRequest, ModelInferResponse
        from kserve.model import PredictorConfig, PredictorProtocol
        from kserve.protocol.grpc.grpc_predict_v2_pb2 import ModelInferRequest, ModelInferResponse
        from kserve.protocol.infer_type import InferInput, InferOutput, InferRequest
        from kserve.utils.utils import generate_uuid

        logging.getLogger("test").setLevel(kserve.constants.KSERVE_LOGLEVEL)

        class Mine(kserve.Model):
            def __init__(self, name: str, predictor_host: str):
                super().__init__(name)
                self.predictor_host = predictor_host

            def preprocess(self, inputs: Union[Dict, InferRequest], headers=None):
                return inputs

        if __name__ == "__main__":
            ModelServer().start([Mine("mine", "host")])
    """,
    "kfserving": """
        import kfserving
        import logging

        logging.getLogger("test").setLevel(kfserving.constants.KFSERVING_LOGLEVEL)

        class Mine(kfserving.KFModel):
            def __init__(self, name: str, predictor_host: str):
                super().__init__(name)

        if __name__ == "__main__":
            kfserving.KFServer(workers=1).start([Mine("mine", "host")])
    """,
    "seldon_core": """
        import seldon_core
        from seldon_core.flask_utils import SeldonMicroserviceException
        from seldon_core.user_model import SeldonComponent, SeldonResponse

        class Mine(SeldonComponent):
            def __init__(self, name: str, predictor_host: str):
                super().__init__()
    """,
}


@pytest.mark.parametrize("package", IMPORTS)
def test_files_load_where_the_package_is_absent(tmp_path: Path, package: str) -> None:
    """The first lines of published files work, and the instance can be made."""
    write(tmp_path, "mine.py", IMPORTS[package])

    cls = load_class("mine:Mine", tmp_path)

    assert aliases.stands_in(package)
    assert cls("mine", "host").__class__.__mro__[1].__module__.startswith(package)


@pytest.mark.parametrize("package", aliases.PACKAGES)
def test_a_real_package_goes_first(tmp_path: Path, package: str) -> None:
    """A package that is there, installed or in the folder, is the one that is imported."""
    write(tmp_path, f"{package}/__init__.py", "REAL = True")
    write(tmp_path, "mine.py", f"import {package}\nclass Mine: real = {package}.REAL")

    cls = load_class("mine:Mine", tmp_path)

    assert vars(cls)["real"] is True
    assert not aliases.stands_in(package)


def test_a_real_package_is_never_completed_by_ours(tmp_path: Path) -> None:
    """A module that a real package lacks is missing, not taken from what stands in."""
    write(tmp_path, "kserve/__init__.py", "")
    write(tmp_path, "mine.py", "import kserve.log_config")

    with pytest.raises(ConfigError) as caught:
        load_class("mine:Mine", tmp_path)

    assert str(caught.value).endswith("No module named 'kserve.log_config'")


def test_nothing_is_imported_that_nobody_asks_for(tmp_path: Path) -> None:
    """A file without these packages brings none of them."""
    write(tmp_path, "mine.py", "class Mine: pass")

    load_class("mine:Mine", tmp_path)

    assert not [name for name in sys.modules if name.partition(".")[0] in aliases.PACKAGES]


def test_methods_may_import_them_late(tmp_path: Path) -> None:
    """What stands in is still there when a method imports it, long after the file was loaded."""
    write(
        tmp_path,
        "mine.py",
        """
        class Mine:
            def late(self):
                from kserve.errors import InvalidInput
                return InvalidInput
        """,
    )

    cls = load_class("mine:Mine", tmp_path)

    assert cls().late().__module__ == "kserve.errors"


def test_installing_twice_is_once() -> None:
    """The finder is Python's last, and there is one."""
    aliases.install()
    aliases.install()

    assert sys.meta_path[-1] is aliases._Last
    assert sys.meta_path.count(aliases._Last) == 1


@pytest.mark.parametrize(
    "line", ["from kserve import KServeClient", "import kserve.api.kserve_client"]
)
def test_what_is_not_stood_in_for_says_so(tmp_path: Path, line: str) -> None:
    """A file that needs more is told which package to install, and where it asked."""
    file = write(tmp_path, "mine.py", line)

    with pytest.raises(ConfigError) as caught:
        load_class("mine:Mine", tmp_path)

    assert f"{file.resolve()}:1: " in str(caught.value)
    assert str(caught.value).endswith(
        "; 'kserve' is not installed, and what stands in for it has only what a transformer "
        "needs: install 'kserve' for the rest"
    )


def test_a_server_that_starts_at_import_is_refused(tmp_path: Path) -> None:
    """A file that serves without asking whether it is the program says where that belongs."""
    write(tmp_path, "mine.py", "import kserve\nkserve.ModelServer(workers=1).start([])")

    with pytest.raises(ConfigError, match=r"mine\.py:2: RuntimeError: ModelServer\.start is"):
        load_class("mine:Mine", tmp_path)


@pytest.mark.parametrize("declared", [True, False])
def test_files_read_their_command_line(tmp_path: Path, declared: bool) -> None:
    """A parser at the top of a file gets the options it declares; ours brings defaults."""
    declares = 'parser.add_argument("--predictor_host", required=True)' if declared else ""
    write(
        tmp_path,
        "mine.py",
        f"""
        import argparse
        import kserve
        parser = argparse.ArgumentParser(parents=[kserve.model_server.parser])
        {declares}
        args, _ = parser.parse_known_args()

        class Mine:
            host = args.predictor_host
            name = args.model_name
        """,
    )

    cls = load_class("mine:Mine", tmp_path, arguments=["--predictor_host", "h:80"])

    assert (vars(cls)["host"], vars(cls)["name"]) == ("h:80" if declared else None, "model")


def test_v2_types_are_names_only() -> None:
    """KServe's V2 types can be imported and asked for, not made."""
    aliases.install()
    from kserve import InferRequest  # type: ignore[import-not-found]  # stood in for at run time

    assert not isinstance({}, InferRequest)
    with pytest.raises(NotImplementedError, match="take and return dicts"):
        InferRequest(model_name="m", infer_inputs=[])


async def test_what_the_bases_do_themselves() -> None:
    """A user's method may call its base: it changes nothing, loads, and refuses to predict."""
    aliases.install()
    import kfserving  # type: ignore[import-not-found]  # stood in for at run time
    import kserve

    new, old = kserve.Model("m"), kfserving.KFModel("m")
    found = [
        await new.preprocess({"x": 1}, {}),
        await new.postprocess({"x": 2}, {}, {}),
        old.preprocess({"x": 3}),
        old.postprocess({"x": 4}),
        new.load(),
        old.load(),
    ]

    assert found == [{"x": 1}, {"x": 2}, {"x": 3}, {"x": 4}, True, True]
    for model in (new, old):
        with pytest.raises(NotImplementedError, match="the model of its own pipeline"):
            await model.predict({})
    with pytest.raises(RuntimeError, match=r"^KFServer\.start is called"):
        kfserving.KFServer().start([])


def test_the_errors_that_files_raise() -> None:
    """The errors have the attributes and texts of the packages' own."""
    aliases.install()
    from kserve import errors
    from seldon_core.flask_utils import (  # type: ignore[import-not-found]  # stood in for
        SeldonMicroserviceException,
    )

    texts = [
        str(error)
        for error in (
            errors.InferenceError("failed", status="500"),
            errors.InvalidInput("wrong"),
            errors.ModelMissingError("/models"),
            errors.ModelNotFound("m"),
            errors.ModelNotReady("m", "loading"),
        )
    ]
    status = SeldonMicroserviceException("bad", status_code=422, reason="R")

    assert texts == [
        "failed",
        "wrong",
        "/models",
        "Model with name m does not exist.",
        "Model with name m is not ready. loading",
    ]
    assert status.status_code == 422
    assert status.to_dict() == {"status": {"status": 1, "info": "bad", "code": -1, "reason": "R"}}
