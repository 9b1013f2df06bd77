"""Which messages in a transcript of Codex CLI a person said: the program speaks to the model in the user's name, too.

Newer versions say of what kind each part of a message is; others tell apart, for their display, what a person
said. Where a transcript does neither, what begins as the program's own messages do is the program's.
"""

from collections.abc import Sequence

from agentctl.canonical import JsonObject
from agentctl.exchange.lines import NumberedLine

_SCAFFOLDING = (
    "<environment_context>",
    "<user_instructions>",
    "<permissions instructions>",
    "# agents.md instructions",
    "<agent_message_board_notification>",
    "<skill>",
    "<user_shell_command>",
    "<turn_aborted>",
    "<subagent_notification>",
    "<recommended_plugins>",
)


class People:
    """Knows what people said in a transcript."""

    def __init__(self, lines: Sequence[NumberedLine]) -> None:
        told = {text for _, body in lines if (text := _told(body.get("payload")))}
        texts = {text for _, body in lines for text in _texts(body.get("payload"))}
        # A transcript whose texts were taken out has no text in common with itself.
        self._told = told if told & texts else set()

    def said(self, message: JsonObject) -> bool:
        """Say whether a message with the role of the user is from a person."""
        match message.get("internal_chat_message_metadata_passthrough"):
            case {"content_item_kinds": [_, *_] as kinds}:
                return any(str(kind).startswith("user.") for kind in kinds)
        texts = _texts(message)
        if self._told:
            return any(text in self._told for text in texts)
        return not any(text.lower().startswith(_SCAFFOLDING) for text in texts[:1])


def _told(payload: object) -> str:
    """Return what the display shows as said by a person."""
    match payload:
        case {"type": "user_message", "message": str(text)}:
            return text.strip()
        case {"type": "item_completed", "item": {"type": "UserMessage", "content": list(parts)}}:
            return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict)).strip()
    return ""


def _texts(payload: object) -> list[str]:
    """Return the texts of a message with the role of the user."""
    match payload:
        case {"type": "message", "role": "user", "content": str(text)}:
            return [text.strip()]
        case {"type": "message", "role": "user", "content": list(parts)}:
            return [str(part["text"]).strip() for part in parts if isinstance(part, dict) and "text" in part]
    return []
