"""The loop: choose, do, record, until the session rests."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from agentctl.events.base import Event
from agentctl.events.session import SessionStatusRunning
from agentctl.harness.outlook import Outlook
from agentctl.harness.steps import Resting, Step, has_work, next_step
from agentctl.ids import Clock, new_id, timestamp
from agentctl.session.log import Session


class Perform(Protocol):
    """Does a step, yielding the events of it in groups that are stored together."""

    def __call__(self, step: Step, session: Session[Outlook]) -> Iterator[Sequence[Event]]:
        """Do ``step``. Each group must be stored before the next is asked for."""
        ...


def run(session: Session[Outlook], perform: Perform, clock: Clock) -> None:
    """Drive a session until it rests; taking one up again is the same call."""
    session.catch_up()
    if session.state.status == "idle" and has_work(session.state):
        session.append(SessionStatusRunning(id=new_id("sevt_", clock), processed_at=timestamp(clock.now())))
    while not isinstance(step := next_step(session.state, session.outlook, clock.now()), Resting):
        for events in perform(step, session):
            session.append(*events)
        session.catch_up()
