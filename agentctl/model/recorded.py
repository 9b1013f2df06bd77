"""A model that answers as it did before: the answers of a record, each once, in their order.

It never asks anybody: there is no client in it, so nothing that it does can cost money. What it is
asked may differ from what was asked then (that is how a moved sandbox shows), so the answer does not
depend on the request; only its kind has to fit.
"""

import json
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agentctl.canonical import JsonObject
from agentctl.errors import ModelError
from agentctl.events.content import message_of
from agentctl.model.base import ModelRequest, ModelResponse, Preview, ShowPreview

ENDED = "recording_ended"
"""The kind of the ModelError that says that there is nothing more to answer with."""

_WORDS = re.compile(r"\s*\S+\s*")


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """A message as it was received: its JSON text, and the server's name for the request."""

    raw: str
    request_id: str | None = None

    @property
    def message(self) -> JsonObject:
        """The message, decoded; nobody may change it."""
        return message_of(self.raw)

    @property
    def is_summary(self) -> bool:
        """Whether it stands for a conversation, and answers a request for a summary only."""
        return any(block.get("type") == "compaction" for block in self.message.get("content") or ())


class RecordedModel:
    """Gives recorded answers, one for each request."""

    def __init__(self, answers: Sequence[RecordedAnswer]) -> None:
        self._answers = tuple(answers)
        self._given = 0
        self._is_cancelled = threading.Event()

    @property
    def left(self) -> int:
        """How many answers nobody has asked for."""
        return len(self._answers) - self._given

    def respond(self, request: ModelRequest, show: ShowPreview) -> ModelResponse:
        """Give the next answer.

        Raises ModelError of the kind ``recording_ended`` where there is none, or where the record has
        a summary and an answer is asked for, or the other way round.
        """
        self._is_cancelled.clear()
        if not self.left:
            raise self._ended(f"the record holds {len(self._answers)} answers, and one more is asked for")
        answer = self._answers[self._given]
        if answer.is_summary != ("compaction" in request.body):
            wanted = "a summary" if not answer.is_summary else "an answer"
            raise self._ended(
                f"{wanted} is asked for where the record has {'a summary' if answer.is_summary else 'an answer'}"
            )
        self._given += 1
        message = answer.message
        for piece in _previews(message):
            if self._is_cancelled.is_set():
                raise ModelError("the answer was cancelled", kind="stream_cut_error")
            show(piece)
        return ModelResponse(answer.raw, message, answer.request_id)

    def cancel(self) -> None:
        """End the answer that is being given before its next piece."""
        self._is_cancelled.set()

    def close(self) -> None:
        """Nothing is held."""

    def _ended(self, why: str) -> ModelError:
        return ModelError(why, kind=ENDED, hint="`agentctl diff` shows where the two sessions part", unbilled=True)


def _previews(message: JsonObject) -> Iterator[Preview]:
    for index, block in enumerate(message.get("content") or ()):
        match block:
            case {"type": "text" | "thinking" as kind}:
                for piece in _WORDS.findall(str(block.get(kind) or "")):
                    yield Preview(kind, index, piece)
            case {"type": "tool_use", "name": name, "input": arguments}:
                yield Preview("tool_input", index, json.dumps(arguments), str(name))
