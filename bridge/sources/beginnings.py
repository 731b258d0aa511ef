"""Where reading a partition begins, and where it goes on when its next record is gone."""

from __future__ import annotations

import structlog

from bridge.sources.kafka_options import KafkaSourceOptions
from bridge.sources.partition import Assigned
from bridge.transports.kafka.port import Consumer, OutOfRange

log = structlog.get_logger()


async def begin(consumer: Consumer, partition: Assigned, options: KafkaSourceOptions) -> None:
    """Begin where the group left off; where it never was, commit where it begins."""
    at = partition.at
    start = await consumer.committed(at)
    if start is None:
        first, end = await consumer.bounds(at)
        start = first if options.auto_offset_reset == "earliest" else end
        await consumer.commit({at: start})
    consumer.seek(at, start)
    partition.start(start)


async def go_on(
    consumer: Consumer,
    partition: Assigned,
    options: KafkaSourceOptions,
    error: OutOfRange,
    *,
    source: str,
) -> None:
    """Go on where there is something, if that is what *options* say; raise otherwise.

    *error* is what the fetch met, *source* the name that errors and log give.
    """
    wanted = partition.offsets.next
    first, end = await consumer.bounds(partition.at)
    if first <= wanted <= end:  # the position was not known yet, or the log has grown
        consumer.seek(partition.at, wanted)
        return
    choice = options.on_out_of_range
    if choice == "fail":
        raise OutOfRange(
            f"source {source}: {partition.at}: offset {wanted} is not there, only "
            f"{first} to {end}: records were deleted before they were read; to go on with "
            "that loss set on_out_of_range, or move the group's offsets"
        ) from error
    to = first if choice == "earliest" else end
    if to < wanted:
        raise OutOfRange(
            f"source {source}: {partition.at}: the log ends at {end}, before offset "
            f"{wanted}: was the topic made anew? move the group's offsets"
        ) from error
    log.error(
        "records are lost: their offsets are not there any more",
        source=source,
        partition=str(partition.at),
        lost_from=wanted,
        going_on_at=to,
    )
    partition.offsets.skip_to(to)
    consumer.seek(partition.at, to)
