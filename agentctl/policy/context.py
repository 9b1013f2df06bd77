"""When the conversation has to be summarised, because the model's context window fills up.

Two things call for it: the next request nears the window, or the API has said that the window is
full. A summary that could not be had is asked for again only after more and more answers, so that
a model or an account that cannot give one is not asked with every request.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from agentctl.catalog import lookup
from agentctl.events.agent import AgentThreadContextCompacted
from agentctl.events.base import Event
from agentctl.events.local import (
    LocalCompactionFailed,
    LocalContextFull,
    LocalInputProcessed,
    LocalModelResponse,
)
from agentctl.session.changing import changed

_ANSWERS_AFTER_FAILURE = 8
_MOST_DOUBLINGS = 16


@dataclass(frozen=True, slots=True)
class ContextRules:
    """``local.context`` of an agent: whether to summarise, from which share of the window on, and how large that is.

    ``window`` is in tokens and goes before what is known of the model.
    """

    compact: bool = True
    compact_at: float = 0.8
    window: int | None = None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "ContextRules":
        """Read ``local.context`` of an agent's snapshot."""
        return cls(**{each.name: body[each.name] for each in fields(cls) if body.get(each.name) is not None})


@dataclass(frozen=True)
class Context:
    """A fold over the log.

    ``answers`` counts those since the conversation began or was last summarised, ``since_failure``
    those since a summary could not be had, ``failures`` how often in a row that was. ``full`` says
    that the window was full and no answer came since, ``tried`` that a summary was asked for since.
    """

    answers: int = 0
    since_failure: int = 0
    failures: int = 0
    full: bool = False
    tried: bool = False

    def after(self, event: Event) -> "Context":
        """Return the value after one more event; events that change nothing return the value itself."""
        match event:
            case LocalModelResponse():
                return changed(self, answers=self.answers + 1, since_failure=self.since_failure + 1, full=False)
            case LocalContextFull():
                return changed(self, full=True, tried=False)
            case LocalCompactionFailed():
                return changed(self, failures=self.failures + 1, since_failure=0, tried=True)
            case AgentThreadContextCompacted():
                return Context(full=self.full, tried=True)
            case LocalInputProcessed():
                return changed(self, full=False)
            case _:
                return self

    def wants_summary(self, rules: ContextRules, tokens: int, window: int | None) -> bool:
        """Say whether the conversation is to be summarised before a request of ``tokens`` is made.

        ``window`` is how many tokens the model holds, None where that is not known.
        """
        if not rules.compact or not self.answers:
            return False
        if self.full and not self.tried:
            return True
        return window is not None and tokens >= rules.compact_at * window and self._is_due()

    def can_be_shortened(self, rules: ContextRules, answers: int = 0) -> bool:
        """Say whether a summary may help now that the window is full: once, until there is an answer.

        ``answers`` are those that have come and are not in the log yet.
        """
        return rules.compact and bool(self.answers + answers) and not self.full

    def _is_due(self) -> bool:
        if not self.failures:
            return True
        return self.since_failure >= _ANSWERS_AFTER_FAILURE << min(self.failures - 1, _MOST_DOUBLINGS)


def window_of(model: str, written: int | None) -> int | None:
    """Return how many tokens a model holds: what is ``written``, or what is known; None where nothing is."""
    facts = lookup(model)
    return written or (facts.context_window if facts else None)
