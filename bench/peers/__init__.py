"""The same work done by others, each the way its own documentation shows."""
