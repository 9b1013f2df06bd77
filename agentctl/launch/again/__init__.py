"""Sessions are done again: the recorded or a live model, against the recorded or a fresh sandbox."""
