"""The commands, thin: each one a pipeline, preset."""
