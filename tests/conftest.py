"""What all tests share: the components of the world outside, started when first needed."""

pytest_plugins = ["tests.services.fixtures"]
