"""Stands in for `kserve.protocol.grpc`."""
