"""The store's XML, read safely: errors, listings, the answer to a copy.

    bytes ──no DOCTYPE, UTF-8──▶ elements without their namespace ─▶ values

A DOCTYPE is where entities are defined, which can make a megabyte of a line or name a file:
no S3 answer has one, and one that does is not read. None can hide in another encoding: the
parser takes UTF-8 whatever the document says, but for UTF-16, which has NUL bytes in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from bridge.transports.objects.port import Listed, ObjectRef

#: The longest error that is read: S3's have some hundred bytes.
MAX_ERROR_BYTES: Final = 64 * 1024


class BadDocument(ValueError):
    """The answer is none of the documents that S3 knows; the text holds nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDocument:
    """What an error says; empty where it does not."""

    code: str = ""
    text: str = ""
    region: str = ""
    bucket: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One answer to ListObjectsV2; *token* leads on where it is *truncated*."""

    objects: tuple[Listed, ...]
    truncated: bool
    token: str


def error_of(body: bytes) -> ErrorDocument | None:
    """Return the error that *body* tells of, None where it is no such document."""
    if len(body) > MAX_ERROR_BYTES:
        return None
    try:
        root = root_of(body)
    except BadDocument:
        return None
    if _name(root) != "Error":
        return None
    found = _texts(root)
    return ErrorDocument(
        code=found.get("Code", ""),
        text=found.get("Message", ""),
        region=found.get("Region", ""),
        bucket=found.get("BucketName", ""),
    )


def copied_etag(body: bytes) -> str:
    """Return the etag of what a copy made; raise BadDocument where *body* tells of none."""
    root = root_of(body)
    etag = _texts(root).get("ETag", "").strip('"')
    if _name(root) != "CopyObjectResult" or not etag:
        raise BadDocument("expected CopyObjectResult with an ETag")
    return etag


def listing_of(body: bytes, bucket: str) -> Listing:
    """Return what *body* lists of *bucket*; raise BadDocument where it is no listing."""
    root = root_of(body)
    if _name(root) != "ListBucketResult":
        raise BadDocument("expected ListBucketResult")
    facts = _texts(root)
    encoded = facts.get("EncodingType") == "url"
    objects = tuple([_listed(item, bucket, encoded) for item in root if _name(item) == "Contents"])
    truncated = facts.get("IsTruncated", "").lower() == "true"
    return Listing(
        objects=objects, truncated=truncated, token=facts.get("NextContinuationToken", "")
    )


def _listed(item: ElementTree.Element, bucket: str, encoded: bool) -> Listed:
    facts = _texts(item)
    key, size = facts.get("Key", ""), facts.get("Size", "")
    if not key or not (size.isascii() and size.isdigit()):
        raise BadDocument("expected Contents with Key and Size")
    if encoded:
        try:
            key = unquote_plus(key, errors="strict")
        except UnicodeDecodeError as error:
            raise BadDocument("expected keys of UTF-8") from error
    etag = facts.get("ETag", "").strip('"') or None
    ref = ObjectRef(bucket=bucket, key=key, etag=etag)
    return Listed(ref=ref, size=int(size), modified=facts.get("LastModified", ""))


def root_of(body: bytes) -> ElementTree.Element:
    """Return the element that *body* is; raise BadDocument where it is no XML, or has a DOCTYPE."""
    if _DOCTYPE in body or b"\0" in body:
        raise BadDocument("expected XML in UTF-8, without a DOCTYPE")
    parser = ElementTree.XMLParser(encoding="utf-8")  # noqa: S314  # no DOCTYPE, so no entities
    try:
        parser.feed(body)
        root: ElementTree.Element = parser.close()
    except (ElementTree.ParseError, ValueError) as error:
        raise BadDocument("expected XML") from error
    return root


def _texts(element: ElementTree.Element) -> dict[str, str]:
    """Return the text of each child of *element* by its name."""
    return {_name(child): child.text or "" for child in element}


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


_DOCTYPE: Final = b"<!DOCTYPE"
