"""The original as its REST tests see it: Seldon's own Python microservice with the iris model.

`BRIDGE_TEST_SELDON` is the base URL of one that runs already; otherwise it is that of
`tests.services.model_servers.seldon`.
"""

from __future__ import annotations

from dataclasses import dataclass

ADDRESS = "BRIDGE_TEST_SELDON"


@dataclass(frozen=True, slots=True)
class SeldonMicroservice:
    """A running microservice; *url* is its base: `/predict`, `/api/v1.0/predictions`."""

    url: str
