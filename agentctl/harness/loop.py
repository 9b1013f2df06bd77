"""The loop: choose, do, record, until the session rests."""

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeAlias

from agentctl.events.base import Event
from agentctl.events.local import LocalInterrupted
from agentctl.events.make import Maker
from agentctl.events.session import SessionStatusRunning
from agentctl.events.user import UserInterrupt
from agentctl.harness.outlook import Outlook
from agentctl.harness.steps import Resting, Step, has_work, next_step
from agentctl.harness.stop import Stop
from agentctl.session.log import Session

Events: TypeAlias = Sequence[Event]
"""Events that are stored together."""


class Perform(Protocol):
    """Does a step, yielding the events of it in groups that are stored together."""

    def __call__(self, step: Step, session: Session[Outlook]) -> Iterator[Events]:
        """Do ``step``. Each group must be stored before the next is asked for."""
        ...


def run(session: Session[Outlook], perform: Perform, make: Maker, stop: Stop) -> None:
    """Drive a session until it rests; taking one up again is the same call.

    When ``stop`` is asked for, the turn ends: what is open is answered, and the session rests.
    """
    session.catch_up()
    if has_work(session.state):
        session.append(make(SessionStatusRunning))
    while not isinstance(step := next_step(session.state, session.outlook, make.clock.now()), Resting):
        for events in perform(step, session):
            session.append(*events)
        session.catch_up()
        if stop.is_asked and not session.state.interrupted:
            session.append(*_interruption(stop, make))


def _interruption(stop: Stop, make: Maker) -> list[Event]:
    events: list[Event] = [make(UserInterrupt)]
    if stop.signal is not None:
        events.append(make(LocalInterrupted, signal=stop.signal))
    return events
