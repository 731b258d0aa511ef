"""Some thousands of malformed requests against the running processes (`make soak`: 100,000)."""

from __future__ import annotations

import os
import random
from pathlib import Path

from tests.soak.http import soak

#: Another seed each time, so that every run tries something new; CI tries the same again.
SEED = 1 if os.environ.get("CI") else random.SystemRandom().getrandbits(32)
COUNT = 6_000


async def test_nothing_malformed_does_more_than_be_refused(tmp_path: Path) -> None:
    """No 5xx, no crash, no growth; a valid request is answered after each hundred.

    The seed and the number of a case make it again: `python -m tests.fuzz SEED NUMBER`.
    """
    reports = await soak(COUNT, SEED, tmp_path, progress=False)

    assert not any(report.failures for report in reports), "\n".join(map(str, reports))
    assert [COUNT, COUNT // 10, COUNT // 10] == [report.outcome.count for report in reports]
    assert {200, 202, 400, 413, 415, 422} <= set(reports[0].outcome.statuses)
