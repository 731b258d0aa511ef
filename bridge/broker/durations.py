"""ISO 8601 durations as Knative's delivery settings write them: `PT0.2S`, `PT1M30S`, `P1D`.

Source: Knative DeliverySpec (pkg/apis/duck/v1/delivery_types.go), ISO 8601-1 5.5.2.
"""

from __future__ import annotations

import re
from fractions import Fraction


def seconds(text: str) -> float:
    """Return the duration *text* in seconds; raise ValueError, saying what was expected.

    The last component may have a fraction, with a point or a comma. Years and months are
    refused, since neither has an exact length; so are negative durations.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r}: expected an ISO 8601 duration such as PT0.2S or PT1M30S")
    total = Fraction(0)
    given = [(name, value) for name, value in found.groupdict().items() if value is not None]
    for place, (name, value) in enumerate(given):
        if name in ("years", "months"):
            raise ValueError(f"{text!r}: {name} have no exact length, expected W, D, H, M or S")
        if not value.isdecimal() and place + 1 < len(given):
            raise ValueError(f"{text!r}: only the last component may have a fraction")
        total += Fraction(value.replace(",", ".")) * _SECONDS[name]
    return float(total)


_NUMBER = r"[0-9]{1,12}(?:[.,][0-9]{1,9})?"
_DURATION = re.compile(
    rf"P(?=[0-9T])(?:(?P<years>{_NUMBER})Y)?(?:(?P<months>{_NUMBER})M)?(?:(?P<weeks>{_NUMBER})W)?"
    rf"(?:(?P<days>{_NUMBER})D)?"
    rf"(?:T(?=[0-9])(?:(?P<hours>{_NUMBER})H)?(?:(?P<minutes>{_NUMBER})M)?"
    rf"(?:(?P<seconds>{_NUMBER})S)?)?"
)
_SECONDS = {"weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
