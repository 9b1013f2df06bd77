"""Checks of the calls that an agent made."""

import json
from collections.abc import Sequence

from agentctl.canonical import JsonObject
from agentctl.checks.base import PASS, Verdict
from agentctl.checks.definition import Call, CountedCall
from agentctl.checks.patterns import fits
from agentctl.events.agent import AgentCustomToolUse, AgentToolResult, AgentToolUse
from agentctl.events.base import Event, UnknownEvent
from agentctl.events.content import text_of
from agentctl.events.user import UserCustomToolResult
from agentctl.session.log import Record


def told(call: Call) -> str:
    """Say in a few words which calls are meant."""
    arguments = ", ".join(f"{name}: {pattern}" for name, pattern in call.input.items())
    result = f" -> {call.result}" if call.result else ""
    return f"{call.tool}{f' ({arguments})' if arguments else ''}{result}"


class Watch:
    """Finds the events that are calls of one kind, once all is known that decides it."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._asked: dict[str, int] = {}

    def found(self, record: Record) -> int | None:
        """Return the number of the call that an event shows to be meant; None where it shows none."""
        event = record.event
        if (call := asked(event)) is not None and self._is_meant(*call):
            if self._call.result is None:
                return record.seq
            self._asked[event.id] = record.seq
        elif (answered := _answered(event)) is not None:
            call_id, content = answered
            seq = self._asked.pop(call_id, None)
            return seq if seq is not None and fits(self._call.result or "*", text_of(content)) else None
        return None

    def _is_meant(self, name: str, given: dict[str, object]) -> bool:
        return fits(self._call.tool.lower(), name.lower()) and all(
            argument in given and fits(pattern, _text(given[argument]))
            for argument, pattern in self._call.input.items()
        )


class MustCall:
    """Calls that there must be, so often."""

    def __init__(self, number: int, call: CountedCall) -> None:
        self.name = f"must_call[{number}]: {told(call)}"
        self._least = call.at_least if call.at_least is not None else int(call.at_most is None)
        self._most = call.at_most
        self._watch = Watch(call)
        self._found: list[int] = []

    def add(self, record: Record) -> None:
        """Take one more event."""
        if (seq := self._watch.found(record)) is not None:
            self._found.append(seq)

    def verdict(self) -> Verdict:
        """Say whether there were enough, and not too many."""
        count = len(self._found)
        if self._most is not None and count > self._most:
            return Verdict("fail", f"{count} calls, at most {self._most} may be", self._found[self._most])
        if count < self._least:
            return Verdict("fail", f"{count} of {self._least} calls" if count else "there is no such call")
        return Verdict("pass", "", self._found[self._least - 1] if self._least else None)


class MustNotCall:
    """Calls that there must not be."""

    def __init__(self, number: int, call: Call) -> None:
        self.name = f"must_not_call[{number}]: {told(call)}"
        self._watch = Watch(call)
        self._first: int | None = None

    def add(self, record: Record) -> None:
        """Take one more event."""
        seq = self._watch.found(record)
        self._first = seq if self._first is None else self._first

    def verdict(self) -> Verdict:
        """Say whether there was one."""
        return PASS if self._first is None else Verdict("fail", "there is such a call", self._first)


class Order:
    """Calls that there must be one behind the other, whatever stands between them."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self.name = f"order: {', '.join(told(call) for call in calls)}"
        self._calls = calls
        self._watches = [Watch(call) for call in calls]
        self._last = 0
        self._done = 0

    def add(self, record: Record) -> None:
        """Take one more event."""
        found = [watch.found(record) for watch in self._watches[self._done :]]
        if found and found[0] is not None and found[0] > self._last:
            self._last, self._done = found[0], self._done + 1

    def verdict(self) -> Verdict:
        """Say how far it came."""
        if self._done == len(self._calls):
            return Verdict("pass", "", self._last)
        behind = f" behind #{self._last}" if self._last else ""
        return Verdict("fail", f"{told(self._calls[self._done])} is missing{behind}", self._last or None)


def asked(event: Event) -> tuple[str, dict[str, object]] | None:
    """Return the tool and the arguments of a call; None for an event that is none."""
    match event:
        case AgentToolUse() | AgentCustomToolUse():
            return event.name, event.input
        case UnknownEvent(body={"type": "agent.mcp_tool_use", "name": str(name), "input": dict(given)}):
            return name, given
        case _:
            return None


def _answered(event: Event) -> tuple[str, Sequence[JsonObject]] | None:
    match event:
        case AgentToolResult():
            return event.tool_use_id, event.content or ()
        case UserCustomToolResult():
            return event.custom_tool_use_id, event.content or ()
        case UnknownEvent(body={"type": "agent.mcp_tool_result", "mcp_tool_use_id": str(call_id), **rest}):
            content = rest.get("content")
            return call_id, [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
        case _:
            return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
