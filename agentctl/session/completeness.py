"""What a record has of what happened, and what it lacks: a fold over its log.

That a record is as it was written says nothing of what was never written. Each thing that is missing
is told with the reason and the numbers of the events that show it.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from agentctl.canonical import JsonObject
from agentctl.events.agent import AgentCustomToolUse, AgentToolResult, AgentToolUse
from agentctl.events.base import Event
from agentctl.events.codec import encode
from agentctl.events.local import (
    LocalCheckpointFailed,
    LocalCompactionResponse,
    LocalEgress,
    LocalEgressStarted,
    LocalFilesChanged,
    LocalFilesUploaded,
    LocalForked,
    LocalModelResponse,
    LocalOutputs,
    LocalSandboxLost,
    LocalSandboxStarted,
    LocalSessionCreated,
)
from agentctl.events.session import SessionStatusIdle
from agentctl.events.span import SpanModelRequestEnd, SpanModelRequestStart
from agentctl.events.user import UserCustomToolResult
from agentctl.session.log import Record
from agentctl.session.packages import packages_unknown

Name: TypeAlias = Literal["model", "calls", "files", "network", "sandbox", "secrets"]

_as_text = json.JSONEncoder(ensure_ascii=False).encode
"""Made once: every event is written."""

_MARK = re.compile(r"\[redacted:([^\]\\\"]{1,200})\]")


@dataclass(slots=True)
class Gap:
    """Something that the record lacks: why, how often, and the events that show it."""

    reason: str
    events: list[int] = field(default_factory=list)
    count: int = 0


@dataclass(slots=True)
class Aspect:
    """One kind of thing: how many of it there are in the record, and what is missing of it.

    ``notes`` are what a reader has to know although nothing is missing by mistake: sandboxes that were
    replaced, secrets that were taken out, what is still under way.
    """

    name: Name
    recorded: int = 0
    gaps: list[Gap] = field(default_factory=list)
    notes: list[Gap] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.gaps

    def lacks(self, reason: str, seq: int, count: int = 1) -> None:
        """Note something that is missing."""
        _note(self.gaps, reason, [seq], count)

    def remark(self, reason: str, seqs: Iterable[int], count: int = 1) -> None:
        """Note something that is not missing by mistake."""
        _note(self.notes, reason, list(seqs), count)


class Completeness:
    """A fold over the log of one session."""

    def __init__(self) -> None:
        self._aspects = {name: Aspect(name) for name in ("model", "calls", "files", "network", "sandbox", "secrets")}
        self._requests: dict[str, int] = {}
        self._answered: set[str] = set()
        self._calls: dict[str, int] = {}
        self._waiting: set[str] = set()
        self._connections: dict[str, int] = {}
        self._had_files = False
        self._sandbox = ""

    def add(self, record: Record) -> None:
        """Take one more event."""
        self._find_marks(record)
        seq = record.seq
        match record.event:
            case LocalSessionCreated() as event:
                self._begin(event, seq)
            case LocalForked():
                self._fork(seq)
            case SpanModelRequestStart() | SpanModelRequestEnd() | LocalModelResponse() | LocalCompactionResponse():
                self._add_request(record.event, seq)
            case AgentToolUse() | AgentCustomToolUse() as event:
                self._calls[event.id] = seq
                self._aspects["calls"].recorded += 1
            case AgentToolResult() as event:
                self._calls.pop(event.tool_use_id, None)
            case UserCustomToolResult() as event:
                self._calls.pop(event.custom_tool_use_id, None)
            case SessionStatusIdle() as event:
                self._waiting = set(event.stop_reason.get("event_ids") or ())
            case LocalEgressStarted() | LocalEgress():
                self._add_connection(record.event, seq)
            case LocalSandboxStarted() | LocalSandboxLost() | LocalCheckpointFailed():
                self._add_sandbox(record.event, seq)
            case LocalFilesUploaded() | LocalFilesChanged() | LocalOutputs():
                self._add_files(record.event, seq)
            case _:
                pass

    def aspects(self, *, under_way: bool) -> list[Aspect]:
        """Return what there is to say at the end; ``under_way`` says that some process runs the session now."""
        self._leave(under_way=under_way)
        return list(self._aspects.values())

    # --- the model ---

    def _add_request(self, event: Event, seq: int) -> None:
        model = self._aspects["model"]
        match event:
            case SpanModelRequestStart():
                self._kill_requests()
                self._requests[event.id] = seq
                model.recorded += 1
            case LocalModelResponse() | LocalCompactionResponse():
                self._answered.add(event.model_request_start_id)
            case SpanModelRequestEnd():
                start = self._requests.pop(event.model_request_start_id, None)
                is_known = event.model_request_start_id in self._answered or _is_kept_elsewhere(event)
                if start is not None and not event.is_error and not is_known:
                    model.lacks("the bytes of the model's message are not in the record", start)
                self._answered.discard(event.model_request_start_id)

    def _kill_requests(self) -> None:
        for start in self._requests.values():
            self._aspects["model"].lacks("the process was killed before the answer had come", start)
        self._requests.clear()

    # --- files ---

    def _add_files(self, event: Event, seq: int) -> None:
        files = self._aspects["files"]
        match event:
            case LocalFilesUploaded():
                self._had_files = True
                files.recorded += event.files
                if event.skipped:
                    files.lacks(f"not copied in: {_few(event.skipped)}", seq, len(event.skipped))
            case LocalFilesChanged():
                self._had_files = True
                files.recorded += len(event.changes)
                self._add_cut(files, event.cut, seq)
                for body in event.changes:
                    if body.get("kind") == "file" and body.get("change") != "deleted":
                        self._add_contents(body, "cut", seq)
            case LocalOutputs():
                self._add_cut(files, event.cut, seq)
                for body in event.files:
                    self._add_contents(body, "skipped", seq)

    def _add_contents(self, body: JsonObject, why: str, seq: int) -> None:
        if "sha256" not in body:
            reason = body.get(why) or "they were not kept"
            self._aspects["files"].lacks(f"the contents of {body.get('path')}: {reason}", seq)

    @staticmethod
    def _add_cut(files: Aspect, cut: str | None, seq: int) -> None:
        if cut:
            files.lacks(f"not all changes: {cut}", seq)

    # --- the network and the sandbox ---

    def _add_connection(self, event: Event, seq: int) -> None:
        match event:
            case LocalEgressStarted():
                self._connections[event.id] = seq
            case LocalEgress():
                self._connections.pop(event.started_id or "", None)
                self._aspects["network"].recorded += event.times or 1

    def _cut_connections(self) -> None:
        for seq in self._connections.values():
            self._aspects["network"].lacks("the end of a connection: the process was killed before it", seq)
        self._connections.clear()

    def _add_sandbox(self, event: Event, seq: int) -> None:
        sandbox = self._aspects["sandbox"]
        match event:
            case LocalSandboxLost():
                sandbox.remark(f"it was lost: {event.reason}; what ran in it is gone", [seq])
            case LocalCheckpointFailed():
                sandbox.lacks(f"the state in which it came to rest could not be kept: {event.reason}", seq)
            case LocalSandboxStarted():
                sandbox.recorded += 1
                self._had_files |= "files" in event.facts  # it was filled from the record, be it with nothing
                if (unknown := packages_unknown(event.facts)) is not None:
                    sandbox.remark(f"which packages its image has is not known: {unknown}", [seq])
                if sandbox.recorded > 1:
                    sandbox.remark("another one was begun or taken over", [seq])

    # --- the session ---

    def _begin(self, event: LocalSessionCreated, seq: int) -> None:
        self._sandbox = str(event.sandbox.get("kind") or "")
        if event.imported is not None:
            source = event.imported.get("format")
            for name in ("files", "network"):
                self._aspects[name].lacks(f"the session comes from {source}, which does not keep it", seq)
            for gap in event.imported.get("gaps") or ():
                self._aspects["model"].lacks(str(gap), seq)
            self._aspects["model"].remark("what the model was told beside the messages is not in the transcript", [seq])
        elif self._sandbox == "none":
            self._aspects["network"].lacks("the sandbox was no sandbox: what it asked of the network was not seen", seq)

    def _fork(self, seq: int) -> None:
        """What the parent had under way is nobody's here; its calls are still to be made."""
        for name, left in (("model", self._requests), ("network", self._connections)):
            if left:
                self._aspects[name].remark("left to the session that this one was forked from", [*left.values(), seq])
            left.clear()

    def _find_marks(self, record: Record) -> None:
        text = _as_text(encode(record.event))
        names = _MARK.findall(text) if "[redacted:" in text else []
        for name in dict.fromkeys(names):
            secrets = self._aspects["secrets"]
            secrets.recorded += names.count(name)
            secrets.remark(f"{name} was taken out wherever it stood", [record.seq], names.count(name))

    def _leave(self, *, under_way: bool) -> None:
        if under_way:
            for name, left in (("model", self._requests), ("calls", self._calls), ("network", self._connections)):
                if left:
                    self._aspects[name].remark("still under way", left.values(), len(left))
        else:
            self._kill_requests()
            self._cut_connections()
            self._leave_calls()
        started = self._aspects["sandbox"].recorded
        if started and not self._had_files and self._sandbox != "imported":
            self._aspects["files"].lacks("the record does not say what files there were, nor what became of them", 1)

    def _leave_calls(self) -> None:
        for call_id, seq in self._calls.items():
            if call_id in self._waiting:
                self._aspects["calls"].remark("the call waits for somebody's word", [seq])
            else:
                self._aspects["calls"].lacks("the call has no result: the session was stopped before it", seq)


def _is_kept_elsewhere(event: SpanModelRequestEnd) -> bool:
    """Say whether the answer is with the lines of the transcript that it came from."""
    return "line" in (event.extra.get("local") or {})


def _note(gaps: list[Gap], reason: str, seqs: list[int], count: int) -> None:
    found = next((gap for gap in gaps if gap.reason == reason), None)
    if found is None:
        gaps.append(found := Gap(reason))
    found.events += [seq for seq in seqs if seq not in found.events[-1:]]
    found.count += count


def _few(names: list[str], most: int = 3) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
