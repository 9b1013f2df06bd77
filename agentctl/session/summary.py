"""A session at a glance: a fold over its log into what somebody wants to know of it first."""

from dataclasses import dataclass

from agentctl.canonical import JsonObject
from agentctl.events.agent import AgentCustomToolUse, AgentToolResult, AgentToolUse
from agentctl.events.base import Event
from agentctl.events.local import (
    LocalEgress,
    LocalEgressStarted,
    LocalFilesChanged,
    LocalForked,
    LocalModelResponse,
    LocalOutputs,
    LocalSandboxStarted,
    LocalSessionCreated,
    LocalToolFacts,
)
from agentctl.events.span import SpanModelRequestEnd
from agentctl.events.user import UserCustomToolResult
from agentctl.session.egress import EgressSums
from agentctl.session.filesums import FileSums
from agentctl.session.fork import forked
from agentctl.session.result import Result
from agentctl.session.state import OpenCall, SessionState
from agentctl.session.usage import answering


@dataclass(slots=True)
class ToolSum:
    """What the calls of one tool came to. ``seconds`` is time spent inside the sandbox."""

    calls: int = 0
    failed: int = 0
    seconds: float = 0.0


class Summary:
    """Everything that is summed up over a session; for a fork what it did itself, ``fork`` saying from where."""

    def __init__(self) -> None:
        self.created: LocalSessionCreated | None = None
        self.fork: LocalForked | None = None
        self.sandbox: JsonObject = {}
        self.result = Result()
        self.state = SessionState()
        self.answered_by: list[str] = []
        self.tools: dict[str, ToolSum] = {}
        self.outputs: list[JsonObject] = []
        self.files = FileSums()
        self.network = EgressSums()
        self._names: dict[str, str] = {}
        self._ended_badly: set[str] = set()

    def add(self, event: Event) -> None:
        """Take one more event into account."""
        self.result = self.result.after(event)
        self.state = self.state.after(event)
        match event:
            case LocalSessionCreated():
                self.created = event
                self.sandbox = dict(event.sandbox)
            case LocalForked() if self.created is not None:
                self._begin_fork(forked(self.created, event), event)
            case LocalSandboxStarted():
                self.sandbox |= event.facts
            case LocalModelResponse():
                self._add_model(event.model)
            case SpanModelRequestEnd() if model := answering(event):
                self._add_model(model)
            case AgentToolUse() | AgentCustomToolUse():
                self._names[event.id] = event.name
                self._tool(event.id).calls += 1
            case AgentToolResult():
                self._add_result(event.tool_use_id, is_error=bool(event.is_error))
            case UserCustomToolResult():
                self._add_result(event.custom_tool_use_id, is_error=bool(event.is_error))
            case LocalToolFacts():
                self._add_facts(event)
            case LocalOutputs():
                self.outputs = event.files
            case LocalFilesChanged():
                self.files.add(event)
            case LocalEgressStarted() | LocalEgress():
                self.network.add(event)
            case _:
                pass

    @property
    def failed_calls(self) -> int:
        """How many calls did not do what they were asked to."""
        return sum(tool.failed for tool in self.tools.values())

    @property
    def waiting(self) -> list[OpenCall]:
        """The calls that need somebody's word before the session can go on."""
        return [call for call in self.state.calls if call.waits]

    @property
    def cache_share(self) -> float | None:
        """Which part of what the model read came from the prompt cache; None where it read nothing."""
        usage = self.result.usage
        read = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens
        return usage.cache_read_input_tokens / read if read else None

    def _begin_fork(self, created: LocalSessionCreated, event: LocalForked) -> None:
        """Sum up anew what was done: that was the parent's doing. What is there, files and words, stays."""
        self.created, self.fork = created, event
        self.sandbox = dict(created.sandbox)
        self.answered_by, self.tools, self.network = [], {}, EgressSums()
        for call in self.state.calls:
            self._tool(call.id).calls += 1

    def _add_model(self, model: str) -> None:
        # What is known of the calls of former answers is not asked for any more.
        self._names = {call.id: call.name for call in self.state.calls}
        self._ended_badly.clear()
        if model not in self.answered_by:
            self.answered_by.append(model)

    def _add_result(self, call_id: str, *, is_error: bool) -> None:
        if is_error:
            self._ended_badly.add(call_id)
            self._tool(call_id).failed += 1

    def _add_facts(self, event: LocalToolFacts) -> None:
        tool, facts = self._tool(event.tool_use_id), event.facts
        if isinstance(seconds := facts.get("duration_seconds"), int | float):
            tool.seconds += seconds
        went_wrong = facts.get("exit_code") not in (None, 0) or bool(facts.get("timed_out"))
        if went_wrong and event.tool_use_id not in self._ended_badly:
            tool.failed += 1

    def _tool(self, call_id: str) -> ToolSum:
        return self.tools.setdefault(self._names.get(call_id, "?"), ToolSum())
