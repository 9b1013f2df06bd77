"""The command line: each command parses, calls one function, and hands what it gave to one renderer."""
