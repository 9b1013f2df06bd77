"""Content of other programs as blocks of ours, and their counts of tokens as the API's."""

from agentctl.canonical import JsonObject, exact_json
from agentctl.events.content import text_block

TOKENS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_PARTS = ("cache_creation", "server_tool_use")
_WORDS = ("speed", "inference_geo")
_MOST = 1 << 60
_LIFETIMES = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")


def blocks_of(content: object) -> list[JsonObject]:
    """Return content as blocks: a text becomes one, what is no block becomes the text of its JSON."""
    if isinstance(content, str):
        return [text_block(content)] if content else []
    if not isinstance(content, list):
        return [] if content is None else [text_block(exact_json(content))]
    return [_block(each) for each in content]


def counted(usage: JsonObject) -> JsonObject:
    """Return the token counts of a request; what is no count is 0. How long a cache lives is part of its price."""
    counts: JsonObject = {name: _count(usage.get(name)) for name in TOKENS}
    if isinstance(usage.get("cache_creation"), dict):
        counts["cache_creation"] = {name: _count(usage["cache_creation"].get(name)) for name in _LIFETIMES}
    return counts


def is_countable(usage: object) -> bool:
    """Say whether a message's ``usage`` is what the API writes, as far as anything is computed from it."""
    if not isinstance(usage, dict):
        return usage is None
    parts = [usage.get(name) for name in _PARTS]
    rounds = usage.get("iterations")
    return (
        all(_is_count(usage.get(name)) for name in TOKENS)
        and all(part is None or (isinstance(part, dict) and all(map(_is_count, part.values()))) for part in parts)
        and all(usage.get(name) is None or isinstance(usage[name], str) for name in _WORDS)
        and (rounds is None or (isinstance(rounds, list) and all(isinstance(each, dict) for each in rounds)))
        and all(is_countable({**each, "iterations": None}) for each in rounds or ())
    )


def _block(value: object) -> JsonObject:
    if isinstance(value, dict):
        is_text = value.get("type") == "text" and isinstance(value.get("text"), str)
        is_file = value.get("type") in ("image", "document") and isinstance(value.get("source"), dict)
        return value if is_text or is_file else text_block(exact_json(value))
    return text_block(value if isinstance(value, str) else exact_json(value))


def _count(value: object) -> int:
    return value if isinstance(value, int) and _is_count(value) else 0


def _is_count(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST)
