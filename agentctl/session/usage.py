"""What a session has used: a fold over its log into tokens, requests, calls, time and money.

Before a request is sent, its start says what it can cost at most. The answer settles that. A request
that ended without one, because the process was killed or the stream was cut, counts with all that was
held back for it, for nobody can tell what the API asks for it; one that the API refused, or that
never reached it, costs nothing, which its end says. A fork counts from the fork.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from agentctl.canonical import JsonObject
from agentctl.catalog import Prices, list_cost, lookup, one_name
from agentctl.events.agent import AgentCustomToolUse, AgentToolResult, AgentToolUse
from agentctl.events.base import Event
from agentctl.events.content import message_of
from agentctl.events.local import (
    LocalCompactionResponse,
    LocalForked,
    LocalInterrupted,
    LocalModelResponse,
    LocalSessionCreated,
)
from agentctl.events.session import SessionStatusIdle, SessionStatusRescheduled, SessionStatusRunning
from agentctl.events.span import SpanModelRequestEnd, SpanModelRequestStart
from agentctl.ids import time_of
from agentctl.session.changing import changed

_CREATIONS = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
_TOKENS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


@dataclass(frozen=True)
class Usage:
    """Sums over a session.

    ``cost`` is in US dollars, None when a model without a price was used. ``unsettled`` is the part of
    it that was held back for requests whose answer never came, ``reserved`` what is held back now.
    ``is_free`` says that the answers come from a record: ``cost`` is what they did cost, and nobody pays it
    again. ``asked`` is the model of the session, ``prices`` are the rows that hold beside the catalog's.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0
    web_search_requests: int = 0
    requests: int = 0
    tool_calls: int = 0
    active_seconds: float = 0.0
    cost: Decimal | None = Decimal(0)
    unsettled: Decimal = Decimal(0)
    reserved: Decimal | None = None
    asked: str = ""
    is_free: bool = False
    prices: Mapping[str, Prices] | None = None
    running_since: str | None = None
    last_word: str | None = None

    def after(self, event: Event) -> "Usage":
        """Return the sums after one more event."""
        match event:
            case LocalModelResponse() | LocalCompactionResponse():
                return self._after_response(message_of(event.raw))
            case AgentToolUse() | AgentCustomToolUse():
                return changed(self, tool_calls=self.tool_calls + 1)
            case SessionStatusRunning():
                # A process that was killed could not say when it stopped: it worked until its last word.
                return changed(self.until(self.last_word), running_since=event.processed_at, last_word=None)
            case SpanModelRequestStart():
                return changed(self, reserved=_reserved(event), last_word=event.processed_at)
            case SpanModelRequestEnd() if event.extra and (model := answering(event)) is not None:
                counted = self._after_response({"model": model, "usage": event.model_usage})
                return changed(counted, last_word=event.processed_at)
            case SpanModelRequestEnd() if self.reserved is not None:
                return changed(self._without_answer(event, self.reserved), last_word=event.processed_at)
            case AgentToolResult() | SpanModelRequestEnd() | LocalInterrupted():
                return changed(self, last_word=event.processed_at)
            case SessionStatusIdle() | SessionStatusRescheduled():
                return changed(self.until(event.processed_at), running_since=None)
            case LocalSessionCreated():
                asked, is_free = str(event.request.get("model") or ""), _is_free(event.rerun_of)
                return changed(self, asked=asked, is_free=is_free, prices=_own_prices(event.prices))
            case LocalForked():
                return self._of_fork(event)
            case _:
                return self

    def until(self, time: str | None) -> "Usage":
        """Count the running time up to ``time`` (RFC 3339) in."""
        start, end = time_of(self.running_since), time_of(time)
        if start is None or end is None:
            return self
        seconds = (end - start).total_seconds()
        return changed(self, active_seconds=self.active_seconds + max(0.0, seconds), running_since=time)

    def snapshot(self) -> JsonObject:
        """Write the sums as the API's usage snapshot; ``list_cost`` is in whole US cents, rounded half up."""
        body: JsonObject = {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cache_read_input_tokens": self.cache_read_input_tokens,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.ephemeral_5m_input_tokens,
                "ephemeral_1h_input_tokens": self.ephemeral_1h_input_tokens,
            },
            "server_tool_use": {"web_search_requests": self.web_search_requests, "web_fetch_requests": 0},
            "active_seconds": round(self.active_seconds, 3),
        }
        if self.spent is not None:
            cents = (self.spent * 100).quantize(Decimal(1), ROUND_HALF_UP)
            body["list_cost"] = {"amount": str(cents), "currency": "USD"}
        return body

    def local(self) -> JsonObject:
        """Write what the API's snapshot has no place for: counts, and the cost in US dollars, exactly."""
        cost = None if self.spent is None else format(self.spent.normalize(), "f")
        body: JsonObject = {"requests": self.requests, "tool_calls": self.tool_calls, "cost": cost}
        return body | ({"unsettled": format(self.unsettled.normalize(), "f")} if self.unsettled else {})

    def _of_fork(self, event: LocalForked) -> "Usage":
        """Begin anew: what the parent has used is the parent's."""
        asked = self.asked if event.request is None else str(event.request.get("model") or "")
        prices = self.prices if event.prices is None else _own_prices(event.prices)
        return Usage(asked=asked, is_free=_is_free(event.rerun_of), prices=prices)

    @property
    def spent(self) -> Decimal | None:
        """What was paid, in US dollars; None where nobody knows."""
        return Decimal(0) if self.is_free else self.cost

    def _without_answer(self, event: SpanModelRequestEnd, kept: Decimal) -> "Usage":
        """Count what was held back as spent, unless the request's end says that there is nothing to pay."""
        if not event.is_error or (event.extra.get("local") or {}).get("unbilled"):
            return changed(self, reserved=None)
        cost = None if self.cost is None else self.cost + kept
        return changed(self, reserved=None, cost=cost, unsettled=self.unsettled + kept)

    def _after_response(self, message: JsonObject) -> "Usage":
        usage = total_usage(message)
        creation = usage.get("cache_creation") or {}
        server = usage.get("server_tool_use") or {}
        price = self._cost_of(message)
        five_minutes = int(creation.get("ephemeral_5m_input_tokens") or 0)
        one_hour = int(creation.get("ephemeral_1h_input_tokens") or 0)
        tokens = {name: getattr(self, name) + int(usage.get(name) or 0) for name in _TOKENS}
        return changed(
            self,
            input_tokens=tokens["input_tokens"],
            output_tokens=tokens["output_tokens"],
            cache_read_input_tokens=tokens["cache_read_input_tokens"],
            cache_creation_input_tokens=tokens["cache_creation_input_tokens"],
            ephemeral_5m_input_tokens=self.ephemeral_5m_input_tokens + five_minutes,
            ephemeral_1h_input_tokens=self.ephemeral_1h_input_tokens + one_hour,
            web_search_requests=self.web_search_requests + int(server.get("web_search_requests") or 0),
            requests=self.requests + 1,
            reserved=None,
            cost=None if self.cost is None or price is None else self.cost + price,
        )

    def _cost_of(self, message: JsonObject) -> Decimal | None:
        """Return what a message cost; each summary is a request of its own, which matters where long ones cost more."""
        model, usage = str(message.get("model", "")), message.get("usage") or {}
        # A gateway may give its models other names in answers than in requests: the session's own row is meant.
        if self.prices and one_name(model) not in self.prices and lookup(model) is None:
            model = self.asked
        speed, region = usage.get("speed"), usage.get("inference_geo")
        costs = [list_cost(model, part, speed, region, self.prices) for part in (usage, *_summaries(usage))]
        known = [cost for cost in costs if cost is not None]
        return sum(known, Decimal(0)) if len(known) == len(costs) else None


