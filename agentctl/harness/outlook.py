"""What the harness looks at before each request to the model: limits, money, and whether it goes in circles."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from agentctl.catalog import lookup
from agentctl.events.base import Event
from agentctl.events.local import LocalForked, LocalLimitsChanged
from agentctl.ids import moment
from agentctl.model.request import RequestHeader
from agentctl.policy.budget import Limits, NextRequest, Reached, affordable_max_tokens, before_request
from agentctl.policy.context import Context, ContextRules, window_of
from agentctl.policy.prompt import Prompt
from agentctl.policy.stuck import Stuck, Thresholds, Watch
from agentctl.session.changing import changed
from agentctl.session.state import SessionState
from agentctl.session.usage import Usage


@dataclass(frozen=True)
class Outlook:
    """A fold over the log, beside the session's state.

    ``model`` is who answers, and is paid. Without ``thresholds`` nobody looks for circles.
    ``rules`` say when the conversation is summarised.
    """

    header: RequestHeader
    model: str
    limits: Limits = Limits()
    thresholds: Thresholds | None = Thresholds()
    rules: ContextRules = ContextRules()
    context: Context = Context()
    prompt: Prompt = Prompt()
    watch: Watch = Watch()
    usage: Usage = Usage()

    def after(self, event: Event) -> "Outlook":
        """Return the outlook after one more event."""
        limits = self.limits
        if isinstance(event, LocalLimitsChanged | LocalForked) and event.limits is not None:
            limits = Limits.from_json(event.limits)
        context, prompt = self.context.after(event), self.prompt.after(event)
        watch, usage = self.watch.after(event), self.usage.after(event)
        return changed(self, limits=limits, context=context, prompt=prompt, watch=watch, usage=usage)

    def reached(self, state: SessionState, now: datetime) -> Reached | None:
        """Return the limit that keeps the next request from being made, if one does."""
        usage = self._usage(now)
        began = usage.running_since if state.running_since is None else state.running_since
        elapsed = 0.0 if began is None else max(0.0, (now - moment(began)).total_seconds())
        return before_request(self.limits, usage, state.requests, elapsed, self._next_request(now))

    def stuck(self) -> Stuck | None:
        """Say whether the agent goes in circles."""
        return None if self.thresholds is None else self.watch.verdict(self.thresholds)

    def wants_summary(self, state: SessionState) -> bool:
        """Say whether the conversation is to be summarised before it goes on."""
        if state.pauses:
            return False  # the last answer is only the beginning of one, which the API does not summarise
        tokens = self.prompt.tokens + self.prompt.queued
        return self.context.wants_summary(self.rules, tokens, window_of(self.header.model, self.rules.window))

    def can_be_shortened(self, answers: int = 0) -> bool:
        """Say whether a summary may help, the window being full; ``answers`` came that are not in the log yet."""
        return self.context.can_be_shortened(self.rules, answers)

    def max_tokens(self, now: datetime) -> int:
        """Return how long the next answer may be: what the head says, or what the limits still allow."""
        return affordable_max_tokens(self.limits, self._usage(now), self._next_request(now))

    def reserved(self, max_tokens: int, now: datetime) -> Decimal | None:
        """Return what the next request costs at most, in US dollars, with an answer of ``max_tokens``."""
        return self._next_request(now).cost(max_tokens)

    def takes_system_messages(self) -> bool:
        """Say whether the model takes a word of the operator in the middle of the conversation."""
        facts = lookup(self.header.model)
        return facts is not None and facts.system_messages

    def _usage(self, now: datetime) -> Usage:
        return self.usage.until(now.isoformat())

    def _next_request(self, now: datetime) -> NextRequest:
        header = self.header
        cached = min(self.prompt.cached_tokens(now), self.prompt.tokens)
        return NextRequest(
            self.model,
            header.max_tokens,
            new_tokens=self.prompt.tokens - cached,
            cached_tokens=cached,
            thinking_tokens=int((header.thinking or {}).get("budget_tokens", 0)),
            speed=header.speed,
            inference_geo=header.inference_geo,
            prices=self.usage.prices,
        )
