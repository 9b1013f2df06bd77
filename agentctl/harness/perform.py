"""Doing a step: each is done by who can, and the few that need nobody are done here."""

import random
from collections.abc import Callable, Iterator

from agentctl.events.base import Event
from agentctl.events.local import LocalInputProcessed, LocalLimitReached, LocalStuck, LocalStuckWarned
from agentctl.events.make import Maker
from agentctl.events.session import SessionError, SessionStatusRunning
from agentctl.harness.asking import Asking
from agentctl.harness.calling import Calling
from agentctl.harness.hands import Hands
from agentctl.harness.keeping import Keeper, Store
from agentctl.harness.looking import Looking
from agentctl.harness.loop import Events
from agentctl.harness.outlook import Outlook
from agentctl.harness.resting import ComingToRest
from agentctl.harness.steps import (
    AnswerCalls,
    AskModel,
    CloseRequest,
    ComeToRest,
    Compact,
    GiveUp,
    RecoverCalls,
    Resting,
    RunTools,
    Step,
    StopAtLimit,
    TakeInput,
    Wait,
    Warn,
)
from agentctl.harness.stop import Stop
from agentctl.ids import moment
from agentctl.model.base import Model
from agentctl.model.request import RequestHeader
from agentctl.policy.budget import Reached
from agentctl.policy.stuck import Stuck
from agentctl.session.log import Session
from agentctl.tools.toolset import Toolset


class Performer:
    """Does the steps of one session.

    ``store`` keeps bytes; ``chance`` gives a number from 0 up to 1.
    """

    def __init__(
        self,
        model: Model,
        header: RequestHeader,
        toolset: Toolset,
        hands: Hands,
        make: Maker,
        store: Store,
        stop: Stop,
        chance: Callable[[], float] = random.random,
    ) -> None:
        keeper = Keeper(store)
        looking = Looking(keeper, make)
        self._asking = Asking(model, header, toolset, hands, make, stop, chance)
        self._calling = Calling(hands, keeper, looking, make, stop)
        self._resting = ComingToRest(hands, store, keeper, looking, make)
        self._make = make
        self._sleep = stop.sleep

    def __call__(self, step: Step, session: Session[Outlook]) -> Iterator[Events]:
        """Do ``step``, yielding the events of it in groups that are stored together."""
        match step:
            case TakeInput():
                yield [self._make(LocalInputProcessed, event_ids=list(step.event_ids))]
            case AskModel():
                yield from self._asking.ask(step.max_tokens, session)
            case Compact():
                yield from self._asking.summarise(step.max_tokens, session)
            case CloseRequest():
                yield [self._asking.ended(step.request_id)]
            case RunTools():
                yield from self._calling.run(step.calls, session)
            case RecoverCalls():
                yield from self._calling.recover(step.calls, session)
            case AnswerCalls():
                yield [self._calling.answer(call, text) for call, text in step.answers]
            case StopAtLimit():
                yield [self._limit_reached(step.reached)]
            case Warn():
                yield [self._warned(step.stuck, session.outlook)]
            case GiveUp():
                yield self._given_up(step.stuck)
            case Wait():
                self._wait(step.until)
                yield [self._make(SessionStatusRunning)]
            case ComeToRest():
                yield from self._resting.rest(step, session)
            case Resting():
                pass

    def cancel(self) -> None:
        """End what is going on, as soon as it can be; it has an outcome all the same. From any thread."""
        self._asking.cancel()
        self._calling.cancel()

    def _wait(self, until: str | None) -> None:
        if until is not None:
            self._sleep(max(0.0, (moment(until) - self._make.clock.now()).total_seconds()))

    def _limit_reached(self, reached: Reached) -> Event:
        return self._make(
            LocalLimitReached, limit=reached.limit, allowed=reached.allowed, used=reached.used, line=reached.line
        )

    def _warned(self, stuck: Stuck, outlook: Outlook) -> Event:
        role = "system" if outlook.takes_system_messages() else "user"
        return self._make(LocalStuckWarned, reason=stuck.reason, line=stuck.line, advice=stuck.advice, role=role)

    def _given_up(self, stuck: Stuck) -> Events:
        error = {
            "type": "tool_use_limit_reached_error",
            "message": stuck.line,
            "retry_status": {"type": "exhausted"},
            "local": {"type": "stuck", "exit_code": 5, "hint": "say something new with: agentctl send"},
        }
        return [
            self._make(LocalStuck, reason=stuck.reason, line=stuck.line),
            self._make(SessionError, error=error),
        ]
