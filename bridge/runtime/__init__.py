"""What runs a pipeline: the steps, the middleware around them, the lifecycle."""
