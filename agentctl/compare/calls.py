"""The calls of a session, one after another: what was asked, what was seen, what it did.

Calls that the model asked for in one answer are a *turn*: they ran side by side, so their order says
nothing. A record without the model's answers, such as one that was brought in from elsewhere, has a
new turn where a call follows a result.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from agentctl.canonical import JsonObject, sha256_hex
from agentctl.compare.places import is_derived
from agentctl.events.agent import AgentCustomToolUse, AgentToolResult, AgentToolUse
from agentctl.events.base import Event
from agentctl.events.local import LocalFilesChanged, LocalModelResponse, LocalToolFacts
from agentctl.events.span import SpanModelRequestStart
from agentctl.events.user import UserCustomToolResult, UserMessage, UserToolConfirmation
from agentctl.session.log import Record
from agentctl.session.notices import without_notice

Effect: TypeAlias = tuple[str, str, str, object, object]


@dataclass(frozen=True, slots=True)
class Observation:
    """What came of a call: what the model was shown, the facts beside it, and what it did to the files.

    ``content`` are the blocks of the result, ``facts`` those of ``local.tool_facts``, ``changes`` those of
    ``local.files_changed``. ``at`` is when the result came (RFC 3339); ``seq`` and ``changes_seq`` are the
    numbers of the events that say so, None where there are none.
    """

    content: Sequence[JsonObject]
    is_error: bool = False
    facts: JsonObject = field(default_factory=dict)
    changes: Sequence[JsonObject] = ()
    at: str | None = None
    seq: int | None = None
    changes_seq: int | None = None

    @property
    def text(self) -> str:
        """All of it as text; a block that is not text is named by its content."""
        return "\n".join(map(_block_text, self.content))

    @property
    def exit_code(self) -> int | None:
        """The exit code of a command; None for what is none."""
        code = self.facts.get("exit_code")
        return code if isinstance(code, int) else None

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        seconds = self.facts.get("duration_seconds")
        return float(seconds) if isinstance(seconds, int | float) else None

    @property
    def failed(self) -> bool:
        """Whether the call did not do what it was asked to."""
        return self.is_error or bool(self.facts.get("timed_out")) or self.exit_code not in (None, 0)

    @property
    def effects(self) -> frozenset[Effect]:
        """What became of each path, without times, and without what programs write anew each time (bytecode)."""
        return frozenset(map(_effect, (body for body in self.changes if not is_derived(str(body.get("path"))))))


@dataclass(frozen=True, slots=True)
class Call:
    """A call that the model asked for.

    ``seq`` is the number of its event, ``turn`` counts the answers from 1. ``permission`` is the
    policy's word and ``answer`` a person's (allow, deny). ``observation`` is None where no result came.
    """

    seq: int
    id: str
    thread: str
    turn: int
    name: str
    input: JsonObject
    permission: str | None = None
    answer: str | None = None
    answer_seq: int | None = None
    observation: Observation | None = None


class Calls:
    """A fold over a log into its calls."""

    def __init__(self) -> None:
        self._asked: list[tuple[int, AgentToolUse | AgentCustomToolUse, int]] = []
        self._results: dict[str, tuple[int, AgentToolResult | UserCustomToolResult]] = {}
        self._facts: dict[str, JsonObject] = {}
        self._changes: dict[str, tuple[int, list[JsonObject]]] = {}
        self._answers: dict[str, tuple[int, str]] = {}
        self._turn = 0
        self._is_open = False

    def add(self, seq: int, event: Event) -> None:
        """Take one more event, by its number."""
        match event:
            case AgentToolUse() | AgentCustomToolUse():
                self._turn += 0 if self._is_open else 1
                self._is_open = True
                self._asked.append((seq, event, self._turn))
            case AgentToolResult():
                self._is_open = False
                self._results.setdefault(event.tool_use_id, (seq, event))
            case UserCustomToolResult():
                self._is_open = False
                self._results.setdefault(event.custom_tool_use_id, (seq, event))
            case LocalToolFacts():
                self._facts[event.tool_use_id] = event.facts
            case LocalFilesChanged() if event.tool_use_id is not None:
                self._changes[event.tool_use_id] = (seq, event.changes)
            case UserToolConfirmation():
                self._answers[event.tool_use_id] = (seq, event.result)
            case LocalModelResponse() | SpanModelRequestStart() | UserMessage():
                self._is_open = False
            case _:
                pass

    def calls(self) -> tuple[Call, ...]:
        """Return the calls in the order of their events."""
        return tuple(self._call(seq, event, turn) for seq, event, turn in self._asked)

    def _call(self, seq: int, event: AgentToolUse | AgentCustomToolUse, turn: int) -> Call:
        answer_seq, answer = self._answers.get(event.id, (None, None))
        return Call(
            seq,
            event.id,
            event.session_thread_id or "",
            turn,
            event.name,
            event.input,
            event.evaluated_permission if isinstance(event, AgentToolUse) else None,
            answer,
            answer_seq,
            self._observation(event.id),
        )

    def _observation(self, call_id: str) -> Observation | None:
        if call_id not in self._results:
            return None
        seq, result = self._results[call_id]
        changes_seq, changes = self._changes.get(call_id, (None, ()))
        return Observation(
            without_notice(result.content or ()),
            bool(result.is_error),
            self._facts.get(call_id, {}),
            changes,
            result.processed_at,
            seq,
            changes_seq,
        )


def calls_of(records: Iterable[Record]) -> tuple[Call, ...]:
    """Return the calls of a log in the order of their events."""
    calls = Calls()
    for record in records:
        calls.add(record.seq, record.event)
    return calls.calls()


def _block_text(block: JsonObject) -> str:
    if block.get("type") == "text":
        return str(block.get("text", ""))
    source = block.get("source")
    source = source if isinstance(source, dict) else {}
    data = source.get("data")
    digest = f" sha256:{sha256_hex(data)}" if isinstance(data, str) else ""
    return f"[{block.get('type')} {source.get('media_type', '')}{digest}]"


def _effect(body: JsonObject) -> Effect:
    after = body.get("sha256") or body.get("target")
    return str(body.get("path")), str(body.get("change")), str(body.get("kind")), body.get("mode"), after
