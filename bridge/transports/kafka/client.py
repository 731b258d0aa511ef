"""From our options to aiokafka's: addresses, TLS, SASL, and errors in words."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

from bridge.config.kafka import KafkaClientOptions
from bridge.config.watched import WatchedFile, secret
from bridge.core.clock import Clock
from bridge.core.errors import ConfigError
from bridge.transports.http.tls import client_context


def addresses(options: KafkaClientOptions) -> list[str]:
    """Return the brokers' addresses; raise ConfigError for what is no `host:port`."""
    found = [address.strip() for address in options.bootstrap_servers.split(",")]
    for address in found:
        if _ADDRESS.fullmatch(address) is None:
            raise ConfigError(
                f"bootstrap_servers '{address[:100]}': expected host:port, several with commas"
            )
    return found


def connection(options: KafkaClientOptions) -> dict[str, Any]:
    """Return what every aiokafka client is built with; raise ConfigError where it cannot work.

    Certificates and password are read now: a client built later has what is there then.
    """
    if importlib.util.find_spec("aiokafka") is None:
        raise ConfigError("aiokafka is not installed: expected the extra inference-bridge[kafka]")
    protocol = "SASL_" if options.sasl is not None else ""
    found: dict[str, Any] = {
        "bootstrap_servers": addresses(options),
        "client_id": options.client_id,
        "request_timeout_ms": round(options.request_timeout_seconds * 1000),
        "security_protocol": protocol + ("PLAINTEXT" if options.tls is None else "SSL"),
    }
    if options.tls is not None:
        context = client_context(options.tls)
        context.set_alpn_protocols([])  # Kafka's protocol is none of ALPN's
        found["ssl_context"] = context
    if options.sasl is not None:
        found["sasl_mechanism"] = options.sasl.mechanism
        found["sasl_plain_username"] = options.sasl.username
        found["sasl_plain_password"] = _password(options)
    return found


def keep_password(client: Any, options: KafkaClientOptions, *, clock: Clock) -> None:
    """Have aiokafka's *client* present the password that its file holds at each connection.

    It presents the one that it was built with for as long as it lives: a consumer would be
    locked out for ever by the first broker that restarts after a change.
    """
    if options.sasl is None or options.sasl.password_file is None:
        return
    file = WatchedFile(options.sasl.password_file, secret, option="sasl.password_file", clock=clock)

    class Client(type(client)):  # type: ignore[misc]  # aiokafka has no types
        @property
        def _sasl_plain_password(self) -> str:
            return file.value()

    client.__class__ = Client


def brokers(options: KafkaClientOptions) -> str:
    """Return whom errors name."""
    return f"kafka {options.bootstrap_servers}"


async def why_not(options: KafkaClientOptions, error: BaseException) -> str:
    """Return why a client cannot connect, in words: aiokafka's *error* does not say."""
    from aiokafka.conn import create_conn
    from aiokafka.errors import KafkaError

    given = connection(options)
    host, _, port = given.pop("bootstrap_servers")[0].rpartition(":")
    try:
        connected = await create_conn(host.strip("[]"), int(port), **given)
    except (KafkaError, OSError, TimeoutError) as cause:
        return in_words(cause)
    connected.close()
    return in_words(error)


def in_words(error: BaseException) -> str:
    """Return *error* of aiokafka for a person, in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:300]


def _password(options: KafkaClientOptions) -> str:
    assert options.sasl is not None  # noqa: S101  # asked only then
    if options.sasl.password is not None:
        return options.sasl.password.get_secret_value()
    file = options.sasl.password_file or ""
    try:
        return secret(Path(file).read_bytes())
    except OSError as error:
        raise ConfigError(f"sasl.password_file '{file}': {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"sasl.password_file '{file}': {error}") from error


_ADDRESS = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
