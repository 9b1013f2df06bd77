"""A session as one page that a browser shows: no network, no program of others, text that is only text."""
