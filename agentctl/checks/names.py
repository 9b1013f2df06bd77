"""Names of tools in checks that no tool has: a misspelt one in ``must_not_call`` would pass whatever happened."""

from collections.abc import Iterable, Iterator, Sequence

from agentctl.checks.calls import asked
from agentctl.checks.definition import Call
from agentctl.checks.patterns import fits
from agentctl.definitions.toolset import TOOL_NAMES
from agentctl.events.local import LocalForked, LocalSessionCreated
from agentctl.session.log import Record
from agentctl.spelling import did_you_mean


class ToolNames:
    """A fold over a log that learns what tools are called: those of the toolset, the agent's, and any that was called.

    Of a transcript of another program nobody knows which tools there were, so no name is held to be wrong.
    """

    def __init__(self) -> None:
        self._known = set[str](TOOL_NAMES)
        self._is_imported = False

    def add(self, record: Record) -> None:
        """Take one more event."""
        event = record.event
        if isinstance(event, LocalSessionCreated | LocalForked):
            self._learn((event.request or {}).get("tools"))
        if isinstance(event, LocalSessionCreated):
            self._is_imported = event.imported is not None
        if (call := asked(event)) is not None:
            self._known.add(call[0].lower())

    def listening(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield events on to somebody else, and learn from each."""
        for record in records:
            self.add(record)
            yield record

    def remarks(self, calls: Sequence[Call]) -> list[str]:
        """Say of each call that must not be whose tool no tool's name fits, and what was perhaps meant."""
        if self._is_imported:
            return []
        unknown = dict.fromkeys(
            call.tool for call in calls if not any(fits(call.tool.lower(), name) for name in self._known)
        )
        return [f"must_not_call: no tool is called {name}{did_you_mean(name, sorted(self._known))}" for name in unknown]

    def _learn(self, tools: object) -> None:
        for tool in tools if isinstance(tools, list) else ():
            if isinstance(tool, dict) and isinstance(name := tool.get("name"), str):
                self._known.add(name.lower())
