"""Kafka's connections: a member of a group, a producer. Only this room touches aiokafka."""

from __future__ import annotations

from bridge.transports.kafka.port import (
    Assignments,
    Consumer,
    Ended,
    Fenced,
    OutOfRange,
    Partition,
    Producer,
    TooLarge,
)

__all__ = [
    "Assignments",
    "Consumer",
    "Ended",
    "Fenced",
    "OutOfRange",
    "Partition",
    "Producer",
    "TooLarge",
]
