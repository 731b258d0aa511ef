"""The garbage collector, held while something large is parsed.

A parser makes arrays and objects by the hundred thousand, and none of them is garbage. The
collector would go over all of them again and again: two thirds of the time that 8 MB of small
arrays take, in which nothing else of the event loop runs.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

#: From so many bytes on it is worth it.
LARGE_BYTES: Final = 64 * 1024


@contextmanager
def held() -> Iterator[None]:
    """Let nothing be collected within; afterwards the collector is as it was."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
