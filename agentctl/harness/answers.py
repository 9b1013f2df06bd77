"""An answer of the model, as events: what it said, what it wants, and whether it can be taken at all."""

import json
from collections.abc import Iterator
from typing import TypeAlias

from agentctl.canonical import JsonObject
from agentctl.events.agent import (
    AgentCustomToolUse,
    AgentMessage,
    AgentThinking,
    AgentToolResult,
    AgentToolUse,
)
from agentctl.events.base import Event
from agentctl.events.content import text_block
from agentctl.events.local import LocalContextFull, LocalLimitReached, LocalModelResponse, LocalNudged
from agentctl.events.make import Maker
from agentctl.events.session import SessionError
from agentctl.events.span import SpanModelRequestEnd
from agentctl.model.base import ModelResponse
from agentctl.session.state import SessionState
from agentctl.tools.toolset import Toolset, Verdict

Call: TypeAlias = tuple[JsonObject, Event, Verdict]

_MOST_PAUSES = 10
_MOST_CUTS = 3
_MOST_EMPTY = 1

_FULL = "the conversation has filled the model's context window"
_CONTINUE = "Continue from where you left off."
_PLEASE_CONTINUE = "Please continue."

_CUT = (
    "The call was not run: your answer reached its limit of length before it was whole. "
    "Make smaller calls, for example by writing a long file in parts."
)
_NOT_RUN = "The call was not run: the answer ended with {reason}, not with tool_use."


def answer_events(
    response: ModelResponse,
    request_id: str,
    state: SessionState,
    toolset: Toolset,
    make: Maker,
    *,
    shortened_to: int | None = None,
    can_be_shortened: bool = False,
) -> list[Event]:
    """Turn a whole answer into the events that record it, in the order of the API.

    A call that cannot be run has its error result among them. An answer that cannot be gone on
    from ends with a ``session.error``. ``shortened_to`` is how long a limit of the session let the
    answer be; one that was cut there met that limit. ``can_be_shortened`` says that a summary may
    help where the conversation has filled the context window.
    """
    message = response.message
    reason = message.get("stop_reason")
    calls = [] if reason == "refusal" else [_call(block, toolset, make) for block in _tool_uses(message)]
    events: list[Event] = [_verbatim(response, request_id, calls, make)]
    events += _public(message, calls, make) if reason != "refusal" else ()
    events.append(request_ended(message.get("usage") or {}, request_id, make))
    events += _refusals(calls, reason, make)
    if reason == "max_tokens" and shortened_to is not None:
        events.append(_limited(shortened_to, make))
        return events
    if reason == "model_context_window_exceeded" and can_be_shortened:
        events.append(make(LocalContextFull, line=_FULL))
        return [*events, *_nudges(reason, _CONTINUE, calls, make)]
    if nudge := _nudge(reason, message, state, has_calls=bool(calls)):
        return [*events, *_nudges(reason, nudge, calls, make)]
    trouble = _trouble(reason, state, has_calls=bool(calls))
    if trouble:
        events.append(make(SessionError, error=_error(trouble)))
    return events


def _nudge(reason: object, message: JsonObject, state: SessionState, *, has_calls: bool) -> str | None:
    """Return what the model is told that stopped short, None where there is nothing to tell it."""
    if reason == "max_tokens" and not has_calls and state.cut + 1 < _MOST_CUTS:
        return _CONTINUE
    if reason == "end_turn" and _says_nothing(message) and state.nudges < _MOST_EMPTY:
        return _PLEASE_CONTINUE
    return None


def _nudges(reason: object, text: str, calls: list[Call], make: Maker) -> list[Event]:
    """Make the word that a stopped answer needs; error results of its calls are word enough."""
    return [] if calls else [make(LocalNudged, reason=str(reason), text=text)]


def _says_nothing(message: JsonObject) -> bool:
    kinds = ("thinking", "redacted_thinking")
    blocks = [block for block in message.get("content", ()) if block.get("type") not in kinds]
    return all(block.get("type") == "text" and not str(block.get("text") or "").strip() for block in blocks)


