"""Stands in for `kserve.constants`: the log level that files give to `logging.basicConfig`."""

import os

KSERVE_LOGLEVEL = os.environ.get("KSERVE_LOGLEVEL", "INFO").upper()
