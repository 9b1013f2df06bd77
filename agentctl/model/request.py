"""What a session asks its model: a fixed head, made once, and the conversation so far.

The head is kept with the session and sent unchanged for as long as it lives, also by a later
version of agentctl: the prompt cache hits only on equal bytes, and thinking blocks are bound to the
system prompt and the tools before them. What is volatile (dates, directories) has no place in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentctl.canonical import JsonObject, sorted_keys
from agentctl.catalog import ALL_EFFORTS, Effort, ModelFacts, lookup
from agentctl.errors import UsageError
from agentctl.model.base import ModelRequest

_MAX_TOKENS = 32_000
_MAX_TOKENS_AT_HIGH_EFFORT = 64_000  # thinking counts towards them: less cuts answers short
_THINKING_BUDGET = 10_000
_COMPACTION_BETA = "compact-2026-09-04"
_CONTEXT_BETA = "context-management-2025-06-27"


@dataclass(frozen=True, slots=True)
class RequestHeader:
    """What every request of a session repeats, with the keys of every object in canonical order.

    ``tools`` are definitions as the Messages API takes them. ``thinking``, ``effort``, ``speed``
    and ``inference_geo`` are left out of the request when None, and so is ``context_management``:
    what the API leaves out of old messages by itself. ``betas`` are the beta features that the
    request needs.
    """

    model: str
    max_tokens: int
    system: str | None
    tools: Sequence[JsonObject]
    effort: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    thinking: JsonObject | None = None
    betas: tuple[str, ...] = ()
    context_management: JsonObject | None = None

    def as_json(self) -> JsonObject:
        """Write the head as JSON, to be kept with the session."""
        return {
            "model": self.model,
            "max_tokens": self.max_tokens,
            "system": self.system,
            "tools": list(self.tools),
            "effort": self.effort,
            "speed": self.speed,
            "inference_geo": self.inference_geo,
            "thinking": self.thinking,
            "betas": list(self.betas),
            "context_management": self.context_management,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "RequestHeader":
        """Read what ``as_json`` wrote."""
        body = sorted_keys(dict(body))
        return cls(**{**body, "tools": tuple(body["tools"]), "betas": tuple(body["betas"])})


def header_for(
    model: str,
    *,
    system: str | None,
    tools: Sequence[JsonObject],
    effort: str | None = None,
    speed: str | None = None,
    inference_geo: str | None = None,
    context_management: JsonObject | None = None,
) -> RequestHeader:
    """Make the head of a session's requests for a model, known or not.

    Raises UsageError for an effort or a speed that the model does not offer, naming what it does.
    """
    facts = lookup(model)
    max_tokens = _max_tokens(facts, effort)
    _check_effort(model, facts, effort)
    fast = _check_speed(model, facts, speed)
    return RequestHeader(
        model=model,
        max_tokens=max_tokens,
        system=system,
        tools=tuple(map(sorted_keys, tools)),
        effort=effort,
        speed="fast" if fast else None,
        inference_geo=inference_geo,
        thinking=sorted_keys(_thinking(facts)),
        betas=(
            *((facts.fast_beta,) if fast and facts and facts.fast_beta else ()),
            *((_CONTEXT_BETA,) if context_management else ()),
        ),
        context_management=sorted_keys(context_management),
    )


def clearing(keep: int, at_tokens: int | None) -> JsonObject:
    """Ask the API to leave old results of tools out of what the model reads, all but the last ``keep``.

    It begins to at prompts of ``at_tokens``, or where it does by itself. Each time it costs the prompt
    cache from there on, so it is not done for less than a tenth of that.
    """
    edit: JsonObject = {"type": "clear_tool_uses_20250919", "keep": {"type": "tool_uses", "value": keep}}
    if at_tokens is not None:
        edit["trigger"] = {"type": "input_tokens", "value": at_tokens}
        edit["clear_at_least"] = {"type": "input_tokens", "value": max(1, at_tokens // 10)}
    return {"edits": [edit]}


def build_request(header: RequestHeader, messages: Sequence[JsonObject]) -> ModelRequest:
    """Put a session's head and its conversation together: equal arguments, equal bytes."""
    request = _request(header, messages)
    if header.context_management is not None:
        request.body["context_management"] = header.context_management
    return request


def build_compaction(header: RequestHeader, messages: Sequence[JsonObject]) -> ModelRequest:
    """Ask for a summary of the conversation in place of an answer. What shapes an answer only is left out."""
    request = _request(header, messages)
    request.body["compaction"] = {"type": "summarize"}
    betas = tuple(beta for beta in header.betas if beta != _CONTEXT_BETA)
    return ModelRequest(request.body, (*betas, _COMPACTION_BETA))


def _request(header: RequestHeader, messages: Sequence[JsonObject]) -> ModelRequest:
    body: JsonObject = {"model": header.model, "max_tokens": header.max_tokens}
    if header.system and not header.system.isspace():
        body["system"] = header.system
    if header.tools:
        body["tools"] = list(header.tools)
    body["messages"] = list(messages)
    if header.thinking is not None:
        body["thinking"] = header.thinking
    if header.effort is not None:
        body["output_config"] = {"effort": header.effort}
    # One mark at the top: the API moves it to the last block by itself.
    body["cache_control"] = {"type": "ephemeral"}
    if header.speed is not None:
        body["speed"] = header.speed
    if header.inference_geo is not None:
        body["inference_geo"] = header.inference_geo
    return ModelRequest(body, (*header.betas, _COMPACTION_BETA) if _begins_with_summary(messages) else header.betas)


def _begins_with_summary(messages: Sequence[JsonObject]) -> bool:
    content = messages[0]["content"] if messages else ()
    return any(isinstance(block, dict) and block.get("type") == "compaction" for block in content)


def _max_tokens(facts: ModelFacts | None, effort: str | None) -> int:
    wanted = _MAX_TOKENS_AT_HIGH_EFFORT if effort in ("xhigh", "max") else _MAX_TOKENS
    return wanted if facts is None else min(wanted, facts.max_output_tokens)


def _check_effort(model: str, facts: ModelFacts | None, effort: str | None) -> None:
    offered: tuple[Effort, ...] = ALL_EFFORTS if facts is None else facts.efforts
    if effort is None or effort in offered:
        return
    hint = f"it offers: {', '.join(offered)}" if offered else "leave effort out for this model"
    raise UsageError(f"model {model} does not offer effort {effort!r}", hint=hint)


def _check_speed(model: str, facts: ModelFacts | None, speed: str | None) -> bool:
    """Return whether fast mode is asked for; standard speed is what leaving it out means."""
    if speed not in (None, "standard", "fast"):
        raise UsageError(f"unknown speed {speed!r}", hint="standard or fast")
    if speed == "fast" and facts is not None and not facts.fast:
        raise UsageError(f"model {model} has no fast mode", hint="leave speed out")
    return speed == "fast"


def _thinking(facts: ModelFacts | None) -> JsonObject:
    """Ask for thinking that a person can follow; left alone, current models show none of it."""
    if facts is not None and facts.thinking == "enabled":
        return {"type": "enabled", "budget_tokens": _THINKING_BUDGET, "display": "summarized"}
    return {"type": "adaptive", "display": "summarized"}
