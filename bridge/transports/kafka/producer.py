"""Records to Kafka, each acknowledged by every replica in sync, on aiokafka.

    send ─▶ a session, started by the first ─▶ a batch with what else there is ─▶ acknowledged
              └ ended by an error? closed, and the next send starts another

While one request is under way, aiokafka gathers what comes for the next, and one partition has
one request at a time: so order stays across its retries. With numbered records (`idempotent`)
those retries write nothing twice.
"""

from __future__ import annotations

import asyncio
import importlib.util
import random
from typing import Any, Literal

from bridge.config.kafka import KafkaClientOptions
from bridge.core.errors import BridgeError, ConfigError, Rejected, Unavailable
from bridge.transports.kafka.client import brokers, connection, in_words, why_not
from bridge.transports.kafka.partitioner import Partitioner
from bridge.transports.kafka.port import TooLarge
from bridge.transports.kafka.session import Headers, Late, Session

#: How records are packed.
Compression = Literal["none", "gzip", "snappy", "lz4", "zstd"]

#: How large a batch of several records may grow before it is packed.
BATCH_BYTES = 128 * 1024

#: How long a topic is looked for that is not there.
TOPIC_SECONDS = 5.0

#: How often a record is sent that was refused because of others, each time in a smaller batch.
MAX_TRIES = 24

#: How long other records may take that are under way where one has failed, and on leaving.
FLUSH_SECONDS = 3.0


