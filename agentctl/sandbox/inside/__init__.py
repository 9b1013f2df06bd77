"""The program inside a sandbox: runs tool calls for whoever is at the other end of its pipe.

Its modules travel as source text to a bare ``python3`` (3.8 or later) of the sandbox. So they import
the standard library and each other only, and import late what takes long to load and is needed
late. What the program holds true:

* One thread, one loop, no blocking: bash runs beside the loop, every other tool in a forked child.
  So nothing that a call does, not even dying, takes the supervisor with it.
* Calls run one after another, in the order in which they came. A call's id is run at most once,
  and its result is kept until it is acknowledged.
* What a call leaves running stays a descendant of the supervisor, which is a subreaper; so a call
  that takes too long is ended with all that it started, however it hid.
* When no frame has come for a while, or nobody can come any more, everything here ends.
"""

MODULES = (
    "frames",
    "outcome",
    "output",
    "loop",
    "pipe",
    "processes",
    "shell",
    "bash",
    "files",
    "search",
    "child",
    "calls",
    "put",
    "outputs",
    "outside",
    "watches",
    "changes",
    "report",
    "recorder",
    "messages",
    "relay",
    "authorities",
    "supervisor",
)
"""Every module, each after those that it imports."""
