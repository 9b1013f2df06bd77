"""Content blocks: JSON objects of the API, kept as they are, and what is read out of them."""

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache

from agentctl.canonical import JsonObject


@lru_cache(maxsize=1)
def message_of(raw: str) -> JsonObject:
    """Read a message of the model; nobody may change what is returned. Raises ValueError.

    Each fold over a session reads every message, one fold after another, and gets the one that was read.
    """
    message: JsonObject = json.loads(raw)
    return message


def text_block(text: str) -> JsonObject:
    """Make a text block."""
    return {"type": "text", "text": text}


def text_of(content: Iterable[JsonObject]) -> str:
    """Join the text of the text blocks, with a line break between blocks."""
    return "\n".join(block["text"] for block in content if block.get("type") == "text" and block.get("text"))


def describe(content: Sequence[JsonObject]) -> str:
    """Give the text of blocks, with a mark such as ``[image image/png]`` for each that is not text."""
    return "\n".join(filter(None, map(_describe_block, content)))


def _describe_block(block: JsonObject) -> str:
    kind = block.get("type")
    if kind == "text":
        return str(block.get("text", ""))
    source = block.get("source")
    media_type = source.get("media_type", "") if isinstance(source, dict) else ""
    return f"[{kind} {media_type}]".replace(" ]", "]")
