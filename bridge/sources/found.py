"""An object's state as it was found, by a notification or in a listing: one event either way.

    notification ─▶┐
                   ├─▶ Found(bucket, key, state) ─▶ Event
    listing ──────▶┘

Its identity holds nothing that one of the two cannot tell, so that the same state has the
same id, source and type however it was found: bucket, key, eTag and the store's time of change
in milliseconds. The version is not in it (a listing has none), nor is the way it was made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Final

import orjson

from bridge.codecs.listed import listed_notification, rfc3339_ms
from bridge.codecs.notification import MAX_RECORDS, TYPE_PREFIX, decode, object_of
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
        records = _records(body)
        if records is None:
            raise
        if len(records) < 2:
            return [_unreadable(body, error)]
        try:
            alone = [orjson.dumps({"Records": [record]}) for record in records]
        except orjson.JSONEncodeError:  # it reads deeper than it writes
            return [_unreadable(body, error)]
        return [found for one in alone for found in of_notification(one, region)]
    return [_told(attributes, data, region) for attributes, data in told]


def of_listed(bucket: str, key: str, *, etag: str | None, size: int, ms: int, region: str) -> Found:
    """Return the object at *key* as a listing tells of it; *ms*: when it was made."""
    state = Seen(id=identity(bucket, key, etag, ms), ms=ms)
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
    """Return the time *modified* (RFC 3339) in milliseconds since 1970, the rest cut off.

    Raise Rejected where it is none: a store that does not say when cannot be listed.
    """
    try:
        moment = datetime.fromisoformat(modified)
        seconds = int(moment.replace(microsecond=0).timestamp())
    except (ValueError, OverflowError) as error:
        raise Rejected(f"{where}: modified '{modified[:40]}': expected RFC 3339") from error
    return seconds * 1000 + moment.microsecond // 1000


def identity(bucket: str, key: str, etag: str | None, ms: int) -> str:
    """Return the id of the event of new content."""
    return digest(bucket, key, etag or "", str(ms))


def digest(*names: str) -> str:
    """Return 32 characters that are always the same ones for the same *names*."""
    text = "\0".join(names).encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=16).hexdigest()


def _told(attributes: Mapping[str, str], data: bytes, region: str) -> Found:
    """Return what one record tells, whose own *attributes* and *data* the codec has made."""
    told = object_of(data)
    bucket, key, name = told.bucket, told.key, told.event_name
    ns = _nanoseconds(told.sequencer)
    time = attributes.get("time")
    try:
        ms = milliseconds(time or "", "member 'Records'") if ns is None else ns // 1_000_000
    except Rejected as error:
        return _unreadable(data, DecodeError(f"{error}, or a sequencer"))
    if name in CREATED:
        known, kind = identity(bucket, key, told.etag, ms), CREATED_TYPE
    else:
        # Tags and accesses have the sequencer of the content, however many of them there are.
        known = digest(bucket, key, name, attributes["id"], str(time))
        kind = attributes["type"]
    state = Seen(id=known, ms=ms, ns=ns)
    made = _attributes(bucket, key, state, region=region, kind=kind, time=time)
    return Found(bucket, key, digest(bucket, key), name, state, made, data)


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


def _nanoseconds(sequencer: str | None) -> int | None:
    """Return the time that MinIO's sequencer is; None where it is none, or another store's."""
    if sequencer is None or _SEQUENCER.fullmatch(sequencer) is None:
        return None
    return int(sequencer, 16)


def _records(body: bytes) -> list[object] | None:
    """Return the records of a notification, None where *body* is none, or tells of too many."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    records = found.get("Records") if isinstance(found, dict) else None
    return records if isinstance(records, list) and len(records) <= MAX_RECORDS else None


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


#: Nanoseconds since 1970 in hexadecimal; Amazon's are longer, and no time.
_SEQUENCER = re.compile(r"[0-9A-Fa-f]{1,16}")
