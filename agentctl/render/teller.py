"""What the renderers of a story share: which item is put into lines when, and what stands between items."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence

from agentctl.render.layout import Layout
from agentctl.render.lines import EMPTY, Line
from agentctl.render.look import Look
from agentctl.render.story import CallBegan, CallEnded, Cut, FilesChanged, Item, Remark, Rested, Story
from agentctl.session.log import Record
from agentctl.session.result import Result
from agentctl.session.state import OpenCall

_INTERRUPTED = Remark("interrupted: the process that ran the session ended before the session came to rest", "warning")
_RUNNING = Remark("the session is still running")


class Teller(ABC):
    """Tells a story in lines that stay. A call is told together with its result.

    May be used from several threads.
    """

    def __init__(self, look: Look, *, full: bool) -> None:
        self.story = Story()
        self.layout = Layout(look, full)
        self.lock = threading.RLock()
        self._told: Item | None = None
        self._untold: dict[str, OpenCall] = {}

    @property
    def result(self) -> Result:
        """What the session has come to, as far as it was heard."""
        return self.story.result

    @abstractmethod
    def put(self, lines: Sequence[Line]) -> None:
        """Write lines that stay."""

    def record(self, record: Record) -> None:
        """Show what an event tells."""
        self._take(record, wanted=True)

    def learn(self, record: Record) -> None:
        """Take an event into account without showing it."""
        self._take(record, wanted=False)

    def pause(self) -> None:
        """Show what was held back."""
        with self.lock:
            for item in self.story.rest_of():
                self.tell(item)

    def finish(self, status: str | None = None, *, whole: bool = True) -> None:
        """Show what was held back, how it ended where the record does not say so, and what can be done next."""
        with self.lock:
            self.pause()
            self.settle(self._untold)
            if whole:
                self._conclude(status or self.story.result.status)

    def tell(self, item: Item) -> None:
        """Show one item, now or when it is whole."""
        match item:
            case CallBegan(call):
                self.begin(call)
            case CallEnded(call):
                self._untold.pop(call.id, None)
                self.say(item, self.layout.ended(item))
            case Rested():
                for call in item.waiting:
                    self._untold.pop(call.id, None)
                self.settle(self._untold)
                self.say(item, self.layout.lines(item))
            case Cut():
                pass
            case _:
                self.say(item, self.layout.lines(item))

    def begin(self, call: OpenCall) -> None:
        """Keep a call until there is a result to tell with it."""
        self._untold[call.id] = call

    def say(self, item: Item, lines: Sequence[Line]) -> None:
        """Write the lines of an item, apart from what stands before it."""
        self.put([*self.space_before(item), *lines])
        self._told = item

    def space_before(self, item: Item) -> list[Line]:
        """Return the blank line before an item, if there is to be one."""
        former, calls = self._told, (CallBegan, CallEnded, FilesChanged)
        alike = any(isinstance(former, kind) and isinstance(item, kind) for kind in (calls, Remark))
        close = former is None or alike or isinstance(item, Cut)
        return [] if close else [EMPTY]

    def settle(self, calls: dict[str, OpenCall]) -> None:
        """Tell calls whose results nobody wants to see, or that have none."""
        for call in list(calls.values()):
            self._untold.pop(call.id, None)
            self.say(CallBegan(call), [self.layout.call(call)])

    @property
    def under_way(self) -> Sequence[OpenCall]:
        """The calls that will get a result without anybody's word, as they are now."""
        return [call for call in self.story.open_calls if call.started or (call.id in self._untold and not call.waits)]

    def _conclude(self, status: str) -> None:
        result = self.story.result
        if status in ("running", "rescheduling"):
            self.tell(_RUNNING)
        if status == "interrupted":
            if result.signal is None:
                self.tell(_INTERRUPTED)
            self.say(Rested(result), self.layout.closing("interrupted", "warning", result))
        if not self.story.is_imported:
            self.put(self.layout.next_steps(result, status, self.story.state.calls))

    def _take(self, record: Record, *, wanted: bool) -> None:
        with self.lock:
            for item in self.story.after(record.event, wanted=wanted):
                self.tell(item)
            if self._untold:
                is_open = {call.id for call in self.story.open_calls}
                self.settle({name: call for name, call in self._untold.items() if name not in is_open})
