"""A Knative-style broker for one machine: holds events in memory, and says so."""
