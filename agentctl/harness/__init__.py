"""The harness: chooses the next step of a session from its log, does it, and records what came of it."""
