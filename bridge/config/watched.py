"""A file whose content may change while the process runs: a certificate, a token, a secret.

    value() ─▶ looked at a moment ago? the value known ─▶ same file? the value known
            ─▶ read ─▶ parse ─▶ the new value, or, where it cannot be, the old one and a warning

Kubernetes changes a mounted file by swapping the folder that its name points into; any way
of changing it shows in the inode, the size or the time of change. That time is the inode's
own (ctime): whoever writes can set the other one, and it does not tell of new permissions.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from bridge.core.clock import Clock
from bridge.core.errors import ConfigError

#: How often a file is looked at, at most.
LOOK_SECONDS = 1.0

#: The largest file that is read.
MAX_FILE_BYTES = 1024 * 1024

T = TypeVar("T")

log = structlog.get_logger()


class WatchedFile(Generic[T]):
    """What *parse* makes of the *file* that the option *option* names, as it is now.

    *parse* raises ValueError, saying what it expected and never the content, where it cannot.
    Building reads the file: raises ConfigError, naming option and file, where there is none,
    where it is larger than MAX_FILE_BYTES, or where *parse* cannot.
    """

    def __init__(
        self, file: str | Path, parse: Callable[[bytes], T], *, option: str, clock: Clock
    ) -> None:
        self._file = Path(file)
        self._parse = parse
        self._option = option
        self._clock = clock
        self._look_at = clock.monotonic() + LOOK_SECONDS
        self._seen = mark(self._file)
        self._value = self._read()
        #: How often the content has changed since building.
        self.changes = 0

    def value(self) -> T:
        """Return the value as of at most LOOK_SECONDS ago; never raises.

        Where the file has gone or makes no sense any more the last good value stays, and the
        log says so, once for each change.
        """
        now = self._clock.monotonic()
        if now < self._look_at:
            return self._value
        self._look_at = now + LOOK_SECONDS
        seen = mark(self._file)
        if seen == self._seen:
            return self._value
        self._seen = seen
        try:
            self._value = self._read()
        except ConfigError as error:
            log.warning("file not read again: going on with what it held", error=str(error))
        else:
            self.changes += 1
            log.info("file read again", option=self._option, file=str(self._file))
        return self._value

    def _read(self) -> T:
        try:
            with self._file.open("rb") as opened:
                content = opened.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        if len(content) > MAX_FILE_BYTES:
            raise self._unusable(f"expected at most {MAX_FILE_BYTES} bytes")
        try:
            return self._parse(content)
        except ValueError as error:
            raise self._unusable(str(error)) from error

    def _unusable(self, cause: str) -> ConfigError:
        return ConfigError(f"{self._option} '{self._file}': {cause}")


def mark(file: Path) -> tuple[int, int, int] | None:
    """Return what tells one content of *file* from another without reading it; None: no file."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_ctime_ns


def secret(content: bytes) -> str:
    """Return the secret that a file holds: its text without outer whitespace.

    Raise ValueError where it is empty or no printable ASCII: nothing a header can carry.
    """
    text = content.strip()
    if not text or not all(0x20 <= byte < 0x7F for byte in text):
        raise ValueError("expected one line of printable ASCII")
    return text.decode()
