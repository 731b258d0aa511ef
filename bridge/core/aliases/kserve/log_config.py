"""Stands in for `kserve.log_config`."""

from .logging import logger

__all__ = ["logger"]
