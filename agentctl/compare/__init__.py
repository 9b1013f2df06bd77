"""Two sessions beside each other: where they part, in which layer, and what is only noise.

Nothing here reads a store, draws or runs anything: events go in, differences come out.
"""
