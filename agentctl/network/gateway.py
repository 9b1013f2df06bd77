"""The gateway of a session: takes the connections of its sandbox, each in a thread or two, and closed by default."""

import threading
from collections.abc import Callable, Mapping

from agentctl.network.base import PROXY_PORT, Connection, Interceptor, Verdicts
from agentctl.network.dial import Dialler, SystemResolver
from agentctl.network.exchange import Exchange, Room
from agentctl.network.metering import CapError, Caps, Totals
from agentctl.network.rules import Rules
from agentctl.network.workers import Workers

CLOSE_SECONDS = 5.0
"""How long closing waits for connections to tell how they ended."""

_PROXY = f"http://127.0.0.1:{PROXY_PORT}"
_ITSELF = ("localhost", "127.0.0.1", "::1")


def proxy_environment(rules: Rules) -> dict[str, str]:
    """Return the variables that tell programs of the proxy.

    Most read one of two spellings; Node.js reads them only when told to. What the sandbox calls itself
    is not asked of the proxy, unless ``private_hosts`` says that the host is meant by it.
    """
    private = {authority.host for authority in rules.private}
    direct = ",".join(name for name in _ITSELF if name not in private)
    both = {"http_proxy": _PROXY, "https_proxy": _PROXY, "no_proxy": direct}
    return {**both, **{name.upper(): value for name, value in both.items()}, "NODE_USE_ENV_PROXY": "1"}


class HttpGateway:
    """A Gateway that speaks HTTP with the sandbox: tunnels, and plain requests.

    ``rules`` gives the session's rules, the same each time; ``totals`` what was counted before, by
    the gateway of a sandbox that was lost.
    """

    def __init__(
        self,
        rules: Callable[[], Rules],
        verdicts: Verdicts,
        dialler: Dialler | None = None,
        interceptor: Interceptor | None = None,
        totals: Totals | None = None,
    ) -> None:
        totals = totals or Totals(Caps())
        self._workers = Workers("egress")
        dialler = dialler or Dialler(SystemResolver())
        self._room = Room(rules, dialler, verdicts, totals.caps, totals, self._workers, interceptor)
        self._open: set[Exchange] = set()
        self._lock = threading.Lock()
        self._emptied = threading.Condition(self._lock)
        self._is_closed = False

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that programs in the sandbox need."""
        interceptor = self._room.interceptor
        return {**(interceptor.environment if interceptor else {}), **proxy_environment(self._room.rules())}

    @property
    def authorities(self) -> bytes | None:
        """Certificate authorities (PEM) that the sandbox has to trust beside its own, if there are any."""
        return self._room.interceptor.authorities if self._room.interceptor else None

    def take(self, connection: Connection) -> None:
        """Take a connection over; returns at once and never raises."""
        exchange = Exchange(connection, self._room)
        try:
            with self._lock:
                reason = self._why_not()
                if reason is None:
                    self._begin(exchange)
                    return
        except RuntimeError:  # no thread can be started
            reason = "this machine has no room for more connections"
        exchange.refuse(reason)

    def wait(self, timeout_seconds: float) -> None:
        """Wait a little for connections that are about to end; others stay open."""
        with self._lock:
            self._emptied.wait_for(lambda: not self._open, timeout_seconds)

    def close(self) -> None:
        """Cut every connection, waiting a little for their verdicts, and take no more; may be called twice."""
        with self._lock:
            self._is_closed = True
            still_open = list(self._open)
        for exchange in still_open:
            exchange.cut()
        self.wait(CLOSE_SECONDS)
        self._workers.close()

    def _why_not(self) -> str | None:
        if self._is_closed:
            return "the session's network is closed"
        if len(self._open) >= (most := self._room.caps.connections):
            return f"more than {most} connections at one time"
        try:
            self._room.totals.begin()
        except CapError as error:
            return str(error)
        return None

    def _begin(self, exchange: Exchange) -> None:
        self._open.add(exchange)
        try:
            self._workers.begin(lambda: self._serve(exchange))
        except RuntimeError:
            self._open.discard(exchange)
            raise

    def _serve(self, exchange: Exchange) -> None:
        try:
            exchange.serve()
        finally:
            with self._lock:
                self._open.discard(exchange)
                self._emptied.notify_all()
