"""What all tests share: the components of the world outside, started when first needed."""

import os

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.services.fixtures", "tests.services.model_servers.fixtures"]

# A shared machine is slow at times, which says nothing of the code. In CI the same examples
# are drawn every time, so that a change is judged by what it changed; elsewhere new ones.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")
