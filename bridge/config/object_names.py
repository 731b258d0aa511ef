"""Names of objects: what S3 takes for one, and templates over an event and its JSON data.

    digit-{data.digit} ──at start──▶ NameTemplate ──fill(Facts(event))──▶ digit-7

The file chooses buckets, not events: a bucket's template begins with text of its own, and what
an event fills in is a-z, 0-9 and '-' alone.
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator

from bridge.config.template import ATTRIBUTES, EXTENSION, check_attribute, pieces
from bridge.core.errors import DecodeError, Rejected
from bridge.core.event import Event, shown
from bridge.core.mediatype import is_json
from bridge.core.payload import Body

#: What stands before a member of an event's JSON data: `{data.digit}`, `{data.image.key}`.
DATA: Final = "data."

#: Names an event by its source and id together, which no other event has.
DIGEST: Final = "digest"

KNOWN: Final = (*ATTRIBUTES, f"{EXTENSION}<name>", f"{DATA}<member>", DIGEST)

#: What an event may fill into the name of a bucket.
FOR_BUCKETS: Final = re.compile(r"[a-z0-9-]+")


class Facts:
    """What *event* can fill in; its data is parsed once, and only when asked for."""

    __slots__ = ("_body", "_event")

    def __init__(self, event: Event) -> None:
        self._event = event
        self._body: Body | None = None

    def text(self, name: str) -> str | None:
        """Return what the placeholder *name* stands for; None for a member that is null.

        Raise Rejected, with the name, for what the event lacks and what is no text and no
        number. A number that is whole has no fraction: 7.0 is `7`.
        """
        if name.startswith(DATA):
            return _text(name, self._member(name))
        if name == DIGEST:
            return self.digest()
        found = self._event.attributes.get(name.removeprefix(EXTENSION))
        if found is None:
            raise Rejected(f"attribute '{name.removeprefix(EXTENSION)}' is missing")
        return found

    def digest(self) -> str:
        """Return 32 hexadecimal digits that stand for the event's source and id."""
        named = f"{len(self._event.source)}:{self._event.source}{self._event.id}"
        return hashlib.sha256(named.encode("utf-8", "replace")).hexdigest()[:32]

    def _member(self, name: str) -> Any:
        found = self._json(name)
        for member in name[len(DATA) :].split("."):
            if not isinstance(found, dict) or member not in found:
                raise Rejected(f"member '{name}' is missing")
            found = found[member]
        return found

    def _json(self, name: str) -> Any:
        if self._body is None:
            event = self._event
            content_type = event.datacontenttype
            if event.data is None or not (content_type is None or is_json(content_type)):
                held = "there is none" if event.data is None else f"it is {shown(content_type)}"
                raise Rejected(f"member '{name}': expected JSON data, {held}")
            self._body = Body(event.data)
        try:
            return self._body.json()
        except DecodeError as error:
            raise Rejected(f"member '{name}': {error}") from error


