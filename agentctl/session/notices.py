"""What the harness tells the model of a new sandbox, before the first result of it: no result of a call itself."""

from collections.abc import Sequence

from agentctl.canonical import JsonObject

LOST = "Your sandbox was lost and replaced by a new one."
RESTED = "Your sandbox ended when the conversation came to rest; this is a new one."
FORKED = "This conversation was forked from another one here, and goes on in a new sandbox."

NOTICES = tuple(f"[{why}" for why in (LOST, RESTED, FORKED))
"""What the text begins with that is put before the first result of a new sandbox."""


def without_notice(content: Sequence[JsonObject]) -> Sequence[JsonObject]:
    """Return the blocks of a result without what the harness said of a new sandbox."""
    first = str(content[0].get("text", "")) if content else ""
    return content[1:] if first.startswith(NOTICES) else content
