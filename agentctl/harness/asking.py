"""Asking the model: for an answer, or for a summary, and what follows where it gives none."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

from agentctl.errors import ModelError
from agentctl.events.base import Event
from agentctl.events.local import LocalContextFull
from agentctl.events.make import Maker
from agentctl.events.session import SessionError, SessionStatusRescheduled
from agentctl.events.span import SpanModelRequestEnd, SpanModelRequestStart
from agentctl.harness.answers import answer_events
from agentctl.harness.failures import final_model_error, model_error
from agentctl.harness.hands import Hands
from agentctl.harness.loop import Events
from agentctl.harness.outlook import Outlook
from agentctl.harness.shortening import context_full, refusal_events, summary_events
from agentctl.harness.stop import Stop
from agentctl.ids import timestamp
from agentctl.model.base import Model, Preview, ShowPreview
from agentctl.model.request import RequestHeader, build_compaction, build_request
from agentctl.policy.retry import Failure, after_failure
from agentctl.session.log import Session
from agentctl.session.state import SessionState
from agentctl.tools.toolset import Toolset

_NO_TOKENS = {
    "input_tokens": 0,
    "output_tokens": 0,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
}


class Asking:
    """Asks one model.

    ``chance`` gives a number from 0 up to 1, by which a wait before the next try is varied.
    """

    def __init__(
        self,
        model: Model,
        header: RequestHeader,
        toolset: Toolset,
        hands: Hands,
        make: Maker,
        stop: Stop,
        chance: Callable[[], float],
    ) -> None:
        self._model = model
        self._header = header
        self._toolset = toolset
        self._hands = hands
        self._make = make
        self._stop = stop
        self._chance = chance

    def ask(self, max_tokens: int, session: Session[Outlook]) -> Iterator[Events]:
        """Ask for an answer of at most ``max_tokens``; the sandbox begins to start meanwhile."""
        start = self._request_started(max_tokens, session.outlook)
        header = replace(self._header, max_tokens=max_tokens)
        request = build_request(header, session.transcript.messages())
        yield [start]
        if self._toolset.uses_sandbox:
            self._hands.begin(session.id)
        try:
            response = self._model.respond(request, self._preview_to(session))
        except ModelError as error:
            stopped = self._stop.is_asked
            ended = self.ended(start.id, unbilled=error.unbilled)
            yield [ended, *([] if stopped else self._after_refusal(error, session))]
        else:
            yield answer_events(
                response,
                start.id,
                session.state,
                self._toolset,
                self._make,
                shortened_to=max_tokens if max_tokens < self._header.max_tokens else None,
                can_be_shortened=session.outlook.can_be_shortened(answers=1),
            )

    def summarise(self, max_tokens: int, session: Session[Outlook]) -> Iterator[Events]:
        """Ask for a summary of the conversation of at most ``max_tokens``."""
        start = self._request_started(max_tokens, session.outlook)
        request = build_compaction(replace(self._header, max_tokens=max_tokens), session.transcript.settled())
        is_full = session.outlook.context.full
        yield [start]
        try:
            response = self._model.respond(request, self._heed)
        except ModelError as error:
            ended = [self.ended(start.id, unbilled=error.unbilled)]
            if self._stop.is_asked:
                yield ended
                return
            refused = refusal_events(error, self._make, is_full=is_full)
            yield [*ended, *(self._after_failure(error, session.state) if refused is None else refused)]
        else:
            yield summary_events(response, start.id, self._make, is_full=is_full)

    def ended(self, start_id: str, *, unbilled: bool = False) -> Event:
        """Record that a request has ended without an answer; ``unbilled``: nobody pays for it."""
        return self._make(
            SpanModelRequestEnd,
            model_request_start_id=start_id,
            model_usage=_NO_TOKENS,
            is_error=True,
            extra={"local": {"unbilled": True}} if unbilled else {},
        )

    def cancel(self) -> None:
        """End the request that is under way, as soon as it can be. From any thread."""
        self._model.cancel()

    def _after_refusal(self, error: ModelError, session: Session[Outlook]) -> Events:
        if error.kind != "prompt_too_long":
            return self._after_failure(error, session.state)
        if session.outlook.can_be_shortened():
            return [self._make(LocalContextFull, line=error.message)]
        return [self._make(SessionError, error=context_full(error.message))]

    def _after_failure(self, error: ModelError, state: SessionState) -> Events:
        failure, now = Failure.of(error), self._make.clock.now()
        wait = after_failure(failure, state.attempts + 1, state.waited, self._chance())
        if wait is None:
            return [self._make(SessionError, error=final_model_error(error, failure, now))]
        local = {"retry_at": timestamp(now + timedelta(seconds=wait)), "wait_seconds": round(wait, 3)}
        return [
            self._make(SessionError, error=model_error(error, retrying=True)),
            self._make(SessionStatusRescheduled, local=local),
        ]

    def _preview_to(self, session: Session[Outlook]) -> ShowPreview:
        def show(preview: Preview) -> None:
            self._heed(preview)
            session.show(preview)

        return show

    def _heed(self, _: Preview) -> None:
        if self._stop.is_asked:
            raise ModelError("the turn was stopped", kind="stream_cut_error")

    def _request_started(self, max_tokens: int, outlook: Outlook) -> Event:
        reserved = outlook.reserved(max_tokens, self._make.clock.now())
        extra = {"local": {"reserved": format(reserved.normalize(), "f")}} if reserved else {}
        return self._make(SpanModelRequestStart, extra=extra)
