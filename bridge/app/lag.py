"""How far the groups of a file are behind, partition by partition.

Kafka's coordinator ─▶ committed ┐
Kafka's brokers     ─▶ end       ├─▶ Row
a running bridge    ─▶ held, age ┘   unknown where none answers
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.app.dead_letters import KafkaEnds
from bridge.config.options import HttpClientOptions
from bridge.config.pipeline import AdminOptions
from bridge.core.errors import Rejected, Unavailable
from bridge.transports.http import http_client
from bridge.transports.kafka.cluster import committed
from bridge.transports.kafka.reader import KafkaReader

#: How long the metrics of a running bridge may take.
METRICS_SECONDS = 5.0

HELD, OLDEST = "bridge_kafka_held_events", "bridge_kafka_oldest_unsettled_seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One partition, as one group sees it; None for what nobody says.

    *lag*: records that are not known to be done. *held* and *oldest_seconds* are those of the
    process that was asked, if it has the partition.
    """

    pipeline: str
    group: str
    topic: str
    partition: int
    committed: int | None
    end: int
    lag: int | None
    held: int | None
    oldest_seconds: float | None


#: The samples of one scrape: name, source, topic, partition → value.
Scrape = dict[tuple[str, str, str, str], float]


async def lag(ends: Sequence[KafkaEnds], scrape: Scrape) -> list[Row]:
    """Return a row for each partition of the sources of *ends*, in their order.

    No group is joined. Raise Unavailable where a cluster does not answer, or has no such topic.
    """
    rows = []
    for one in ends:
        source = one.source
        async with KafkaReader(source, source.topics) as reader:
            bounds = await reader.bounds()
        positions = await committed(source, source.group_id, bounds)
        for at, (_, end) in bounds.items():
            position = positions.get(at)
            place = (one.pipeline, at.topic, str(at.number))
            held = scrape.get((HELD, *place))
            rows.append(
                Row(
                    pipeline=one.pipeline,
                    group=source.group_id,
                    topic=at.topic,
                    partition=at.number,
                    committed=position,
                    end=end,
                    lag=None if position is None else max(0, end - position),
                    held=None if held is None else int(held),
                    oldest_seconds=scrape.get((OLDEST, *place)),
                )
            )
    return rows


def admin_url(options: AdminOptions) -> str | None:
    """Return where the admin pages of a bridge on this machine are, None where nobody knows."""
    if not options.port:
        return None
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(  # noqa: S104  # not listened on
        options.host, options.host
    )
    return f"http://{host}:{options.port}"


async def scraped(url: str) -> Scrape:
    """Return what the bridge whose admin pages are at *url* says of its partitions.

    Raise Unavailable or Rejected where it does not answer with metrics, ConfigError where
    *url* is none.
    """
    from prometheus_client.parser import text_string_to_metric_families

    base = url.rstrip("/")
    target = base if base.endswith("/metrics") else f"{base}/metrics"
    async with http_client(HttpClientOptions(url=target)) as client:
        answer = await client.request("GET", "", (), b"", timeout_seconds=METRICS_SECONDS)
    if answer.status != 200:
        raise Rejected(f"{target}: answered {answer.status}: expected metrics")
    found: Scrape = {}
    try:
        for family in text_string_to_metric_families(answer.body.decode("utf-8", "replace")):
            for sample in family.samples if family.name in (HELD, OLDEST) else ():
                labels = [sample.labels.get(name, "") for name in ("source", "topic", "partition")]
                found[(sample.name, labels[0], labels[1], labels[2])] = sample.value
    except ValueError as error:
        raise Rejected(f"{target}: no metrics: {error}") from error
    return found


async def scraped_if_there(url: str | None) -> tuple[Scrape, str | None]:
    """Return what the bridge at *url* says, or nothing and why; raise ConfigError for no URL."""
    if url is None:
        return {}, "its admin port is picked when it starts: expected --admin"
    try:
        return await scraped(url), None
    except (Unavailable, Rejected) as error:
        return {}, str(error)
