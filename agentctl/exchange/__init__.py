"""Sessions as files: written out to be kept or passed on, read in from here and from elsewhere.

What comes in was written by anybody: everything about it is checked before anything of it is stored.
"""
