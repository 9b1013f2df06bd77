"""Patches as git writes and reads them, made from the record of a session's files; no git is needed."""
