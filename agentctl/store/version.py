"""The version of the database's schema that this agentctl writes."""

VERSION = 4
