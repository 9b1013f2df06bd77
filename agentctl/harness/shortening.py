"""A summary of the conversation, as events: what came of asking for one, and what follows where there is none."""

from agentctl.canonical import JsonObject
from agentctl.errors import ModelError
from agentctl.events.agent import AgentThreadContextCompacted
from agentctl.events.base import Event
from agentctl.events.local import LocalCompactionFailed, LocalCompactionResponse
from agentctl.events.make import Maker
from agentctl.events.session import SessionError
from agentctl.harness.answers import request_ended
from agentctl.model.base import ModelResponse
from agentctl.session.usage import total_usage

FULL_HINT = "start a new session, or let tools give less at a time"

_REFUSALS = frozenset({"invalid_request_error", "not_found_error", "prompt_too_long", "request_too_large"})
"""What a model or an account answers that gives no summaries, and a conversation that cannot have one."""


def summary_events(response: ModelResponse, request_id: str, make: Maker, *, is_full: bool) -> list[Event]:
    """Turn the answer to a request for a summary into the events that record it.

    ``is_full``: the session cannot go on without one.
    """
    message = response.message
    events: list[Event] = [
        make(
            LocalCompactionResponse,
            model_request_start_id=request_id,
            model=str(message.get("model", "")),
            raw=response.raw,
            request_id=response.request_id,
        ),
        request_ended(total_usage(message), request_id, make),
    ]
    if _has_summary(message):
        return [*events, make(AgentThreadContextCompacted)]
    line = f"the model gave no summary of the conversation ({message.get('stop_reason')})"
    return [*events, *_none(line, make, is_full=is_full)]


def refusal_events(error: ModelError, make: Maker, *, is_full: bool) -> list[Event] | None:
    """Return what a failed request for a summary comes to; None where it failed as any other request can."""
    if error.kind not in _REFUSALS:
        return None
    return _none(f"the conversation could not be summarised: {error.message}", make, is_full=is_full)


def context_full(message: str) -> JsonObject:
    """Write a conversation that fits the model no longer as the ``error`` of a ``session.error``."""
    return {
        "type": "compaction_limit_reached_error",
        "message": message,
        "retry_status": {"type": "exhausted"},
        "local": {"type": "model_error", "kind": "context_full", "exit_code": 6, "hint": FULL_HINT},
    }


def _none(line: str, make: Maker, *, is_full: bool) -> list[Event]:
    failed = make(LocalCompactionFailed, line=line)
    return [failed, make(SessionError, error=context_full(line))] if is_full else [failed]


def _has_summary(message: JsonObject) -> bool:
    blocks: list[JsonObject] = message.get("content") or []
    return (
        message.get("stop_reason") == "compaction"
        and len(blocks) == 1
        and blocks[0].get("type") == "compaction"
        and bool(blocks[0].get("content"))
    )
