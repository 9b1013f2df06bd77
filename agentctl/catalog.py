"""The models of the Claude API: how much they hold, what they take and what they cost.

Figures are those of the pages *models overview*, *pricing*, *thinking*, *effort* and the migration
guides of each model on platform.claude.com, read on 2026-11-20. Prices are list prices in US
dollars per million tokens. Rules behind them, held by the tests: writing to the cache costs 1.25
times the input price for five minutes and twice for an hour; reading from it a tenth, save Opus 5.5
and Sonnet 5.5 (a twentieth) and Fable and Mythos from 5.1 on (a fortieth); Haiku 5.5 has a second
row for requests of more than 100,000 tokens; fast mode doubles the row; ``inference_geo: us`` adds
a tenth; a web search costs a cent.

A model that is not here can be used all the same: it has no price, and is asked as current models
want to be asked. Prices of a person's own stand in for those here, or beside them. This module needs
nothing but the standard library, so that sessions can be read and priced where nothing can run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal, TypeAlias

Effort: TypeAlias = Literal["low", "medium", "high", "xhigh", "max"]

ALL_EFFORTS: tuple[Effort, ...] = ("low", "medium", "high", "xhigh", "max")

_FAST_BETA = "fast-mode-2026-02-01"
_MILLION = Decimal(1_000_000)
_WEB_SEARCH = Decimal("0.01")
_FAST_FACTOR = Decimal(2)
_US_FACTOR = Decimal("1.1")


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars per million tokens."""

    input: Decimal
    output: Decimal
    cache_write_5m: Decimal
    cache_write_1h: Decimal
    cache_read: Decimal

    @classmethod
    def from_json(cls, row: Mapping[str, str]) -> "Prices":
        """Read what ``as_json`` wrote; what a later version wrote beside it is left out."""
        return cls(**{name: Decimal(row[name]) for name in cls.__slots__})

    def as_json(self) -> dict[str, str]:
        """Write the row as text, to be kept with a session."""
        return {name: format(getattr(self, name), "f") for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of one model.

    ``thinking`` is how visible progress is asked for: ``adaptive`` (the model decides how much) or
    ``enabled`` (with a budget of tokens, the models of the 4.5 generation). ``efforts`` is empty
    where the parameter is refused, and then ``default_effort`` is None. ``fast`` says whether fast
    mode exists, ``fast_beta`` which beta header it needs. ``long_prices`` hold for a whole request
    whose prompt, cached tokens included, is longer than ``long_prompt_tokens``.
    """

    id: str
    context_window: int
    max_output_tokens: int
    prices: Prices
    thinking: Literal["adaptive", "enabled"] = "adaptive"
    efforts: tuple[Effort, ...] = ALL_EFFORTS
    default_effort: Effort | None = "high"
    forced_tools: bool = True
    system_messages: bool = True
    fast: bool = False
    fast_beta: str | None = None
    long_prompt_tokens: int | None = None
    long_prices: Prices | None = None


def lookup(model_id: str) -> ModelFacts | None:
    """Return what is known of a model by its id or its undated alias, None when it is not known."""
    return _MODELS.get(one_name(model_id))


def one_name(model_id: str) -> str:
    """Return the id of a model that is named by it or by its undated alias; other names are left as they are."""
    return _ALIASES.get(model_id, model_id)


def list_cost(
    model_id: str,
    usage: Mapping[str, Any],
    speed: str | None = None,
    inference_geo: str | None = None,
    own: Mapping[str, Prices] | None = None,
) -> Decimal | None:
    """Return what one request cost in US dollars, exactly, or None when there is no price for it.

    ``usage`` is the ``usage`` object of the answer. Where it says at which speed and in which
    region the request ran, that counts, and not what was asked for. ``own`` are rows by the name that
    ``one_name`` gives, which hold in place of those here, for prompts of any length. A scripted model
    costs nothing.
    """
    if model_id.startswith("script:"):
        return Decimal(0)
    facts = _priced(model_id, own or {})
    fast = (usage.get("speed") or speed) == "fast"
    if facts is None or (fast and not facts.fast):
        return None
    factor = _FAST_FACTOR if fast else Decimal(1)
    if (usage.get("inference_geo") or inference_geo) == "us":
        factor *= _US_FACTOR
    searches = _count(_part(usage, "server_tool_use"), "web_search_requests")
    return _token_cost(facts, usage) * factor + searches * _WEB_SEARCH


def _priced(model_id: str, own: Mapping[str, Prices]) -> ModelFacts | None:
    """Return what is known of a model, priced by a person's own row where there is one."""
    facts, row = lookup(model_id), own.get(one_name(model_id))
    if row is None:
        return facts
    known = facts or ModelFacts(model_id, 0, 0, row)
    return replace(known, prices=row, long_prices=None)


def _token_cost(facts: ModelFacts, usage: Mapping[str, Any]) -> Decimal:
    uncached, read = _count(usage, "input_tokens"), _count(usage, "cache_read_input_tokens")
    one_hour, five_minutes = _cache_writes(usage)
    prices = _prices_for(facts, uncached + read + one_hour + five_minutes)
    return (
        uncached * prices.input
        + read * prices.cache_read
        + five_minutes * prices.cache_write_5m
        + one_hour * prices.cache_write_1h
        + _count(usage, "output_tokens") * prices.output
    ) / _MILLION


def _cache_writes(usage: Mapping[str, Any]) -> tuple[int, int]:
    """Return the tokens written for an hour and for five minutes (also those not broken down)."""
    breakdown = _part(usage, "cache_creation")
    one_hour = _count(breakdown, "ephemeral_1h_input_tokens")
    five_minutes = _count(breakdown, "ephemeral_5m_input_tokens")
    return one_hour, max(five_minutes, _count(usage, "cache_creation_input_tokens") - one_hour)


def _prices_for(facts: ModelFacts, prompt_tokens: int) -> Prices:
    if facts.long_prices is None or facts.long_prompt_tokens is None:
        return facts.prices
    return facts.long_prices if prompt_tokens > facts.long_prompt_tokens else facts.prices


def _count(usage: Mapping[str, Any], name: str) -> int:
    return int(usage.get(name) or 0)


def _part(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part: Mapping[str, Any] = usage.get(name) or {}
    return part


def _prices(row: str) -> Prices:
    """Read a row of the price list: input, output, write for 5 minutes, for an hour, read."""
    return Prices(*map(Decimal, row.split()))


_FABLE_5_2 = _prices("8 40 10 16 0.20")
_FABLE_5_1 = _prices("10 50 12.50 20 0.25")
_FABLE_5 = _prices("10 50 12.50 20 1.00")
_OPUS = _prices("5 25 6.25 10 0.50")
_SONNET_4 = _prices("3 15 3.75 6 0.30")

_MODELS = {
    facts.id: facts
    for facts in (
        ModelFacts("claude-fable-5-2", 1_000_000, 128_000, _FABLE_5_2, forced_tools=False),
        ModelFacts("claude-mythos-5-2", 1_000_000, 128_000, _FABLE_5_2, forced_tools=False),
        ModelFacts("claude-fable-5-1", 1_000_000, 128_000, _FABLE_5_1, forced_tools=False),
        ModelFacts("claude-mythos-5-1", 1_000_000, 128_000, _FABLE_5_1, forced_tools=False),
        ModelFacts("claude-fable-5", 1_000_000, 128_000, _FABLE_5),
        ModelFacts("claude-mythos-5", 1_000_000, 128_000, _FABLE_5),
        ModelFacts(
            "claude-opus-5-5",
            1_000_000,
            128_000,
            _prices("4 20 5 8 0.20"),
            default_effort="medium",
            forced_tools=False,
            fast=True,
        ),
        ModelFacts("claude-opus-5", 1_000_000, 128_000, _OPUS, fast=True, fast_beta=_FAST_BETA),
        ModelFacts("claude-opus-4-8", 1_000_000, 128_000, _OPUS, fast=True, fast_beta=_FAST_BETA),
        ModelFacts("claude-opus-4-7", 1_000_000, 128_000, _OPUS, system_messages=False),
        ModelFacts(
            "claude-opus-4-6",
            1_000_000,
            128_000,
            _OPUS,
            efforts=("low", "medium", "high", "max"),
            system_messages=False,
        ),
        ModelFacts(
            "claude-opus-4-5-20251101",
            200_000,
            64_000,
            _OPUS,
            thinking="enabled",
            efforts=("low", "medium", "high"),
            system_messages=False,
        ),
        ModelFacts(
            "claude-sonnet-5-5",
            1_000_000,
            128_000,
            _prices("2 10 2.50 4 0.10"),
            forced_tools=False,
        ),
        ModelFacts(
            "claude-sonnet-5",
            1_000_000,
            128_000,
            _prices("2 10 2.50 4 0.20"),
            system_messages=False,
        ),
        ModelFacts(
            "claude-sonnet-4-6",
            1_000_000,
            64_000,  # 64,000 or 128,000: the pages differ
            _SONNET_4,
            efforts=("low", "medium", "high", "max"),
            system_messages=False,
        ),
        ModelFacts(
            "claude-sonnet-4-5-20250929",
            200_000,
            64_000,
            _SONNET_4,
            thinking="enabled",
            efforts=(),
            default_effort=None,
            system_messages=False,
        ),
        ModelFacts(
            "claude-haiku-5-5",
            1_000_000,
            128_000,
            _prices("0.10 0.50 0.125 0.20 0.01"),
            default_effort="medium",
            forced_tools=False,  # not documented; leaving it out is always accepted
            long_prompt_tokens=100_000,
            long_prices=_prices("0.50 2.50 0.625 1.00 0.05"),
        ),
        ModelFacts(
            "claude-haiku-4-5-20251001",
            200_000,
            64_000,
            _prices("1 5 1.25 2 0.10"),
            thinking="enabled",
            efforts=(),
            default_effort=None,
            system_messages=False,
        ),
    )
}

_ALIASES = {
    "claude-opus-4-5": "claude-opus-4-5-20251101",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
}
