"""What a dead letter says: the original event, and why nobody took it.

Sources: Knative pkg/kncloudevents/attributes (v0.50.0) for `knativeerror…`, and the Kafka
broker's RecordDispatcherImpl for `kne-` headers of the answer, which become extensions.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

from bridge.core.errors import DecodeError
from bridge.core.event import CORE, Event, check_string

#: Bytes of the answer that `knativeerrordata` tells: 1,024 characters of base64.
MAX_ERROR_BYTES = 768


def dead_letter(
    event: Event,
    *,
    destination: str,
    status: int,
    headers: Iterable[tuple[bytes, bytes]],
    body: bytes,
) -> Event:
    """Return *event* with the extensions that tell who refused it and how.

    An attribute that is there already stays, as Knative keeps it: the first refusal is the
    one that explains. The specification's own attributes are never touched, and a `kne-`
    header that could not be an attribute is left out.
    """
    added = {"knativeerrordest": destination, "knativeerrorcode": str(status)}
    if body:
        added["knativeerrordata"] = base64.b64encode(body[:MAX_ERROR_BYTES]).decode()
    for name, value in headers:
        if not name.lower().startswith(_PREFIX):
            continue
        attribute = name[len(_PREFIX) :].lower().decode("latin-1")
        text = value.decode("utf-8", "replace").strip()
        if _NAME.fullmatch(attribute) and attribute not in _RESERVED and text and _sound(text):
            added.setdefault(attribute, text)
    return event.replace(
        **{name: value for name, value in added.items() if name not in event.attributes}
    )


def _sound(text: str) -> bool:
    """Whether *text* may be the value of an attribute."""
    try:
        check_string("kne", text)
    except DecodeError:
        return False
    return True


_PREFIX = b"kne-"
_NAME = re.compile(r"[a-z0-9]+")
_RESERVED = CORE | {"data"}
