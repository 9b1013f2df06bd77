"""What the model sees: a fold over the log into the messages of the next request.

It only ever grows at its end, so each request repeats the former one and adds to it: the prompt
cache hits, and thinking blocks, which the API binds to everything before them, stay valid. The one
exception is a summary made by the API: it takes the place of all messages that it stands for.

Held true by construction, and tested one by one:

* an answer stands as it was received, except that empty text is left out, which the API refuses;
* all results of an answer's calls stand in one user message right behind it, in the calls' order;
* a refused answer is not repeated, nor one without content;
* a message of a person stands where it was taken up, not where it was sent;
* a message of the system stands behind a message of the user, with nothing but an answer after it;
* a summary stands first, as it was received, and alone in its message; what the operator said to
  the system before it is said again, because a summary is no order;
* a fork with another model, system prompt or tools repeats no thinking, which the API would refuse;
* what is not the model's own has its keys in canonical order, so that a session that is taken up
  from its record sends the very bytes that it sent before.
"""

from collections.abc import Sequence

from agentctl.canonical import JsonObject, sorted_keys
from agentctl.events.agent import AgentThreadContextCompacted, AgentToolResult
from agentctl.events.base import Event
from agentctl.events.content import message_of, text_block
from agentctl.events.local import (
    LocalCompactionResponse,
    LocalForked,
    LocalInputProcessed,
    LocalModelResponse,
    LocalNudged,
    LocalStuckWarned,
)
from agentctl.events.user import SystemMessage, UserCustomToolResult, UserMessage

NO_OUTPUT = "(no output)"


class Transcript:
    """The conversation with the model so far."""

    def __init__(self) -> None:
        self._messages: list[JsonObject] = []
        self._queued: dict[str, tuple[str, list[JsonObject]]] = {}
        self._calls: list[tuple[str, str]] = []
        self._results: dict[str, JsonObject] = {}
        # What the harness has to say stands last in the request that follows, behind what people said
        # meanwhile: nothing but an answer may follow a message of the system.
        self._last_words: list[JsonObject] = []
        self._orders: list[JsonObject] = []
        self._summary: list[JsonObject] = []

    def add(self, event: Event) -> None:
        """Take one more event into account."""
        match event:
            case UserMessage() | SystemMessage():
                role = "system" if isinstance(event, SystemMessage) else "user"
                self._queued[event.id] = (role, event.content)
                if event.processed_at is not None:
                    self._take_up(event.id)
            case LocalInputProcessed():
                for event_id in event.event_ids:
                    self._take_up(event_id)
            case LocalModelResponse():
                self._add_answer(event)
            case LocalStuckWarned():
                self._last_words.append({"role": event.role, "content": [sorted_keys(text_block(event.advice))]})
            case LocalNudged():
                self._say("user", [text_block(event.text)])
            case LocalForked() if event.request is not None:
                self._forget_thinking()
            case LocalCompactionResponse():
                self._summary = message_of(event.raw).get("content", [])
            case AgentThreadContextCompacted():
                self._begin_anew()
            case AgentToolResult():
                self._results[event.tool_use_id] = _tool_result(event.content, is_error=event.is_error)
            case UserCustomToolResult():
                self._results[event.custom_tool_use_id] = _tool_result(event.content, is_error=event.is_error)
            case _:
                pass

    def messages(self) -> Sequence[JsonObject]:
        """Return the messages of the next request, to be copied by whoever keeps them: they grow with the next event.

        To be asked only when every call has its result; raises ValueError otherwise, because the
        API refuses a conversation with an unanswered call for ever.
        """
        settled, words = self.settled(), self._closing_words()
        return [*settled, *words] if words else settled

    def settled(self) -> Sequence[JsonObject]:
        """Return what a summary is made of: the messages, without what is to be said behind the last one.

        To be asked as ``messages`` is.
        """
        self._flush_results()
        if self._calls:
            raise ValueError("a tool call has no result yet")
        return self._messages

    def _forget_thinking(self) -> None:
        """Leave out what the model thought: it is bound to the model, the system prompt and the tools that were."""
        for message in self._messages:
            if message["role"] == "assistant":
                message["content"] = [block for block in message["content"] if "thinking" not in block["type"]]
        self._messages = [message for message in self._messages if message["content"]]

    def _take_up(self, event_id: str) -> None:
        role, given = self._queued.pop(event_id, ("user", []))
        content = [sorted_keys(block) for block in given if not _is_empty_text(block)]
        if content and role == "system":
            self._orders.append({"role": role, "content": content})
            self._last_words.append(self._orders[-1])
        elif content:
            self._say(role, content)

    def _say(self, role: str, content: list[JsonObject]) -> None:
        self._flush_results()
        self._messages.append({"role": role, "content": [sorted_keys(block) for block in content]})

    def _closing_words(self) -> list[JsonObject]:
        """Return the last words that can be said now: those of the system only behind a message of the user."""
        behind_user = bool(self._messages) and self._messages[-1]["role"] == "user"
        return [word for word in self._last_words if behind_user or word["role"] != "system"]

    def _begin_anew(self) -> None:
        self._flush_results()
        if self._summary:
            self._messages = [{"role": "assistant", "content": self._summary}]
            self._last_words = [*self._orders, *(word for word in self._last_words if word not in self._orders)]

    def _add_answer(self, event: LocalModelResponse) -> None:
        self._flush_results()
        message = message_of(event.raw)
        content = [block for block in message.get("content", []) if not _is_empty_text(block)]
        if message.get("stop_reason") == "refusal" or not content:
            return
        said = self._closing_words()
        self._last_words = [word for word in self._last_words if word not in said]
        self._messages += [*said, {"role": "assistant", "content": content}]
        self._calls = [(call["id"], call["event_id"]) for call in event.tool_uses]

    def _flush_results(self) -> None:
        if self._calls and all(event_id in self._results for _, event_id in self._calls):
            blocks = [
                {"type": "tool_result", "tool_use_id": call_id, **self._results.pop(event_id)}
                for call_id, event_id in self._calls
            ]
            self._messages.append({"role": "user", "content": blocks})
            self._calls = []


def _tool_result(content: Sequence[JsonObject] | None, *, is_error: bool | None) -> JsonObject:
    blocks = [sorted_keys(block) for block in content or () if not _is_empty_text(block)]
    blocks = blocks or [sorted_keys(text_block(NO_OUTPUT))]
    return {"content": blocks, "is_error": True} if is_error else {"content": blocks}


def _is_empty_text(block: JsonObject) -> bool:
    return block.get("type") == "text" and not str(block.get("text") or "").strip()
