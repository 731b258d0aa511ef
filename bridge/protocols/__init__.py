"""Payloads to the bodies that model servers speak, and back: pure functions."""
