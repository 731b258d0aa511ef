"""Stands in for `kserve.utils`."""
