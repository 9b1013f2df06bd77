"""What a long preparation is doing, on standard error: live on a terminal, line by line elsewhere."""

import contextlib
import sys
from collections.abc import Iterator

from agentctl.cli.draw import forgiving
from agentctl.render.lines import plain, shown
from agentctl.render.look import look_of, size_of
from agentctl.render.plain import PlainRenderer
from agentctl.render.terminal import TerminalRenderer
from agentctl.sandbox.base import Progress


@contextlib.contextmanager
def telling(*, quiet: bool) -> Iterator[Progress]:
    """Give what is to be told of each step; leaves the screen as it should be."""
    stream = sys.stderr
    if quiet or stream is None:
        yield lambda _line: None
        return
    look, write = look_of(stream), forgiving(stream)
    if not look.moves:
        yield PlainRenderer(write, look).progress
        return
    renderer = TerminalRenderer(write, look, lambda: size_of(stream))

    def tell(line: str) -> None:
        # What the programs of a step print goes by; the steps stay.
        if not line.startswith(" "):
            with renderer.lock:
                renderer.put([plain(f"{look.symbols.dot} {shown(line, look)}")])
        renderer.progress(line.strip())

    with contextlib.closing(renderer):
        yield tell
