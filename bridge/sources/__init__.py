"""Where events come from: one file a kind."""

#: kind → module:class, imported when a file names it.
TYPES: dict[str, str] = {
    "seldon": "bridge.sources.seldon:SeldonSource",
}
