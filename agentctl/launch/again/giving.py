"""What came from outside of a recorded session comes again, at the same places of its rerun."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import TypeVar

from agentctl.events.base import Event
from agentctl.events.local import LocalModelResponse
from agentctl.events.make import Maker
from agentctl.events.session import SessionStatusIdle
from agentctl.events.user import UserCustomToolResult, UserToolConfirmation
from agentctl.harness.hands import Hands
from agentctl.harness.outlook import Outlook
from agentctl.ids import new_id
from agentctl.launch.again.places import Given, Hole, Place
from agentctl.launch.again.recording import Recording
from agentctl.launch.driving import confirmation
from agentctl.session.log import Session
from agentctl.session.state import OpenCall

EventT = TypeVar("EventT", bound=Event)


class Giver:
    """Gives the recorded inputs to a session, each once, when it has come as far as the record had.

    ``note`` is told of what cannot be given. ``hands`` get another sandbox where the record has one.
    """

    def __init__(self, recording: Recording, hands: Hands, make: Maker, note: Callable[[Hole], None]) -> None:
        self._recording = recording
        self._left = deque(recording.inputs)  # in the order of their places
        self._renewals = sum(given.event is None for given in recording.inputs)
        self._calls = {use.id: place for place, use in enumerate(recording.uses)}
        self._hands = hands
        self._make = make
        self._note = note
        self._place = Place()
        self._gave_at_rest = False

    @property
    def renews(self) -> bool:
        """Whether another sandbox is begun later."""
        return self._renewals > 0

    def go_on(self, session: Session[Outlook], events: Sequence[Event]) -> None:
        """Take events into account that have just been stored, and give what is due."""
        for event in events:
            self._place = self._place.after(event)
        is_between_calls = any(isinstance(event, LocalModelResponse | SessionStatusIdle) for event in events)
        due = takewhile(lambda each: each.place.is_reached_at(self._place), self._left)
        given = [each for each in due if each.event is not None or is_between_calls]
        rests = any(isinstance(event, SessionStatusIdle) for event in events)
        self._gave_at_rest |= rests and any(each.event is not None for each in given)
        self._give(session, given)

    def at_rest(self, session: Session[Outlook]) -> bool:
        """Give what comes next to a session that rests, if it was not given already. Returns False at the end."""
        if self._gave_at_rest:
            self._gave_at_rest = False
            return True
        if not self._left:
            return False
        place = self._left[0].place
        self._give(session, list(takewhile(lambda each: each.place == place, self._left)))
        return True

    def _give(self, session: Session[Outlook], due: Sequence[Given]) -> None:
        for each in due:
            self._left.remove(each)  # one of the first
        for each in due:
            if each.event is None:
                self._renewals -= 1
                self._hands.renew()
            elif (event := self._again(each, session)) is not None:
                session.append(event)

    def _again(self, given: Given, session: Session[Outlook]) -> Event | None:
        event = given.event
        match event:
            case UserToolConfirmation():
                call = self._counterpart(event.tool_use_id, session)
                if call is None or not call.waits:
                    line = f"the answer #{given.seq} was not given: its call was not made, or did not ask"
                    self._note(Hole(given.seq, line))
                    return None
                return confirmation(call, event.result, event.deny_message, self._make)
            case UserCustomToolResult():
                call = self._counterpart(event.custom_tool_use_id, session)
                if call is None:
                    self._note(Hole(given.seq, f"the result #{given.seq} was not given: its call was not made"))
                    return None
                return event_again(replace(event, custom_tool_use_id=call.id), self._make)
            case None:
                return None
            case _:
                return event_again(event, self._make)

    def _counterpart(self, call_id: str, session: Session[Outlook]) -> OpenCall | None:
        """Find the open call of the session that stands for one of the record: as many calls before it, and equal."""
        place = self._calls.get(call_id)
        if place is None:  # a call of the past that both have
            return next((call for call in session.state.calls if call.id == call_id), None)
        use = self._recording.uses[place]
        made = session.state.tool_calls - len(session.state.calls)
        found = {made + number: call for number, call in enumerate(session.state.calls)}
        same = [call for call in found.values() if (call.name, call.input) == (use.name, use.input)]
        return found.get(place) if found.get(place) in same else next(iter(same), None)


def event_again(event: EventT, make: Maker) -> EventT:
    """Make an event anew, with an id and a time of its own."""
    if event.processed_at is None:
        return replace(event, id=new_id("sevt_", make.clock))
    return make(type(event), **_members(event))


def _members(event: Event) -> dict[str, object]:
    names = [name for name in type(event).__dataclass_fields__ if name not in ("id", "processed_at", "type")]
    return {name: getattr(event, name) for name in names}
