"""Which limit is reached, and what the next request may still cost.

Asked before each request to the model, so that a limit is met before money is spent and not after.
The most that the next request can come to is held back, and where that would be too much, the answer
is kept shorter: a cost limit is used up nearly to its end and passed, if at all, by what one prompt
costs more than it was estimated to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from agentctl.canonical import JsonObject
from agentctl.catalog import Prices, list_cost
from agentctl.errors import UsageError
from agentctl.session.usage import Usage

LimitName: TypeAlias = Literal["max_cost", "max_turns", "max_tool_calls", "max_output_tokens", "timeout", "max_active"]

_SHORTEST_ANSWER = 4_096
"""Tokens below which an answer is likely to be cut off, thinking included: not worth asking for."""

_SHARE_TO_USE = 4
"""A limit that is smaller than a few answers is used all the same, until a quarter of it is left."""

_MILLION = 1_000_000
_HOSTED_DOLLARS_PER_HOUR = Decimal("0.08")


@dataclass(frozen=True, slots=True)
class Limits:
    """When a session stops by itself; None is no limit.

    ``max_turns`` counts requests since a person last spoke, and ``timeout_seconds`` holds for one
    run; all others hold for the whole session. ``max_cost`` is in US dollars.
    """

    max_cost: Decimal | None = None
    max_turns: int | None = None
    timeout_seconds: float | None = None
    max_active_seconds: float | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "Limits":
        """Read what ``as_json`` wrote; what a later version wrote beside it is left out."""
        known = {name: body[name] for name in cls.__slots__ if body.get(name) is not None}
        if "max_cost" in known:
            known["max_cost"] = Decimal(str(known["max_cost"]))
        return cls(**known)

    def as_json(self) -> JsonObject:
        """Write the limits that there are, to be kept with the session."""
        body = {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) is not None}
        return body | ({} if self.max_cost is None else {"max_cost": format(self.max_cost, "f")})


@dataclass(frozen=True, slots=True)
class NextRequest:
    """The next request to a model, as far as its cost goes.

    ``new_tokens`` of the prompt are read for the first time, or again because nothing keeps them;
    ``cached_tokens`` are kept from the last request. Of ``max_tokens``, ``thinking_tokens`` are set
    aside for thinking, which the API wants to be the smaller number. ``prices`` are rows that hold
    beside the catalog's.
    """

    model: str
    max_tokens: int
    new_tokens: int
    cached_tokens: int = 0
    thinking_tokens: int = 0
    speed: str | None = None
    inference_geo: str | None = None
    prices: Mapping[str, Prices] | None = None

    def cost(self, output_tokens: int) -> Decimal | None:
        """Return the most US dollars that it costs with such an answer; None for a model without a price."""
        tokens = {
            "cache_creation_input_tokens": self.new_tokens,
            "cache_read_input_tokens": self.cached_tokens,
            "output_tokens": output_tokens,
        }
        return list_cost(self.model, tokens, self.speed, self.inference_geo, self.prices)


@dataclass(frozen=True, slots=True)
class Reached:
    """A limit that is reached: its name, the numbers that met (dollars, seconds or counts), and a line for a person."""

    limit: LimitName
    allowed: float
    used: float
    line: str


def before_request(
    limits: Limits, usage: Usage, turns: int, elapsed_seconds: float, request: NextRequest
) -> Reached | None:
    """Return the limit that keeps ``request`` from being made, if one does.

    ``usage`` is counted up to now; ``turns`` are the requests since a person last spoke;
    ``elapsed_seconds`` have passed since the run began.
    """
    return (
        _cost_reached(limits.max_cost, usage.cost, request)
        or _count_reached("max_turns", limits.max_turns, turns, "requests to the model")
        or _count_reached("max_tool_calls", limits.max_tool_calls, usage.tool_calls, "calls of tools")
        or _output_reached(limits.max_output_tokens, usage.output_tokens, request)
        or _time_reached("timeout", limits.timeout_seconds, elapsed_seconds, "the run has taken")
        or _time_reached("max_active", limits.max_active_seconds, usage.active_seconds, "the session has worked for")
    )


def affordable_max_tokens(limits: Limits, usage: Usage, request: NextRequest) -> int:
    """Return the ``max_tokens`` with which ``request`` keeps within the limits whatever the model answers.

    It is at most the request's own, and 0 where ``before_request`` stops the session. To be sent in
    place of the request's own: of all that a request begins with, this number may change without
    harm to the prompt cache and to thinking.
    """
    by_cost = _tokens_by_cost(limits.max_cost, usage.cost, request)
    by_output = _tokens_by_output(limits.max_output_tokens, usage.output_tokens, request)
    return min(by_cost, by_output)


def refuse_unpriced(limits: Limits, request: NextRequest, price_list: str) -> None:
    """Raise UsageError where a cost limit could not hold because the model has no price.

    ``price_list`` names the file that a person may write one into.
    """
    if limits.max_cost is not None and request.cost(0) is None:
        fast = f" at speed {request.speed}" if request.speed else ""
        raise UsageError(
            f"model {request.model} has no known price{fast}, so max_cost cannot hold for it",
            hint=f"write its prices into {price_list}, or leave max_cost out: other limits hold for every model",
        )


def hosted_cost(usage: Usage) -> Decimal | None:
    """Return what the same session would cost on the hosted service, in US dollars.

    That is the list cost of tokens and searches, and the published rate for the time it was at
    work, to a millionth. None where a model without a price was used.
    """
    if usage.cost is None:
        return None
    hours = Decimal(round(usage.active_seconds * 1000)) / 3_600_000
    return (usage.cost + hours * _HOSTED_DOLLARS_PER_HOUR).quantize(Decimal("0.000001"))


# --- money ---


def _tokens_by_cost(most: Decimal | None, spent: Decimal | None, request: NextRequest) -> int:
    """Return how long an answer may be, 0 for too short."""
    if most is None:
        return request.max_tokens
    prompt, long_answer = request.cost(0), request.cost(_MILLION)
    if spent is None or prompt is None or long_answer is None:
        return 0
    price = (long_answer - prompt) / _MILLION
    if not price:
        return request.max_tokens
    return _if_long_enough(int(max(most - spent - prompt, Decimal(0)) / price), int(most / price), request)


def _cost_reached(most: Decimal | None, spent: Decimal | None, request: NextRequest) -> Reached | None:
    if most is None or _tokens_by_cost(most, spent, request):
        return None
    if spent is None:
        line = "what the session has cost is not known, because a model without a price answered"
        return Reached("max_cost", float(most), float(most), line)
    line = f"{spent:.4f} of {most:f} US dollars are spent, which leaves too little for another request"
    return Reached("max_cost", float(most), float(spent), line)


# --- tokens ---


def _tokens_by_output(most: int | None, written: int, request: NextRequest) -> int:
    return request.max_tokens if most is None else _if_long_enough(max(most - written, 0), most, request)


def _output_reached(most: int | None, written: int, request: NextRequest) -> Reached | None:
    if most is None or _tokens_by_output(most, written, request):
        return None
    line = f"{written:,} of {most:,} output tokens are used, which leaves too few for another answer"
    return Reached("max_output_tokens", most, written, line)


def _if_long_enough(left: int, whole: int, request: NextRequest) -> int:
    """Return how long an answer may be where ``left`` of ``whole`` tokens are left, 0 for too short."""
    shortest = request.thinking_tokens + max(1, min(_SHORTEST_ANSWER, whole // _SHARE_TO_USE))
    return min(left, request.max_tokens) if left >= min(shortest, request.max_tokens) else 0


# --- counts and times ---


def _count_reached(limit: LimitName, most: int | None, used: int, what: str) -> Reached | None:
    if most is None or used < most:
        return None
    return Reached(limit, most, used, f"{used:,} of {most:,} {what} are made")


def _time_reached(limit: LimitName, most: float | None, used: float, what: str) -> Reached | None:
    if most is None or used < most:
        return None
    return Reached(limit, most, round(used, 3), f"{what} {used:,.0f} of {most:,.0f} seconds")
