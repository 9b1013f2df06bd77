"""Assertions on a stored session: what must have happened in it, and what must not."""
