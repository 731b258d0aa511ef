"""TLS of both ends: always verified, never below 1.2."""

from __future__ import annotations

import ssl

from bridge.config.options import ClientTlsOptions, ServerTlsOptions
from bridge.core.errors import ConfigError


def client_context(options: ClientTlsOptions) -> ssl.SSLContext:
    """Return what a client needs to verify a far end, and to prove itself if it must.

    Raise ConfigError naming the file or option that is missing or is not what it should be.
    """
    if options.ca_file is None:
        context = ssl.create_default_context()
    else:
        try:
            context = ssl.create_default_context(cafile=options.ca_file)
        except (OSError, ValueError) as error:
            raise _unusable("ca_file", options.ca_file, "PEM certificates", error) from error
    if options.ca_certs is not None:
        try:
            context.load_verify_locations(cadata=options.ca_certs)
        except (OSError, ValueError) as error:
            raise ConfigError("tls: ca_certs: expected PEM certificates") from error
    if options.cert_file is not None:
        _load_chain(context, options.cert_file, options.key_file)
    elif options.key_file is not None:
        raise ConfigError("tls: key_file without cert_file: expected both, or neither")
    return _finish(context)


def server_context(options: ServerTlsOptions) -> ssl.SSLContext:
    """Return what a listener needs to prove itself, and to verify callers if it must.

    Raise ConfigError naming the file that is missing or is not what it should be.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _load_chain(context, options.cert_file, options.key_file)
    if options.client_ca_file is not None:
        try:
            context.load_verify_locations(cafile=options.client_ca_file)
        except (OSError, ValueError) as error:
            file = options.client_ca_file
            raise _unusable("client_ca_file", file, "PEM certificates", error) from error
        context.verify_mode = ssl.CERT_REQUIRED
    return _finish(context)


def _finish(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load_chain(context: ssl.SSLContext, cert_file: str, key_file: str | None) -> None:
    # An encrypted key must be an error here and not a question on somebody's terminal.
    try:
        context.load_cert_chain(cert_file, key_file, password=lambda: b"")
    except (OSError, ValueError) as error:
        files = cert_file if key_file is None else f"{cert_file}' with key_file '{key_file}"
        expected = "a PEM certificate chain and its unencrypted key"
        raise _unusable("cert_file", files, expected, error) from error


def _unusable(option: str, file: str, expected: str, error: Exception) -> ConfigError:
    if isinstance(error, ssl.SSLError) or not isinstance(error, OSError):
        cause = getattr(error, "reason", None) or str(error) or "unreadable"
    else:
        cause = error.strerror or str(error)
    return ConfigError(f"tls: {option} '{file}': {cause}; expected {expected}")
