"""The moments of a session that somebody looks for: errors, approvals, changes of files, jumps of the cost."""

from decimal import Decimal
from enum import IntFlag

from agentctl.events.agent import AgentToolResult, AgentToolUse
from agentctl.events.base import Event
from agentctl.events.local import (
    LocalCheckpointFailed,
    LocalCompactionFailed,
    LocalFilesChanged,
    LocalInterrupted,
    LocalLimitReached,
    LocalModelResponse,
    LocalSandboxLost,
    LocalStuck,
    LocalStuckWarned,
    LocalToolFacts,
)
from agentctl.events.session import SessionError, SessionStatusIdle
from agentctl.events.span import SpanModelRequestEnd
from agentctl.events.user import UserCustomToolResult, UserToolConfirmation
from agentctl.render.calls import failed

_JUMP = 2
"""An answer that costs this many times what those before it cost on average is a jump."""

_TROUBLE = (
    SessionError,
    LocalCheckpointFailed,
    LocalCompactionFailed,
    LocalInterrupted,
    LocalLimitReached,
    LocalSandboxLost,
    LocalStuck,
    LocalStuckWarned,
)


class Kind(IntFlag):
    """What an event can be looked for as; it can be several things."""

    ERROR = 1
    APPROVAL = 2
    FILES = 4
    COST = 8

    @property
    def noun(self) -> str:
        """Its name as a person reads it."""
        return _NOUNS.get(self, "moment of any kind")


_NOUNS = {
    Kind.ERROR: "error",
    Kind.APPROVAL: "approval",
    Kind.FILES: "file change",
    Kind.COST: "cost jump",
}

NONE = Kind(0)
ANY = Kind.ERROR | Kind.APPROVAL | Kind.FILES | Kind.COST


class Moments:
    """A fold over a log that says of each event what it can be looked for as."""

    def __init__(self) -> None:
        self._failed: str | None = None
        self._cost: Decimal | None = Decimal(0)
        self._answers = 0
        self._spent = Decimal(0)

    def after(self, event: Event, cost: Decimal | None) -> Kind:
        """Take one more event; ``cost`` is what the session had cost after it, in US dollars."""
        match event:
            case AgentToolResult() | UserCustomToolResult():
                return self._of_result(event)
            case LocalToolFacts():
                # One call that fails is one error, whether its result says so or what is known beside it.
                is_told = self._failed == event.tool_use_id
                return Kind.ERROR if failed(event.facts, is_error=False) and not is_told else NONE
            case LocalModelResponse():
                return self._of_answer(cost)
            case AgentToolUse(evaluated_permission="ask") | UserToolConfirmation():
                return Kind.APPROVAL
            case SessionStatusIdle() if event.stop_reason.get("type") == "requires_action":
                return Kind.APPROVAL
            case LocalFilesChanged():
                return Kind.FILES
            case SpanModelRequestEnd() if event.is_error:
                return Kind.ERROR
            case _:
                return Kind.ERROR if isinstance(event, _TROUBLE) else NONE

    def _of_result(self, event: AgentToolResult | UserCustomToolResult) -> Kind:
        is_error = bool(event.is_error)
        name = event.tool_use_id if isinstance(event, AgentToolResult) else event.custom_tool_use_id
        self._failed = name if is_error else None
        return Kind.ERROR if is_error else NONE

    def _of_answer(self, cost: Decimal | None) -> Kind:
        if cost is None or self._cost is None:
            self._cost = cost
            return NONE
        price, self._cost = cost - self._cost, cost
        is_jump = bool(self._spent) and price * self._answers >= _JUMP * self._spent
        self._answers, self._spent = self._answers + 1, self._spent + price
        return Kind.COST if is_jump else NONE
