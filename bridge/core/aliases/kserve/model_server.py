"""Stands in for `kserve.model_server`: a parser without options, a server that never starts."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

#: Files make their own parser with this one as its parent and read these values from it.
parser = argparse.ArgumentParser(add_help=False)
parser.set_defaults(
    configure_logging=False,
    log_config_file=None,
    model_name="model",
    predictor_host=None,
    predictor_protocol="v1",
    predictor_request_timeout_seconds=600,
    predictor_use_ssl=False,
    protocol="v1",
)


class ModelServer:
    """The server that files start when they are run themselves; here the bridge serves."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs

    def start(self, models: Any) -> NoReturn:
        """Refuse."""
        del models
        raise RuntimeError(
            "ModelServer.start is called while the bridge imports the file: "
            "expected it below `if __name__ == '__main__':`"
        )
