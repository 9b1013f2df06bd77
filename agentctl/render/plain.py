"""The story in lines, for a pipe, a file or a terminal that cannot do more: no colours, nothing that moves."""

from collections.abc import Callable, Sequence

from agentctl.events.preview import Preview
from agentctl.render.lines import Line, paint_all, plain, shown
from agentctl.render.look import Look
from agentctl.render.story import CallBegan, CallEnded, Item
from agentctl.render.teller import Teller
from agentctl.session.state import OpenCall


class PlainRenderer(Teller):
    """Writes whole lines only.

    With ``live`` a call is written when it is asked for, so that whoever reads along sees what is
    running, and its result when it comes; otherwise both together.
    """

    def __init__(self, write: Callable[[str], None], look: Look, *, live: bool = False, full: bool = False) -> None:
        super().__init__(look, full=full)
        self._write = write
        self._look = look
        self._live = live
        self._last_call: str | None = None

    def put(self, lines: Sequence[Line]) -> None:
        """Write lines."""
        self._write(paint_all(lines, self._look))
        self._last_call = None

    def preview(self, preview: Preview) -> None:
        """Half-typed text is not a line."""

    def progress(self, line: str) -> None:
        """Write what a preparation is doing."""
        with self.lock:
            self.put([plain(f"{self._look.symbols.dot} {shown(line, self._look)}")])

    def close(self) -> None:
        """There is nothing to leave."""

    def begin(self, call: OpenCall) -> None:
        """Write the call now, or keep it until there is a result to tell with it."""
        if not self._live:
            super().begin(call)
            return
        self.say(CallBegan(call), [self.layout.call(call)])
        self._last_call = call.id

    def tell(self, item: Item) -> None:
        """Write one item; a result directly under its call does not repeat it."""
        if isinstance(item, CallEnded) and item.call.id == self._last_call:
            self.say(item, self.layout.ended(item, with_call=False))
        else:
            super().tell(item)