def total_usage(message: JsonObject) -> JsonObject:
    """Return the ``usage`` of a message with the summaries counted in that the API made for it.

    The API itself counts those apart, under ``iterations``.
    """
    usage: JsonObject = message.get("usage") or {}
    summaries = _summaries(usage)
    if not summaries:
        return usage
    parts = [usage, *summaries]
    counts = {name: sum(int(part.get(name) or 0) for part in parts) for name in _TOKENS}
    creations = [part.get("cache_creation") or {} for part in parts]
    creation = {name: sum(int(each.get(name) or 0) for each in creations) for name in _CREATIONS}
    return {**usage, **counts, "cache_creation": creation}


def _is_free(rerun_of: JsonObject | None) -> bool:
    return rerun_of is not None and rerun_of.get("live") != "model"


def answering(event: SpanModelRequestEnd) -> str | None:
    """Return the model of a request whose message is not in the record, as of one that was imported."""
    model = (event.extra.get("local") or {}).get("model")
    return model if isinstance(model, str) and not event.is_error else None


def _own_prices(rows: JsonObject | None) -> dict[str, Prices] | None:
    return {model: Prices.from_json(row) for model, row in (rows or {}).items()} or None


def _reserved(event: SpanModelRequestStart) -> Decimal | None:
    reserved = (event.extra.get("local") or {}).get("reserved")
    return None if reserved is None else Decimal(reserved)


def _summaries(usage: JsonObject) -> list[JsonObject]:
    return [part for part in usage.get("iterations") or () if part.get("type") == "compaction"]
