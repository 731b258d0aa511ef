"""Stands in for `kfserving.constants`."""

import os

KFSERVING_LOGLEVEL = os.environ.get("KFSERVING_LOGLEVEL", "INFO").upper()