class KafkaProducer:
    """A `Producer` for one cluster. Built without touching the network."""

    def __init__(
        self,
        options: KafkaClientOptions,
        *,
        chance: random.Random,
        timeout_seconds: float,
        idempotent: bool = True,
        compression: Compression = "none",
        max_record_bytes: int = 1024 * 1024,
    ) -> None:
        """Raise ConfigError for an address, certificate or password that cannot work."""
        connection(options)
        if compression in ("snappy", "lz4", "zstd") and importlib.util.find_spec("cramjam") is None:
            raise ConfigError(f"compression {compression}: expected the package cramjam")
        self._options = options
        self._who = brokers(options)
        self._partitioner = Partitioner(chance)
        self._timeout_seconds = timeout_seconds
        self._max_record_bytes = max_record_bytes
        self._batch_bytes = BATCH_BYTES
        self._settings: dict[str, Any] = {
            "acks": "all",
            "enable_idempotence": idempotent,
            "compression_type": None if compression == "none" else compression,
        }
        self._session: Session | None = None
        self._beginning: asyncio.Task[Session] | None = None
        self._ending: asyncio.Task[None] | None = None

    async def send(
        self, topic: str, *, key: bytes | None, value: bytes | None, headers: Headers
    ) -> None:
        """Return when every replica in sync has the record; see `Producer`."""
        if type(headers) is not list:  # aiokafka wants that very type
            headers = list(headers)
        alone = False
        for _ in range(MAX_TRIES):
            session = self._session
            if session is None or session.ended or not session.knows(topic):
                session = await self._ready(topic)
            size = session.size(key, value, headers)
            if size > self._max_record_bytes:
                raise TooLarge(
                    f"{self._who}: the record has {size} bytes: "
                    f"expected at most {self._max_record_bytes} (max_record_bytes)"
                )
            try:
                if not alone:
                    await session.send(topic, key, value, headers)
                else:
                    await session.send_alone(topic, key, value, headers)
            except session.errors as error:
                self._end(session, flush=not isinstance(error, Late))
                if alone or not self._may_be_its_batch(error, session, size):
                    raise self._ours(error, topic, size) from error
                alone = _is_refusal(error)
            else:
                return
        raise Unavailable(f"{self._who}: topic '{topic}': {MAX_TRIES} batches were refused")

    async def close(self) -> None:
        """Wait a moment for what is under way, give up the rest and disconnect."""
        beginning, self._beginning = self._beginning, None
        if beginning is not None:
            beginning.cancel()
            await asyncio.wait([beginning])
        if self._session is not None:
            self._end(self._session, flush=True)
        if self._ending is not None:
            await self._ending

    async def ping(self, topic: str) -> None:
        """Return if a broker answers and has *topic*; raise Unavailable if not."""
        from bridge.transports.kafka.ping import ping

        await ping(self._options, (topic,))

    async def _ready(self, topic: str) -> Session:
        """Return a session that can write to *topic*; raise Unavailable where there is none."""
        while True:
            session = self._session
            if session is not None and session.ended:
                self._end(session, flush=True)
            if session is None or session.ended:
                session = await self._begun()
            if not session.knows(topic):
                await self._learn(session, topic)
            if not session.ended:  # meanwhile, by somebody else's record
                return session

    async def _begun(self) -> Session:
        """Return the session that all who wait now share."""
        beginning = self._beginning
        if beginning is None:
            beginning = self._beginning = asyncio.create_task(self._begin())
            beginning.add_done_callback(_looked_at)
        # Who is cancelled here must not take the others' session with him.
        await asyncio.wait([beginning])
        if beginning.cancelled():
            raise Unavailable(f"{self._who}: given up at the end")
        try:
            return beginning.result()
        except Unavailable as error:  # each has one of his own: who hears it adds where it was
            raise Unavailable(str(error)) from error

    async def _begin(self) -> Session:
        from aiokafka.errors import KafkaError

        try:
            if self._ending is not None:
                await asyncio.wait([self._ending])
            wait = min(self._options.request_timeout_seconds, self._timeout_seconds)
            given = {
                **connection(self._options),
                **self._settings,
                "request_timeout_ms": round(wait * 1000),
            }
            session = Session(
                given,
                partitioner=self._partitioner,
                timeout_seconds=self._timeout_seconds,
                batch_bytes=self._batch_bytes,
            )
            try:
                async with asyncio.timeout(wait):
                    await session.start()
            except BaseException:
                await session.close()
                raise
            self._session = session
        except ConfigError as error:  # a file that was there when this was built
            raise Unavailable(f"{self._who}: {error}") from error
        except TimeoutError as error:
            raise Unavailable(f"{self._who}: no connection within {wait:g} s") from error
        except (KafkaError, OSError) as error:
            cause = await why_not(self._options, error)
            if self._settings["enable_idempotence"] and _is_about_numbers(error):
                cause += ": expected brokers that number records, or the option idempotent: false"
            raise Unavailable(f"{self._who}: no connection: {cause}") from error
        else:
            return session
        finally:
            self._beginning = None

    async def _learn(self, session: Session, topic: str) -> None:
        wait = min(TOPIC_SECONDS, self._timeout_seconds)
        try:
            async with asyncio.timeout(wait):
                await session.learn(topic)
        except TimeoutError as error:
            raise Unavailable(f"{self._who}: no topic '{topic}' within {wait:g} s") from error
        except session.errors as error:
            raise self._ours(error, topic, 0) from error

    def _end(self, session: Session, *, flush: bool) -> None:
        """Have *session* closed, once; whoever begins another waits for that."""
        if self._session is session:
            self._session = None
            flush_seconds = FLUSH_SECONDS if flush else 0.0
            self._ending = asyncio.create_task(session.close(flush_seconds=flush_seconds))

    def _may_be_its_batch(self, error: BaseException, session: Session, size: int) -> bool:
        """Whether a record of *size* bytes was refused, perhaps, for others in its batch.

        None of them was written then, so it may be sent again. Where batches are larger than
        the topic takes, the next session makes smaller ones, as Java's producer splits them.
        """
        from bridge.transports.kafka.refusals import NEVER_WRITTEN, TOO_LARGE

        if isinstance(error, TOO_LARGE):
            if size >= session.batch_bytes:
                return False  # it was alone
            self._batch_bytes = min(self._batch_bytes, max(session.batch_bytes // 2, 1))
            return True
        return isinstance(error, NEVER_WRITTEN)

    def _ours(self, error: BaseException, topic: str, size: int) -> BridgeError:
        """Return what *error* of aiokafka means for a record of *size* bytes."""
        from bridge.transports.kafka.refusals import FINAL, TOO_LARGE

        where = f"{self._who}: topic '{topic}'"
        if isinstance(error, Late):
            return Unavailable(f"{where}: not acknowledged within {self._timeout_seconds:g} s")
        if isinstance(error, TOO_LARGE):
            return TooLarge(
                f"{where}: the record has {size} bytes: larger than the topic's max.message.bytes"
            )
        if isinstance(error, FINAL):
            return Rejected(f"{where}: {in_words(error)}")
        return Unavailable(f"{where}: {in_words(error)}")


def _is_refusal(error: BaseException) -> bool:
    """Whether *error* is about what a record holds."""
    from bridge.transports.kafka.refusals import FINAL

    return isinstance(error, FINAL)


def _is_about_numbers(error: BaseException) -> bool:
    """Whether the brokers cannot, or will not, number our records: all they are asked at first."""
    from aiokafka import errors

    return isinstance(error, errors.IncompatibleBrokerVersion | errors.BrokerResponseError)


def _looked_at(task: asyncio.Task[Session]) -> None:
    """Have nothing logged of an error that everybody was cancelled before hearing."""
    if not task.cancelled():
        task.exception()
