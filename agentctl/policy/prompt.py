"""How long the next request to the model will be: a fold over a session's log.

The API counts what it was sent and what it answered, so only what came since has to be estimated,
and in the first request everything. The estimate is on the high side: what is reckoned with it is
money, and room that must not run out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agentctl.events.agent import AgentThreadContextCompacted, AgentToolResult
from agentctl.events.base import Event
from agentctl.events.local import LocalCompactionResponse, LocalForked, LocalInputProcessed, LocalSessionCreated
from agentctl.events.span import SpanModelRequestEnd, SpanModelRequestStart
from agentctl.events.user import SystemMessage, UserCustomToolResult, UserMessage
from agentctl.ids import time_of
from agentctl.session.changing import changed

_BYTES_PER_TOKEN = 3  # four in English prose, fewer in code and in most other languages
_IMAGE_TOKENS = 4_784  # the most that an image can take
_PDF_CHARACTERS_PER_TOKEN = 40  # of base64: the pages, which are what costs, cannot be counted here
_TOKENS_AROUND = 2

_CACHE_SECONDS = 270.0
"""The API keeps a prompt for five minutes after it was asked; this leaves time for asking."""

_SHORTEST_CACHED = 4_096
"""Every model keeps prompts of this many tokens; some keep shorter ones."""

_PROMPT_COUNTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


@dataclass(frozen=True)
class Prompt:
    """The next request, in tokens.

    ``head`` are the system prompt and the tools, estimated. ``asked`` and ``answered`` are what the
    last request and its answer came to, as the API counted them; ``asked_at`` says when that was.
    ``added`` is what came since, and ``queued`` what people sent that was not taken up yet.
    ``summarising`` says that the answer under way is a summary, and ``summary`` how long the last was.
    """

    head: int = 0
    asked: int = 0
    answered: int = 0
    added: int = 0
    queued: int = 0
    started_at: str | None = None
    asked_at: str | None = None
    summarising: bool = False
    summary: int = 0

    def after(self, event: Event) -> "Prompt":
        """Return the prompt after one more event."""
        match event:
            case LocalSessionCreated():
                head = _head_of(event.request)
                return changed(self, head=head, added=head)
            case LocalForked() if event.request is not None:
                return self._after_other_head(_head_of(event.request))
            case UserMessage() | SystemMessage():
                return self._after_message(event)
            case LocalInputProcessed():
                return changed(self, added=self.added + self.queued, queued=0)
            case AgentToolResult() | UserCustomToolResult():
                return changed(self, added=self.added + estimated_tokens(event.content))
            case SpanModelRequestStart():
                return changed(self, started_at=event.processed_at)
            case SpanModelRequestEnd():
                return self._after_answer(event.model_usage)
            case LocalCompactionResponse():
                return changed(self, summarising=True)
            case AgentThreadContextCompacted():
                return changed(self, asked=self.head + self.summary, answered=0, added=0, asked_at=None)
            case _:
                return self

    @property
    def tokens(self) -> int:
        """How many tokens the model would have to read now."""
        return self.asked + self.answered + self.added

    def cached_tokens(self, now: datetime) -> int:
        """How many of them the API is sure to have kept from the last request, if it is asked ``now``."""
        asked_at = time_of(self.asked_at)
        if asked_at is None or self.asked < _SHORTEST_CACHED:
            return 0
        return self.asked if (now - asked_at).total_seconds() < _CACHE_SECONDS else 0

    def _after_other_head(self, head: int) -> "Prompt":
        """Go on with another head, which no cache has."""
        return changed(self, head=head, added=self.added + max(0, head - self.head), asked_at=None)

    def _after_message(self, event: UserMessage | SystemMessage) -> "Prompt":
        tokens = estimated_tokens(event.content)
        if event.processed_at is None:
            return changed(self, queued=self.queued + tokens)
        return changed(self, added=self.added + tokens)

    def _after_answer(self, usage: Mapping[str, Any]) -> "Prompt":
        asked = sum(int(usage.get(name) or 0) for name in _PROMPT_COUNTS)
        if not asked:
            return changed(self, summarising=False)  # the request failed
        answered = int(usage.get("output_tokens") or 0)
        if self.summarising:
            return changed(self, summarising=False, summary=answered)
        return changed(self, asked=asked, answered=answered, added=0, asked_at=self.started_at)


def _head_of(request: Mapping[str, Any]) -> int:
    return estimated_tokens([request.get("system"), request.get("tools")])


def estimated_tokens(value: object) -> int:
    """Estimate how many tokens a piece of a request takes: text, content blocks, definitions of tools."""
    match value:
        case {"type": "image"}:
            return _IMAGE_TOKENS
        case {"type": "document", "source": {"type": "base64", "data": str(data)}}:
            return len(data) // _PDF_CHARACTERS_PER_TOKEN
        case dict():
            return _TOKENS_AROUND + sum(estimated_tokens(key) + estimated_tokens(part) for key, part in value.items())
        case list():
            return _TOKENS_AROUND + sum(map(estimated_tokens, value))
        case str():
            return -(-len(value.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN)
        case None:
            return 0
        case _:
            return 1
