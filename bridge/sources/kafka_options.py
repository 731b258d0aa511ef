"""What a Kafka source may be told: whose records, in what order, how many, and what if.

Each option says what it costs; the promises behind them are in `bridge.sources.kafka`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bridge.codecs.records import Decoding
from bridge.config.kafka import KafkaClientOptions
from bridge.config.options import Bytes, Seconds
from bridge.sources.holding import HoldingOptions


class KafkaSourceOptions(KafkaClientOptions, HoldingOptions):
    """Events from Kafka, at least once and in order for each key."""

    topics: Annotated[list[str], Field(min_length=1)]
    """Topics to read."""
    group_id: Annotated[str, Field(min_length=1)]
    """Consumer group: its members share the partitions, and its commits say what is done."""
    decode: Decoding = "auto"
    """What records hold; `auto`: CloudEvents, and others as Knative's KafkaSource has them."""
    order: Literal["key", "partition", "none"] = "key"
    """Within what responses leave in the order of their requests; records without a key are \
ordered by partition."""
    serial: bool = False
    """Whether an event waits until the one before it, in that order, is done: for a model \
with a state."""
    max_in_flight: Annotated[int, Field(ge=1)] = 512
    """Records taken and not committed at most, shared equally by the partitions: what a kill \
delivers again."""
    max_in_flight_bytes: Bytes = 24 * 1024 * 1024
    """How large records under way may be together, shared equally by the partitions."""
    max_fetch_bytes: Bytes = 1024 * 1024
    """How much of one partition is fetched at once; a larger record comes alone."""
    commit_interval_seconds: Seconds = 1.0
    """Longest wait until what is settled is committed."""
    auto_offset_reset: Literal["earliest", "latest"] = "earliest"
    """Where a group begins that has committed nothing yet."""
    on_out_of_range: Literal["fail", "earliest", "latest"] = "fail"
    """What to do when the next record is not there any more: stop, or go on with a loss."""
    isolation_level: Literal["read_committed", "read_uncommitted"] = "read_committed"
    """Whether records of aborted transactions are left out."""
    session_timeout_seconds: Seconds = 30.0
    """How long the group waits for a sign of life."""
    rebalance_timeout_seconds: Seconds = 60.0
    """How long the group waits for what is running, when partitions move to another member."""
