"""aiokafka's errors of a record, by what they mean for it."""

from __future__ import annotations

from aiokafka import errors


class InvalidRecord(errors.BrokerResponseError):  # type: ignore[misc]  # aiokafka has no types
    """What a topic does not take, such as no key where it is compacted; aiokafka has no name."""

    errno = 87

    def __str__(self) -> str:
        return "INVALID_RECORD: a compacted topic, for one, takes none without a key"


errors.kafka_errors[InvalidRecord.errno] = InvalidRecord

#: For the record, or for the batch that it was in.
TOO_LARGE: tuple[type[Exception], ...] = (
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
    errors.RecordTooLargeError,
)

#: No other try would change it.
FINAL: tuple[type[Exception], ...] = (
    InvalidRecord,
    errors.InvalidTimestampError,
    errors.InvalidTopicError,
    errors.UnsupportedForMessageFormatError,
)

#: No record of the batch was written, perhaps because of another one, or of one before them.
NEVER_WRITTEN: tuple[type[Exception], ...] = (
    InvalidRecord,
    errors.InvalidTimestampError,
    errors.InvalidProducerEpoch,
    errors.OutOfOrderSequenceNumber,
    errors.ProducerClosed,  # before it was in a batch
    errors.ProducerFenced,
    errors.UnknownProducerId,
)
