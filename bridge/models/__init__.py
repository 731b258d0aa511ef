"""What answers a payload with a payload: one file a kind."""

#: kind → module:class, imported when a file names it.
TYPES: dict[str, str] = {
    "grpc": "bridge.models.grpc:GrpcModel",
    "local": "bridge.models.local:LocalModel",
    "rest": "bridge.models.rest:RestModel",
}
