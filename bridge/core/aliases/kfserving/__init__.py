"""Stands in for `kfserving`, which became `kserve`: the same under its old names."""

from . import constants, kfserver
from .kfmodel import KFModel
from .kfserver import KFServer

__all__ = ["KFModel", "KFServer", "constants", "kfserver"]
