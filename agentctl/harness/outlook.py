"""What the harness looks at before each request to the model: limits, money, and whether it goes in circles."""

from dataclasses import dataclass, replace
from datetime import datetime

from agentctl.catalog import lookup
from agentctl.events.base import Event
from agentctl.events.local import LocalLimitsChanged
from agentctl.ids import moment
from agentctl.model.request import RequestHeader
from agentctl.policy.budget import Limits, NextRequest, Reached, affordable_max_tokens, before_request
from agentctl.policy.prompt import Prompt
from agentctl.policy.stuck import Stuck, Thresholds, Watch
from agentctl.session.state import SessionState
from agentctl.session.usage import Usage


@dataclass(frozen=True, slots=True)
class Outlook:
    """A fold over the log, beside the session's state.

    ``model`` is who answers, and is paid. Without ``thresholds`` nobody looks for circles.
    """

    header: RequestHeader
    model: str
    limits: Limits = Limits()
    thresholds: Thresholds | None = Thresholds()
    prompt: Prompt = Prompt()
    watch: Watch = Watch()
    usage: Usage = Usage()

    def after(self, event: Event) -> "Outlook":
        """Return the outlook after one more event."""
        limits = Limits.from_json(event.limits) if isinstance(event, LocalLimitsChanged) else self.limits
        return replace(
            self,
            limits=limits,
            prompt=self.prompt.after(event),
            watch=self.watch.after(event),
            usage=self.usage.after(event),
        )

    def reached(self, state: SessionState, now: datetime) -> Reached | None:
        """Return the limit that keeps the next request from being made, if one does."""
        usage = self._usage(now)
        began = usage.running_since if state.running_since is None else state.running_since
        elapsed = 0.0 if began is None else max(0.0, (now - moment(began)).total_seconds())
        return before_request(self.limits, usage, state.requests, elapsed, self._next_request(now))

    def stuck(self) -> Stuck | None:
        """Say whether the agent goes in circles."""
        return None if self.thresholds is None else self.watch.verdict(self.thresholds)

    def max_tokens(self, now: datetime) -> int:
        """Return how long the next answer may be: what the head says, or what the limits still allow."""
        return affordable_max_tokens(self.limits, self._usage(now), self._next_request(now))

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
        )
