"""Where events go: one file a kind."""

#: kind → module:class, imported when a file names it.
TYPES: dict[str, str] = {
    "http": "bridge.sinks.http:HttpSink",
    "kafka": "bridge.sinks.kafka:KafkaSink",
    "log": "bridge.sinks.log:LogSink",
    "objects": "bridge.sinks.objects:ObjectsSink",
}
