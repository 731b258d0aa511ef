"""How a Kafka cluster is reached: the options that source, sink and dead letter share."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from bridge.config.options import Bytes, ClientTlsOptions, Options, Seconds


class SaslOptions(Options):
    """How we prove to the brokers who we are."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How the password is proven; `PLAIN` sends it, so only over TLS."""
    username: str
    """Name to present."""
    password: SecretStr | None = None
    """Password of `username`."""
    password_file: str | None = None
    """File with the password, read again for each new connection to the cluster."""

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if (self.password is None) == (self.password_file is None):
            raise ValueError("expected exactly one of password and password_file")
        return self


class KafkaClientOptions(Options):
    """How a Kafka cluster is reached."""

    bootstrap_servers: Annotated[str, Field(min_length=1)]
    """Addresses of some brokers, `host:port`, separated by commas."""
    tls: ClientTlsOptions | None = None
    """Certificates to reach the brokers over TLS; by default plain TCP."""
    sasl: SaslOptions | None = None
    """How we prove who we are; by default not at all."""
    client_id: str = "inference-bridge"
    """Name that the brokers' logs and quotas know us by."""
    request_timeout_seconds: Seconds = 30.0
    """Longest wait for a broker's answer."""

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> Self:
        if self.sasl is not None and self.sasl.mechanism == "PLAIN" and self.tls is None:
            hosts = {address.rpartition(":")[0] for address in self.bootstrap_servers.split(",")}
            if not hosts <= {"127.0.0.1", "localhost", "[::1]"}:
                raise ValueError(
                    "sasl.mechanism PLAIN sends the password as it is: expected tls as well, "
                    "or SCRAM-SHA-512"
                )
        return self


__all__ = ["Bytes", "KafkaClientOptions", "SaslOptions"]
