"""What a session came to, as scripts read it: the object ``agentctl.result/1`` and the exit code."""

import signal
from dataclasses import dataclass
from decimal import Decimal

from agentctl.canonical import JsonObject
from agentctl.events.agent import AgentMessage
from agentctl.events.base import Event
from agentctl.events.content import text_of
from agentctl.events.local import LocalForked, LocalInterrupted, LocalOutputs, LocalSessionCreated
from agentctl.events.session import (
    SessionError,
    SessionStatusIdle,
    SessionStatusRescheduled,
    SessionStatusRunning,
    SessionStatusTerminated,
)
from agentctl.session.changing import changed
from agentctl.session.usage import Usage

SCHEMA = "agentctl.result/1"

_EXIT_CODES = {"end_turn": 0, "requires_action": 3, "budget_reached": 4, "retries_exhausted": 6, "refusal": 10}
_UNFINISHED = 70


@dataclass(frozen=True)
class Result:
    """A fold over a session's log. ``text`` is the agent's last message; ``signal`` what stopped the process.

    ``not_restored`` says what a fork does not have of its parent's sandbox, as ``local.forked`` has it.
    """

    session_id: str | None = None
    status: str = "idle"
    stop_reason: JsonObject | None = None
    text: str = ""
    usage: Usage = Usage()
    events: int = 0
    outputs: tuple[str, ...] = ()
    error: JsonObject | None = None
    signal: str | None = None
    updated_at: str | None = None
    not_restored: tuple[JsonObject, ...] = ()

    def after(self, event: Event) -> "Result":
        """Return the result after one more event."""
        usage, updated_at = self.usage.after(event), event.processed_at or self.updated_at
        return changed(self._after(event), usage=usage, events=self.events + 1, updated_at=updated_at)

    @property
    def used(self) -> Usage:
        """What was used up to the last event, also where nothing says that the session came to rest."""
        return self.usage.until(self.updated_at)

    @property
    def exit_code(self) -> int:
        """The exit code of the command that drove the session here (design: exit codes)."""
        if self.signal is not None:
            return 128 + signal.Signals[self.signal].value
        if self.stop_reason is None:
            return _UNFINISHED
        kind = str(self.stop_reason.get("type"))
        if kind == "retries_exhausted" and self.error is not None:
            return int(self.error.get("local", {}).get("exit_code", _EXIT_CODES[kind]))
        return _EXIT_CODES.get(kind, _UNFINISHED)

    def body(self) -> JsonObject:
        """Write the result object; it has the same members however the session ended."""
        usage = self.used
        return {
            "type": "result",
            "schema": SCHEMA,
            "session_id": self.session_id,
            "status": self.status,
            "stop_reason": self.stop_reason,
            "exit_code": self.exit_code,
            "text": self.text,
            "usage": {
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "cache_read_input_tokens": usage.cache_read_input_tokens,
                "cache_creation_input_tokens": usage.cache_creation_input_tokens,
                "requests": usage.requests,
                "tool_calls": usage.tool_calls,
                "active_seconds": round(usage.active_seconds, 3),
            },
            "cost": _money(usage.spent),
            "events": self.events,
            "outputs": list(self.outputs),
            "error": _plain_error(self.error),
            "not_restored": list(self.not_restored),
        }

    def _of_fork(self, event: LocalForked) -> "Result":
        """Begin anew with what was said and made; a fork of a session at rest is at rest."""
        reason = self.stop_reason if self.status == "idle" else None
        return Result(
            event.session_id,
            "idle",
            reason,
            self.text,
            outputs=self.outputs,
            not_restored=tuple(event.not_restored or ()),
        )

    def _after(self, event: Event) -> "Result":
        match event:
            case LocalSessionCreated():
                return changed(self, session_id=event.session_id)
            case LocalForked():
                return self._of_fork(event)
            case SessionStatusRunning():
                return changed(self, status="running", stop_reason=None, error=None, signal=None)
            case SessionStatusRescheduled():
                return changed(self, status="rescheduling")
            case SessionStatusIdle():
                return changed(self, status="idle", stop_reason=event.stop_reason)
            case SessionStatusTerminated():
                return changed(self, status="terminated")
            case SessionError():
                return changed(self, error=event.error)
            case AgentMessage():
                return changed(self, text=text_of(event.content))
            case LocalOutputs():
                return changed(self, outputs=tuple(str(file["path"]) for file in event.files))
            case LocalInterrupted():
                return changed(self, status="interrupted", signal=event.signal)
            case _:
                return self


def failed(error_type: str, message: str, hint: str | None, exit_code: int) -> JsonObject:
    """Write the result object of a command that failed before there was a session."""
    body = Result(error={"type": error_type, "message": message, "local": {"type": error_type, "hint": hint}}).body()
    return body | {"status": None, "exit_code": exit_code}


def _money(cost: Decimal | None) -> JsonObject | None:
    return None if cost is None else {"amount": format(cost.normalize(), "f"), "currency": "USD"}


def _plain_error(error: JsonObject | None) -> JsonObject | None:
    if error is None:
        return None
    local = error.get("local", {})
    return {"type": local.get("type", error.get("type")), "message": error.get("message"), "hint": local.get("hint")}
