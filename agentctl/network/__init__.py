"""The way out of a sandbox: what it asks for, what it may reach, and who dials."""
