"""What every event has."""

from dataclasses import dataclass, field, fields
from typing import ClassVar, TypeVar, dataclass_transform

from agentctl.canonical import JsonObject

Kind = TypeVar("Kind", bound="Event")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def event(kind: type[Kind]) -> type[Kind]:
    """Make a frozen dataclass of a kind of event, which is compared and written as every event is.

    Methods of its own for that would take as long as all the rest of it, at every start of every command.
    """
    return dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)(kind)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Event:  # noqa: PLW1641 - what events hold cannot be hashed
    """One thing that happened in a session.

    ``id`` is ``sevt_…``. ``processed_at`` is RFC 3339 in UTC, and None for an event that a person
    sent and that the session has not taken up yet.
    """

    type: ClassVar[str]

    id: str
    processed_at: str | None = None
    extra: JsonObject = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, item.name) == getattr(other, item.name) for item in fields(self))

    def __repr__(self) -> str:
        members = ", ".join(f"{item.name}={getattr(self, item.name)!r}" for item in fields(self))
        return f"{type(self).__qualname__}({members})"


@event
class UnknownEvent(Event):
    """An event whose type this version does not know; ``body`` is all of it."""

    type: ClassVar[str] = ""

    body: JsonObject
