"""Pipelines that read one topic in one group of Kafka: each event reaches one of them only.

Found where a file is loaded, and told as warnings: it is what replicas do, and no mistake there.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any

from bridge.app.lines import Line


def groups(lines: Iterable[Line]) -> list[str]:
    """Return a warning for each two pipelines that share a topic out between them."""
    warnings = []
    kafka = [line for line in lines if line.source.kind == "kafka"]
    for earlier, line in combinations(kafka, 2):
        theirs: Any = earlier.source.options
        own: Any = line.source.options
        both = sorted({*theirs.topics} & {*own.topics})
        cluster, group = own.bootstrap_servers, own.group_id
        if both and (theirs.bootstrap_servers, theirs.group_id) == (cluster, group):
            warnings.append(
                f"pipelines '{earlier.name}' and '{line.name}' read topic '{both[0]}' in one "
                f"group, '{group}': each event reaches one of them only, whatever their "
                "filters say; expected a group of its own for each"
            )
    return warnings
