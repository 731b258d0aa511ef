"""An object's state as it was found, by a notification or in a listing: one event either way.

    notification ─▶┐
                   ├─▶ Found(bucket, key, state) ─▶ Event
    listing ──────▶┘

Its identity holds nothing that one of the two cannot tell, so that the same state has the
same id, source and type however it was found: bucket, key, eTag and the store's time of change
in milliseconds. The version is not in it (a listing has none), nor is the way it was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

import orjson

from bridge.codecs.listed import listed_notification, rfc3339_ms
from bridge.codecs.notification import TYPE_PREFIX, decode
from bridge.core.attributes import check_attributes
from bridge.core.errors import DecodeError, Rejected
from bridge.core.event import Event, Invalid, Origin
from bridge.core.payload import JSON
from bridge.core.value import value
from bridge.sources.minio_options import CREATED
from bridge.sources.sequence import Seen

#: The type of every event of new content, as a listing cannot tell how it was made.
CREATED_TYPE: Final = TYPE_PREFIX + CREATED[0]

#: Who told, in an event's source, as MinIO's own notifications have it.
EVENT_SOURCE: Final = "minio:s3"


@value
class Found:
    """One state of one object. *name*: of the notification, without `s3:`.

    *place* is what the object is remembered by: the same for all of its states. *attributes*
    and *data* are those of its event; *error* says why it can be none.
    """

    bucket: str
    key: str
    place: str
    name: str
    state: Seen
    attributes: Mapping[str, str]
    data: bytes
    error: DecodeError | None = None

    def event(self, origin: Origin) -> Event:
        """Return the event, or what stands for it where it can be none."""
        if self.error is not None:
            return Invalid(self.attributes, self.data, origin, self.error)
        return Event(self.attributes, self.data, origin)


def of_notification(body: bytes, region: str) -> list[Found]:
    """Return what the notification *body* tells of, one for each record; none in a test event.

    Raise DecodeError where it is no notification at all. A record that no event can be made
    of is found all the same, with its error: whoever sent it would send it again for ever.
    """
    try:
        told = decode(body)
    except DecodeError as error:
        if not _is_notification(body):
            raise
        return [_unreadable(body, error)]
    return [_told(attributes, data, region) for attributes, data in told]


def of_listed(
    bucket: str, key: str, *, etag: str | None, size: int, modified: str, region: str
) -> Found:
    """Return the object at *key* as a listing tells of it; *modified* is RFC 3339.

    Raise Rejected where *modified* is no time: a store that does not say when cannot be listed.
    """
    ms = milliseconds(modified, f"bucket '{bucket}': a listed object")
    state = Seen(id=_identity(bucket, key, etag, ms), ms=ms)
    data = listed_notification(bucket, key, etag=etag, size=size, ms=ms, region=region)
    attributes = _attributes(bucket, key, state, region=region, kind=CREATED_TYPE)
    error = None
    try:
        check_attributes(attributes)
    except DecodeError as unfit:
        error = unfit
        attributes = _stand_in(state.id)
    return Found(bucket, key, digest(bucket, key), CREATED[0], state, attributes, data, error)


def milliseconds(modified: str, where: str) -> int:
    """Return the time *modified* (RFC 3339) in milliseconds since 1970, the rest cut off."""
    try:
        moment = datetime.fromisoformat(modified)
        seconds = int(moment.replace(microsecond=0).timestamp())
    except (ValueError, OverflowError) as error:
        raise Rejected(f"{where}: modified '{modified[:40]}': expected RFC 3339") from error
    return seconds * 1000 + moment.microsecond // 1000


def digest(*names: str) -> str:
    """Return 32 characters that are always the same ones for the same *names*."""
    text = "\0".join(names).encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=16).hexdigest()


def _told(attributes: Mapping[str, str], data: bytes, region: str) -> Found:
    """Return what one record tells, whose own *attributes* and *data* the codec has made."""
    record: dict[str, Any] = orjson.loads(data)["Records"][0]
    item = record["s3"]["object"]
    bucket, key = record["s3"]["bucket"]["name"], attributes["subject"]
    name = attributes["type"].removeprefix(TYPE_PREFIX)
    etag, sequencer = item.get("eTag"), item.get("sequencer")
    etag = etag.strip('"') if isinstance(etag, str) else None
    ns = _nanoseconds(sequencer)
    time = attributes.get("time")
    if ns is not None:
        ms = ns // 1_000_000
    elif time is not None:
        ms = milliseconds(time, "Records: eventTime")
    else:
        text = "member 'Records': no sequencer and no eventTime: expected when it happened"
        return _unreadable(data, DecodeError(text))
    if name in CREATED:
        known, kind = _identity(bucket, key, etag, ms), CREATED_TYPE
    else:
        known, kind = digest(bucket, key, name, str(sequencer or time)), attributes["type"]
    state = Seen(id=known, ms=ms, ns=ns)
    made = _attributes(bucket, key, state, region=region, kind=kind, time=time)
    return Found(bucket, key, digest(bucket, key), name, state, made, data)


def _identity(bucket: str, key: str, etag: str | None, ms: int) -> str:
    return digest(bucket, key, etag or "", str(ms))


def _attributes(
    bucket: str, key: str, state: Seen, *, region: str, kind: str, time: str | None = None
) -> dict[str, str]:
    return {
        "specversion": "1.0",
        "id": state.id,
        "source": f"{EVENT_SOURCE}.{region}.{bucket}",
        "type": kind,
        "subject": key,
        "time": time or rfc3339_ms(state.ms),
        "datacontenttype": JSON,
    }


def _nanoseconds(sequencer: object) -> int | None:
    """Return the time that a sequencer is in hexadecimal, None where it is none."""
    if not isinstance(sequencer, str) or not 0 < len(sequencer) <= _MAX_SEQUENCER:
        return None
    try:
        return int(sequencer, 16)
    except ValueError:
        return None


def _is_notification(body: bytes) -> bool:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(found, dict) and isinstance(found.get("Records"), list)


def _unreadable(data: bytes, error: DecodeError) -> Found:
    """Return what stands for a notification that no event can be made of: for the dead letter."""
    state = Seen(id=blake2b(data, digest_size=16).hexdigest(), ms=0)
    return Found("", "", state.id, "", state, _stand_in(state.id), data, error)


def _stand_in(id: str) -> dict[str, str]:
    return {
        "specversion": "1.0",
        "id": id,
        "source": EVENT_SOURCE,
        "type": "bridge.record.invalid",
        "datacontenttype": JSON,
    }


_MAX_SEQUENCER = 32
