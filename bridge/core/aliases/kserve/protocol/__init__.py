"""Stands in for `kserve.protocol`."""
