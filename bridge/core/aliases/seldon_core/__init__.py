"""Stands in for `seldon_core`: what a file with a component imports, and nothing that serves."""

from . import flask_utils, user_model

__all__ = ["flask_utils", "user_model"]
