"""Where events come from: one file a kind."""

#: kind → module:class, imported when a file names it.
TYPES: dict[str, str] = {
    "http": "bridge.sources.http:HttpSource",
    "kafka": "bridge.sources.kafka:KafkaSource",
    "minio": "bridge.sources.minio:MinioSource",
    "seldon": "bridge.sources.seldon:SeldonSource",
}
