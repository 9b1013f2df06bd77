"""A session and its rerun: whether doing it again came to the same, and if not, where and why."""
