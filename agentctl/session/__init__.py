"""A session: its log, and what the log comes to."""
