"""The program that runs inside a sandbox, on its way there: no file is mounted or copied for it."""

import json
from collections.abc import Iterator
from pathlib import Path

from agentctl.sandbox import inside
from agentctl.sandbox.inside import MODULES
from agentctl.sandbox.inside.frames import HEADER, MARK

PYTHON = ("python3", "-I", "-S", "-X", "utf8", "-c")

BOOTSTRAP = """\
import json, os, signal, sys, types
signal.alarm(60)
def receive(count):
    data = b""
    while len(data) < count:
        piece = os.read(0, count - len(data))
        if not piece or count > 4 and b"\\xff" in piece:
            os._exit(0)
        data += piece
    return data
size = int.from_bytes(receive(4), "big")
size or os._exit(0)
for name, source in json.loads(receive(size)):
    module = sys.modules[name] = types.ModuleType(name)
    parent, _, child = name.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], child, module)
    exec(compile(source, name, "exec"), module.__dict__)
module.main()
"""
"""What the sandbox's Python is started with: it receives the program through the pipe, so that no
command line is longer than a screen. It ends at once where it meets ``TAKEN_OVER`` instead, or in the
middle: whoever should have sent the program is gone."""

TAKEN_OVER = bytes(HEADER.pack(0, MARK, 0))
"""What somebody begins with who takes over a sandbox: to the bootstrap a program of no length, or a
byte that is not ASCII and so not of a program; to a supervisor a frame that means nothing."""


def program() -> Iterator[memoryview]:
    """Yield what the bootstrap receives: the supervisor's source text."""
    package = inside.__name__
    folder = Path(inside.__file__).parent
    sources = [(package, "")] + [
        (f"{package}.{module}", (folder / f"{module}.py").read_text(encoding="utf-8")) for module in MODULES
    ]
    written = json.dumps(sources).encode()
    yield memoryview(len(written).to_bytes(4, "big"))
    yield memoryview(written)
