"""What readers and writers of the database agree on, and need nothing else to know."""

VERSION = 4
"""The version of the database's schema that this agentctl writes."""

SNAPSHOT_EVERY = 1_000
"""Events from one snapshot of a session to the next."""
