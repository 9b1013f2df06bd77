"""Whether an event holds a text that somebody looks for."""

from collections.abc import Iterator
from itertools import accumulate

from agentctl.events.base import Event
from agentctl.events.codec import encode
from agentctl.events.content import message_of
from agentctl.events.local import LocalCompactionResponse, LocalModelResponse

_BEFORE = 12
"""How many characters before what was found are shown: enough to see where it stands, little enough to see it."""


def holds(event: Event, text: str) -> bool:
    """Say whether any value of an event holds ``text``, in capitals or not.

    An answer of the model is looked through where it is told: in the messages and calls that were made of
    it, and in its own event for what only that has, the thoughts.
    """
    wanted = text.casefold()
    return any(wanted in value.casefold() for value in _texts(event))


def excerpt(event: Event, text: str) -> str:
    """Return the line of an event in which ``text`` stands first, from a little before it; empty where it does not."""
    wanted = text.casefold()
    for value in _texts(event):
        place = _place(value, wanted)
        if place >= 0:
            start = max(value.rfind("\n", 0, place) + 1, place - _BEFORE)
            return value[start:].split("\n", 1)[0] if "\n" not in text else value[start:]
    return ""


def _place(value: str, wanted: str) -> int:
    """Return where a text in small letters stands in another one; -1 where it does not."""
    folded = value.casefold()
    place = folded.find(wanted)
    if place < 0 or len(folded) == len(value):
        return place
    ends = accumulate(len(character.casefold()) for character in value)  # of ß two small letters are made
    return next(number for number, end in enumerate(ends) if end > place)


def _texts(event: Event) -> Iterator[str]:
    if isinstance(event, LocalModelResponse | LocalCompactionResponse):
        yield event.model
        for block in message_of(event.raw).get("content") or ():
            yield str(block.get("thinking") or "")
        return
    yield from _values(encode(event))


def _values(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for name, item in value.items():
                if not isinstance(item, str | dict | list):
                    yield f"{name} {item}"
                yield from _values(item)
        case list():
            for item in value:
                yield from _values(item)
        case _:
            pass
