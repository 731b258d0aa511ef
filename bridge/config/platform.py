"""What the platform says through the environment: Knative's conventions, as typed values.

They are defaults of the file's options and never a second way to write one.
Source: knative.dev/eventing, pkg/apis/sources/v1/sinkbinding_lifecycle.go,
pkg/adapter/v2/config.go and pkg/eventingtls; PORT: Knative Serving runtime contract.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from bridge.config.pipeline import check_extension
from bridge.core.errors import ConfigError
from bridge.core.event import shown

#: Where a SinkBinding mounts the token that K_SINK is to be shown, where it wants one.
OIDC_TOKEN_FILE = "/oidc/token"  # noqa: S105  # a path, and no token

#: Where Knative mounts the cluster's trust bundles: certificates to trust.
TRUST_BUNDLE_FOLDER = "/knative-custom-certs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What Knative injected.

    *port* (PORT): where to listen. *sink_url* (K_SINK): where responses go that nobody waits
    for. *extensions* (K_CE_OVERRIDES): set on every event that goes out. *ca_certs*
    (K_CA_CERTS): PEM certificates to trust for the sink, beside the system's. *namespace*
    (NAMESPACE): where this runs. *audience* (K_AUDIENCE): whom the token in *token_file* is for;
    with one, the sink is shown that token. *trust_folder*: what is trusted for the sink as well,
    where it exists.
    """

    port: int | None = None
    sink_url: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)
    ca_certs: str | None = field(default=None, repr=False)
    namespace: str | None = None
    audience: str | None = None
    token_file: str = OIDC_TOKEN_FILE
    trust_folder: str = TRUST_BUNDLE_FOLDER


def platform(environ: Mapping[str, str]) -> Platform:
    """Return what *environ* says; an empty variable is as good as none.

    Raise ConfigError with a line for each variable that makes no sense.
    """
    problems: list[str] = []

    def read(name: str, parse: Any) -> Any:
        text = environ.get(name, "").strip()
        if not text:
            return None
        try:
            return parse(text)
        except ValueError as error:
            problems.append(f"environment variable {name}: {error}")
            return None

    found = Platform(
        port=read("PORT", _port),
        sink_url=read("K_SINK", _url),
        extensions=read("K_CE_OVERRIDES", _extensions) or {},
        ca_certs=read("K_CA_CERTS", _certificates),
        namespace=read("NAMESPACE", str),
        audience=read("K_AUDIENCE", str),
    )
    if problems:
        raise ConfigError("\n".join(problems))
    return found


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise ValueError(f"expected a port number, found {shown(text)}")
    return int(text)


def _url(text: str) -> str:
    expected = "expected a URL, http:// or https://"
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(expected)
    return text


def _extensions(text: str) -> dict[str, str]:
    expected = 'expected JSON such as {"extensions": {"name": "value"}}'
    try:
        overrides = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{expected}, found no JSON") from error
    extensions = overrides.get("extensions") or {} if isinstance(overrides, dict) else None
    if not _are_texts(extensions):
        raise ValueError(expected)
    for name, value in extensions.items():
        check_extension(name, value)
    return extensions


def _are_texts(value: Any) -> TypeGuard[dict[str, str]]:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _certificates(text: str) -> str:
    import ssl

    try:
        ssl.create_default_context(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError("expected PEM certificates that can be read") from error
    return text
