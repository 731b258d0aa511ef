"""Bytes to events and back: pure functions."""
