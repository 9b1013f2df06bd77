"""Sessions of which one thing is changed at a time: what is said to have moved, and where."""
