"""Stands in for `kfserving.kfserver`: a parser without options, a server that never starts."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

#: Files make their own parser with this one as its parent.
parser = argparse.ArgumentParser(add_help=False)
parser.set_defaults(model_name="model", predictor_host=None)


class KFServer:
    """The server that files start when they are run themselves; here the bridge serves."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs

    def start(self, models: Any) -> NoReturn:
        """Refuse."""
        del models
        raise RuntimeError(
            "KFServer.start is called while the bridge imports the file: "
            "expected it below `if __name__ == '__main__':`"
        )