class NameTemplate:
    """A name as the file has it, taken apart once. *text* is its template.

    *head* and *tail*: what every name that comes out begins and ends with. *constant*: the name
    itself where no event has a say in it, else None. Raise ValueError for what is no template.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._pieces = [
            (piece, name) for piece, name in pieces(text, _check_placeholder) if piece or name
        ]
        self.constant = (
            None if any(name for _, name in self._pieces) else "".join(p for p, _ in self._pieces)
        )
        self.head = self._pieces[0][0] if self._pieces else ""
        self.tail = self._pieces[-1][0] if self._pieces else ""

    def fill(self, facts: Facts, allowed: re.Pattern[str] | None = None) -> str:
        """Return the name for the event of *facts*.

        Raise Rejected, naming template and placeholder, for what the event lacks, and for a
        value that is not all *allowed*.
        """
        filled = self._filled(facts, allowed)
        if filled is None:
            raise Rejected(f"{shown(self.text)}: {self._null(facts)} is null: expected a value")
        return filled

    def fill_if_any(self, facts: Facts) -> str | None:
        """Return the text for the event of *facts*, None where a member is null or it is empty."""
        return self._filled(facts, None) or None

    def filled_with(self, text: str) -> str:
        """Return the name with *text* in place of every placeholder."""
        return "".join([piece or text for piece, _ in self._pieces])

    def can_be(self, name: str, allowed: re.Pattern[str]) -> bool:
        """Whether *name* may come out, each placeholder filled with something *allowed*."""
        pattern = "".join(
            [re.escape(p) if p else f"(?:{allowed.pattern})" for p, _ in self._pieces]
        )
        return re.fullmatch(pattern, name) is not None

    def _filled(self, facts: Facts, allowed: re.Pattern[str] | None) -> str | None:
        if self.constant is not None:
            return self.constant
        texts = []
        for piece, name in self._pieces:
            text = self._value(facts, name) if name else piece
            if text is None:
                return None
            if name and allowed is not None and allowed.fullmatch(text) is None:
                raise Rejected(
                    f"{shown(self.text)}: {name} is {shown(text)}: expected a-z, 0-9 and '-'"
                )
            texts.append(text)
        return "".join(texts)

    def _value(self, facts: Facts, name: str) -> str | None:
        try:
            return facts.text(name)
        except Rejected as error:
            raise Rejected(f"{shown(self.text)}: {error}") from error

    def _null(self, facts: Facts) -> str:
        return next(name for _, name in self._pieces if name and facts.text(name) is None)


def check_bucket(name: str) -> str:
    """Return *name*; raise ValueError unless S3 takes it for a bucket.

    Source: Amazon S3, General purpose bucket naming rules.
    """
    if (
        _BUCKET.fullmatch(name) is None
        or ".." in name
        or _ADDRESS.fullmatch(name) is not None
        or name.startswith(_RESERVED_HEADS)
        or name.endswith(_RESERVED_TAILS)
        or name == _MINIOS_OWN
    ):
        raise ValueError(
            f"{shown(name)} is no bucket's name: expected 3 to 63 of a-z, 0-9, '-' and '.', a "
            "letter or digit at both ends, no address and nothing that S3 or MinIO keeps for itself"
        )
    return name


def _bucket_template(text: str) -> str:
    template = NameTemplate(text)
    if template.constant is not None:
        return check_bucket(template.constant)
    if not template.head:
        raise ValueError(
            f"{shown(text)} begins with a placeholder: expected text before it, as "
            "'digit-{data.digit}', so that the file chooses buckets and not events"
        )
    try:
        check_bucket(template.filled_with("0"))
    except ValueError as error:
        raise ValueError(f"{shown(text)}: {error}") from error
    return text


def _template(text: str) -> str:
    NameTemplate(text)
    return text


def _text(name: str, found: Any) -> str | None:
    if isinstance(found, str) or found is None:
        return found
    if isinstance(found, float):
        return str(int(found)) if found.is_integer() and abs(found) < _WHOLE else repr(found)
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    kind = {bool: "a truth value", list: "a list", dict: "an object"}[type(found)]
    raise Rejected(f"member '{name}' is {kind}: expected text or a number")


def _check_placeholder(name: str) -> None:
    if name.startswith(DATA):
        if _MEMBERS.fullmatch(name[len(DATA) :]) is None:
            raise ValueError(
                f"placeholder {{{name}}}: expected members of a-z, A-Z, 0-9, '_' and '-', "
                "dots between them"
            )
    elif name != DIGEST:
        check_attribute(name, KNOWN)


#: The name of a bucket.
BucketName = Annotated[str, AfterValidator(check_bucket)]

#: A template that comes out as the name of a bucket which the file has chosen.
BucketTemplate = Annotated[str, AfterValidator(_bucket_template)]

#: Any other template of this module.
Template = Annotated[str, AfterValidator(_template)]

_WHOLE: Final = 2**53
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+")
_RESERVED_HEADS: Final = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_TAILS: Final = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_MINIOS_OWN: Final = "minio"  # its path is MinIO's own interface
_MEMBERS = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
