"""Credentials: kept encrypted, used on the host in the sandbox's place, found wherever they turn up."""
