"""Stands in for `kserve.logging`: the logger that files import."""

from __future__ import annotations

import logging

KSERVE_LOGGER_NAME = "kserve"
logger = logging.getLogger(KSERVE_LOGGER_NAME)


def configure_logging(log_config: object = None) -> None:
    """Leave the log as it is: the bridge has set it up."""
    del log_config