def _tool_uses(message: JsonObject) -> Iterator[JsonObject]:
    return (block for block in message.get("content", ()) if block.get("type") == "tool_use")


def _call(block: JsonObject, toolset: Toolset, make: Maker) -> Call:
    arguments = block.get("input")
    arguments = arguments if isinstance(arguments, dict) else {"INVALID_JSON": json.dumps(arguments)}
    verdict = toolset.judge(str(block.get("name")), arguments)
    if verdict.custom:
        return block, make(AgentCustomToolUse, name=block["name"], input=arguments), verdict
    event = make(
        AgentToolUse,
        name=str(block.get("name")),
        input=arguments,
        evaluated_permission=verdict.permission,
        evaluation=verdict.evaluation,
    )
    return block, event, verdict


def _verbatim(response: ModelResponse, request_id: str, calls: list[Call], make: Maker) -> Event:
    return make(
        LocalModelResponse,
        model_request_start_id=request_id,
        model=str(response.message.get("model", "")),
        raw=response.raw,
        tool_uses=[{"id": block.get("id"), "event_id": event.id} for block, event, _ in calls],
        request_id=response.request_id,
    )


def _public(message: JsonObject, calls: list[Call], make: Maker) -> Iterator[Event]:
    """Yield thinking marks, texts and calls in the order of the blocks; texts in a row are one message."""
    waiting = {id(block): event for block, event, _ in calls}
    texts: list[JsonObject] = []
    for block in message.get("content", ()):
        if block.get("type") == "text":
            texts += [text_block(block["text"])] if str(block.get("text") or "").strip() else []
            continue
        if texts:
            yield make(AgentMessage, content=texts)
            texts = []
        if block.get("type") in ("thinking", "redacted_thinking"):
            yield make(AgentThinking)
        elif id(block) in waiting:
            yield waiting[id(block)]
    if texts:
        yield make(AgentMessage, content=texts)


def request_ended(usage: JsonObject, request_id: str, make: Maker) -> Event:
    """Record that a request has ended well, with the tokens that its answer says it took."""
    names = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    counts: JsonObject = {name: int(usage.get(name) or 0) for name in names}
    if usage.get("speed"):
        counts["speed"] = usage["speed"]
    return make(SpanModelRequestEnd, model_request_start_id=request_id, model_usage=counts, is_error=False)


def _refusals(calls: list[Call], reason: object, make: Maker) -> Iterator[Event]:
    for _, event, verdict in calls:
        text = verdict.refusal
        if reason != "tool_use":
            text = _CUT if reason == "max_tokens" else _NOT_RUN.format(reason=reason)
        if text:
            yield make(AgentToolResult, tool_use_id=event.id, content=[text_block(text)], is_error=True)


def _limited(max_tokens: int, make: Maker) -> Event:
    line = f"the answer was cut at {max_tokens} tokens, which is what the limits of the session had left"
    return make(LocalLimitReached, limit="max_tokens", allowed=max_tokens, used=max_tokens, line=line)


def _trouble(reason: object, state: SessionState, *, has_calls: bool) -> str | None:
    match reason:
        case "end_turn" | "stop_sequence" | "tool_use" | "refusal":
            return None
        case "pause_turn":
            return f"the model paused {_MOST_PAUSES} times in a row" if state.pauses + 1 >= _MOST_PAUSES else None
        case "max_tokens":
            if has_calls and state.cut + 1 < _MOST_CUTS:
                return None
            return "the model's answer reached its limit of length (max_tokens) before it was whole"
        case "model_context_window_exceeded":
            return _FULL
        case _:
            return f"the model stopped for a reason that this version does not know: {reason}"


def _error(message: str) -> JsonObject:
    return {
        "type": "model_request_failed_error",
        "message": message,
        "retry_status": {"type": "exhausted"},
        "local": {"type": "model_error", "exit_code": 6},
    }
