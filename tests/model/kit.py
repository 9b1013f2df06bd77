"""Small requests, and what a test does with a model."""

from collections.abc import Sequence
from typing import Any

import pytest

from agentctl.errors import ModelError
from agentctl.model.base import Model, ModelRequest, ModelResponse, Preview
from agentctl.model.request import build_request, header_for

Json = dict[str, Any]

BASH: Json = {
    "name": "bash",
    "description": "Run a command.",
    "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}},
}


def user(text: str) -> Json:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def results(message: Json, text: str = "ok", *, is_error: bool = False) -> Json:
    """Answer every call of a message."""
    return {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": block["id"], "content": text, "is_error": is_error}
            for block in message["content"]
            if block["type"] == "tool_use"
        ],
    }


def request(*messages: Json, model: str = "claude-opus-5-5", **options: Any) -> ModelRequest:
    header = header_for(model, system="You help.", tools=[BASH], **options)
    return build_request(header, messages or [user("go")])


def ask(model: Model, *messages: Json) -> ModelResponse:
    return model.respond(request(*messages), lambda _: None)


def ask_and_watch(model: Model, *messages: Json) -> tuple[ModelResponse, list[Preview]]:
    shown: list[Preview] = []
    return model.respond(request(*messages), shown.append), shown


def failure(model: Model, *messages: Json) -> ModelError:
    """Ask for an answer that must fail."""
    with pytest.raises(ModelError) as caught:
        ask(model, *messages)
    return caught.value


def drive(model: Model, *messages: Json, most: int = 20) -> Sequence[Json]:
    """Ask and answer calls until the model rests; returns the conversation."""
    conversation = list(messages) or [user("go")]
    for _ in range(most):
        message = ask(model, *conversation).message
        conversation.append({"role": "assistant", "content": message["content"]})
        if message["stop_reason"] != "tool_use":
            return conversation
        conversation.append(results(message))
    raise AssertionError("the model does not come to rest")
