"""What the lines of a transcript of Claude Code say together: answers, whose lines they are, what is missing."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from agentctl.canonical import JsonObject
from agentctl.exchange.blocks import is_countable
from agentctl.exchange.lines import NumberedLine
from agentctl.exchange.origin import Origin

_NEEDED: dict[str, dict[str, type]] = {"tool_use": {"id": str, "name": str, "input": dict}, "text": {"text": str}}
_TITLES = {"custom-title": "customTitle", "ai-title": "aiTitle", "summary": "summary"}
_SPOKEN = ("user", "assistant")


class Answer(NamedTuple):
    """An answer of the model, from all its ``lines``: each block once, the usage and the time of the last line."""

    message: JsonObject
    time: str | None
    lines: tuple[int, ...]


def message_of(body: JsonObject) -> JsonObject | None:
    """Return the API's message in a line that somebody said; None for any other line."""
    message = body.get("message")
    return message if body.get("type") in _SPOKEN and isinstance(message, dict) else None


def is_aside(body: JsonObject) -> bool:
    """Say whether a line belongs to a sub-agent's thread."""
    return bool(body.get("isSidechain"))


def is_of_subagent(lines: Sequence[NumberedLine]) -> bool:
    """Say whether the whole transcript is that of a sub-agent, which has a file of its own."""
    spoken = [body for _, body in lines if message_of(body) is not None]
    return bool(spoken) and all(map(is_aside, spoken))


def name_of(lines: Sequence[NumberedLine], file: str) -> str:
    """Name the session: as its file is named, where lines say the same, or else as its last line says.

    A fork holds what it was forked from under the id of that. A sub-agent's lines have the id of whose it is.
    """
    said = [body for _, body in lines if isinstance(body.get("sessionId"), str)]
    names = [str(body["sessionId"]) for body in said]
    stem = file.removesuffix(".jsonl")
    name = stem if stem in names else names[-1]
    if is_of_subagent(lines):
        name = f"{next((str(body['agentId']) for body in said if body.get('agentId')), stem)}-{name}"
    return name


def title_of(lines: Sequence[NumberedLine]) -> str | None:
    """Return the title: a person's before the program's. A summary of another session's lines is not one."""
    uuids = {str(body.get("uuid")) for _, body in lines}
    for kind, member in _TITLES.items():
        found = [
            str(body[member])
            for _, body in lines
            if body.get("type") == kind
            and isinstance(body.get(member), str)
            and (kind != "summary" or str(body.get("leafUuid")) in uuids)
        ]
        if found:
            return found[-1][:500]
    return None


def answers_of(lines: Sequence[NumberedLine], *, aside: bool) -> dict[str, Answer]:
    """Put each answer together, in the conversation or ``aside``, by its key.

    A line that is there twice counts once; so does a block that is.
    """
    found: dict[str, Answer] = {}
    seen: set[str] = set()
    for number, body in lines:
        message = message_of(body)
        if message is None or body.get("type") != "assistant" or is_aside(body) is not aside:
            continue
        name = body["uuid"] if isinstance(body.get("uuid"), str) else None
        if not isinstance(message.get("content"), list) or name in seen:
            continue
        seen |= {name} if name else set()
        key = key_of(body, message)
        former, before = (found[key].message["content"], found[key].lines) if key in found else ([], ())
        new = [block for block in map(sound, message["content"]) if block not in former]
        whole = {**_countable(message), "content": [*former, *new]}
        found[key] = Answer(whole, body.get("timestamp"), (*before, number))
    return found


def sound(block: object) -> JsonObject:
    """Return a block of an answer as one that can be shown."""
    if isinstance(block, dict):
        kind = block.get("type")
        needed = _NEEDED.get(str(kind), {})
        if isinstance(kind, str) and all(isinstance(block.get(name), like) for name, like in needed.items()):
            return block
    return {"type": "unknown", "value": block}


def key_of(body: JsonObject, message: JsonObject) -> str:
    """Name the answer that a line belongs to."""
    return str(message.get("id") or body.get("uuid") or id(body))


def usage_of(message: Mapping[str, object]) -> JsonObject | None:
    """Return what an answer took, if it says so."""
    usage = message.get("usage")
    return usage if isinstance(usage, dict) else None


def _countable(message: JsonObject) -> JsonObject:
    """Return a message whose usage can be added up; one that cannot is kept beside it."""
    if is_countable(message.get("usage")):
        return message
    return {**message, "usage": {}, "usage_as_written": message["usage"]}


def tell_gaps(origin: Origin, lines: Sequence[NumberedLine], answers: Collection[Answer]) -> None:
    """Say what happened in the session, and is in other files or only kept as lines."""
    told = origin.gaps
    count = sum(is_aside(body) for _, body in lines)
    if count and not is_of_subagent(lines):
        told.append(f"what sub-agents said and did is kept as {count:,} lines and counted, and not told as events")
    if agents := set(_agents(lines)):
        whose = "a sub-agent" if len(agents) == 1 else f"{len(agents):,} sub-agents"
        told.append(f"what {whose} did, and what it cost, is in files of its own")
    if early := sum(answer.message.get("stop_reason") is None for answer in answers):
        told.append(
            f"of {len(answers):,} answers {early:,} were noted before they were whole: "
            "they may have taken more output tokens, and cost more, than is said"
        )
    origin.says_less = bool(agents or early)


def _agents(lines: Sequence[NumberedLine]) -> Iterator[str]:
    """Yield the sub-agents whose results the session had, and whose lines it does not hold."""
    inside = {str(body.get("agentId") or "") for _, body in lines if is_aside(body)}
    if "" in inside:  # older versions do not say whose lines they are
        return
    for _, body in lines:
        result = body.get("toolUseResult")
        if isinstance(result, dict) and isinstance(name := result.get("agentId"), str) and name not in inside:
            yield name
