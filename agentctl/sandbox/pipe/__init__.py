"""The pipe to a supervisor: byte streams, the messages and channels on them, and what of an answer is believed."""
