"""Where a Destination of Knative points: an absolute URL, or a reference that was resolved.

What a cluster finds by asking its API, `--resolve Kind/name=URL` says here.
Source: Knative pkg/apis/duck/v1/destination.go, resolver/addressable_resolver.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

from bridge.broker.manifest import Value


def destination(value: Value, namespace: str, resolve: Mapping[str, str]) -> str:
    """Return the absolute URL of a Destination: `ref`, `uri`, or `uri` relative to `ref`.

    A `ref` without a namespace is in *namespace*; *resolve* gives its URL by
    `Kind/namespace/name` or `Kind/name`. Raise ConfigError with file and line otherwise.
    """
    entries = value.fields("ref", "uri", "CACerts", "audience")
    for name in ("CACerts", "audience"):
        if name in entries:
            raise entries[name].wrong("not supported by the local broker")
    uri = entries.get("uri")
    if "ref" in entries:
        url = _resolved(entries["ref"], namespace, resolve)
        if uri is not None:
            if urlsplit(uri.string()).scheme:
                raise uri.wrong("absolute beside a ref, expected a path relative to the ref")
            url = urljoin(url, uri.string())
            _check_url(uri, url)
        return url
    if uri is None:
        raise value.wrong("expected `ref` or `uri`")
    _check_url(uri, uri.string())
    return uri.string()


def target_of(url: str) -> tuple[str, str]:
    """Return *url* as its origin (`http://host:port`) and its target (`/path?query`)."""
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}", f"{parts.path or '/'}{query}"


def _resolved(ref: Value, namespace: str, resolve: Mapping[str, str]) -> str:
    entries = ref.fields("apiVersion", "kind", "name", "namespace", "group", "address")
    kind = ref.needed("kind", entries).string()
    name = ref.needed("name", entries).string()
    if "namespace" in entries:
        namespace = entries["namespace"].string()
    url = resolve.get(f"{kind}/{namespace}/{name}") or resolve.get(f"{kind}/{name}")
    if url is None:
        raise ref.wrong(
            f"{kind} {name} has no address here: pass --resolve {kind}/{name}=URL "
            f"(for example {kind}/{name}=http://127.0.0.1:8080/)"
        )
    _check_url(ref, url)
    return url


def _check_url(value: Value, url: str) -> None:
    """Raise ConfigError unless *url* is absolute, http or https, and free of secrets."""
    expected = "expected an absolute URL such as http://127.0.0.1:8080/"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # parsed, and checked, when it is asked for
    except ValueError as error:
        raise value.wrong(f"no URL ({error}), {expected}") from error
    if parts.username is not None or parts.password is not None:
        raise value.wrong(f"a URL with a user or password, {expected}")
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise value.wrong(f"{url[:80]!a}: characters that need percent-encoding, {expected}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise value.wrong(f"{url[:80]!r}: {expected}")
