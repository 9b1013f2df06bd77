"""The way out of a session's sandboxes: rules that were settled once, and a record of every verdict."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

from agentctl.canonical import JsonObject
from agentctl.definitions.environment import Environment
from agentctl.errors import UsageError
from agentctl.events.base import Event
from agentctl.events.make import Maker
from agentctl.harness.loop import Perform
from agentctl.harness.outlook import Outlook
from agentctl.harness.steps import ComeToRest, Step
from agentctl.ids import SystemClock
from agentctl.launch.egress import EgressLog
from agentctl.network.base import Gateway, Interceptor
from agentctl.network.dial import Dialler, SystemResolver
from agentctl.network.gateway import HttpGateway
from agentctl.network.hosts import BadHostError, authority_of
from agentctl.network.metering import Caps, Totals
from agentctl.network.rules import Rules, rules_of
from agentctl.session.log import EventLog, Session

_ENDING_SECONDS = 0.1
"""How long a session that comes to rest waits for connections whose programs have just ended."""


class WayOut:
    """Makes the gateways of one session, one for each of its sandboxes; what they count is counted together.

    Until the rules are settled nothing goes out.
    """

    def __init__(
        self,
        environment: Environment,
        session_id: str,
        open_log: Callable[[], AbstractContextManager[EventLog]],
        interceptor: Interceptor | None = None,
    ) -> None:
        self._networking = environment.config.networking
        self._verdicts = EgressLog(session_id, open_log, Maker(SystemClock()))
        self._interceptor = interceptor
        self._dialler = Dialler(SystemResolver())
        self._totals = Totals(Caps())
        self._rules: Rules | None = None
        self._newest: HttpGateway | None = None

    def settle(self, facts: JsonObject) -> None:
        """Settle the rules, with what the session's header says of its sandbox: ``package_hosts``, as ``host:port``."""
        try:
            packages = [authority_of(str(host)) for host in facts.get("package_hosts", ())]
        except BadHostError as error:
            raise UsageError(f"a host of the package managers cannot be understood: {error}") from error
        self._rules = rules_of(self._networking, packages)

    def gateway(self) -> Gateway:
        """Make the gateway of the next sandbox, which closes it."""
        self._newest = HttpGateway(self._settled, self._verdicts, self._dialler, self._interceptor, self._totals)
        return self._newest

    def recording(self, perform: Perform, is_last: Callable[[ComeToRest], bool] = lambda _: False) -> Perform:
        """Perform so that every verdict told by then is in the record before the session comes to rest.

        ``is_last`` says of a rest that its sandbox does nothing behind it: what is open then ends before it, so
        that nothing is recorded after it, and nothing goes out any more.
        """

        def recorded(step: Step, session: Session[Outlook]) -> Iterator[Sequence[Event]]:
            if isinstance(step, ComeToRest):
                self._rest(is_last=is_last(step))
            return perform(step, session)

        return recorded

    def close(self) -> None:
        """Record what is left to be recorded; may be called twice, never raises."""
        self._verdicts.close()

    def _rest(self, *, is_last: bool) -> None:
        if self._newest is not None:
            self._newest.wait(_ENDING_SECONDS)
        if not is_last:
            self._verdicts.flush()
            return
        if self._newest is not None:
            self._newest.close()
        self._verdicts.close()

    def _settled(self) -> Rules:
        if self._rules is None:
            raise RuntimeError("the rules of the session's network are not settled")
        return self._rules
