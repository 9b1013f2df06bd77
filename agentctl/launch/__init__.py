"""The composition root: definitions and the command line become a model, a sandbox and a session at work."""
