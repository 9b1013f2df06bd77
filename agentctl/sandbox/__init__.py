"""The sandbox: one supervisor process at the end of a pair of byte streams, and what makes such a pair."""
