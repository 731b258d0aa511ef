"""What a Kafka source may be told: whose records, in what order, how many, and what if.

Each option says what it costs; the promises behind them are in `bridge.sources.kafka`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bridge.codecs.records import Decoding
from bridge.config.kafka import KafkaClientOptions
from bridge.config.options import Bytes, Seconds


class KafkaSourceOptions(KafkaClientOptions):
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
    on_dead_letter: Literal["settle", "hold"] = "settle"
    """What a refused event does: go to the dead letter, or stop its key until it is taken."""
    hold_after_refusals: Annotated[int, Field(ge=0)] = 0
    """How many refusals in a row hold the source: a model was rolled out badly; 0 for never."""
    max_attempts: Annotated[int, Field(ge=1)] = 5
    """Tries of an event that runs out of time while others are answered; then it is refused."""
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
    hold_initial_seconds: Seconds = 0.1
    """Pause before the second try of an event that met an outage; it doubles from try to try."""
    hold_max_seconds: Seconds = 30.0
    """Longest pause between two tries."""
    session_timeout_seconds: Seconds = 30.0
    """How long the group waits for a sign of life."""
    rebalance_timeout_seconds: Seconds = 60.0
    """How long the group waits for what is running, when partitions move to another member."""
