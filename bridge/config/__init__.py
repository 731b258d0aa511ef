"""One YAML file to typed options."""
