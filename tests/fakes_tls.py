"""Authorities and certificates in files, which change as those of a cluster do."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import trustme

#: The time of `FakeClock`, by which certificates end soon or have ended.
NOW = datetime(2020, 3, 21, 3, 41, 28)  # trustme takes naive UTC


class Authority:
    """An authority of its own."""

    def __init__(self) -> None:
        self._ca = trustme.CA()
        self.pem: bytes = self._ca.cert_pem.bytes()

    def issue(
        self, folder: Path, name: str = "server", *, until: datetime | None = None
    ) -> dict[str, str]:
        """Write a certificate for localhost and its key, over those there; return the options."""
        issued = self._ca.issue_cert("localhost", not_after=until)
        cert, key = folder / f"{name}.pem", folder / f"{name}.key"
        replace(cert, b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        replace(key, issued.private_key_pem.bytes())
        return {"cert_file": str(cert), "key_file": str(key)}


def trusted(file: Path, *authorities: Authority) -> str:
    """Write *file* with the certificates of *authorities*; return its path."""
    replace(file, b"".join(authority.pem for authority in authorities))
    return str(file)


def replace(file: Path, content: bytes) -> None:
    """Put *content* in the place of *file* at once, as Kubernetes does: a reader sees all of it."""
    new = file.with_name(f"{file.name}.new")
    new.write_bytes(content)
    new.rename(file)
