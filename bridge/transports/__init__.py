"""Connections, both ends."""
