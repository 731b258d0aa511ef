"""Stands in for `kserve.utils.utils`: the one function that transformers need no V2 types for."""

import uuid


def generate_uuid() -> str:
    """Return a random id."""
    return str(uuid.uuid4())
