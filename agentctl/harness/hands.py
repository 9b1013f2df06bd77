"""The sandbox as the harness uses it: begun beside the first model request, waited for when a tool needs it."""

import threading
from collections.abc import Callable, Sequence

from agentctl.errors import AgentctlError
from agentctl.sandbox.base import Progress, Sandbox, Started, Upload


class Hands:
    """One sandbox at a time, started in the background, and made anew when it is lost.

    ``make`` makes the next sandbox of the session. ``attach`` says that another process may have
    left one running, which is taken over then.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        make: Callable[[], Sandbox],
        uploads: Sequence[Upload],
        progress: Progress,
        *,
        attach: bool = False,
    ) -> None:
        self.sandbox = sandbox
        self._make = make
        self._uploads = uploads
        self._progress = progress
        self._attach = attach
        self._is_prepared = True
        self._thread: threading.Thread | None = None
        self._started: Started | None = None
        self._failure: AgentctlError | None = None
        self._told = False
        self.attached = False

    def begin(self, session_id: str) -> None:
        """Begin to start the sandbox, if nobody has; returns at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._start, args=(session_id,), name="sandbox-start", daemon=True)
            self._thread.start()

    def ready(self, session_id: str) -> Started | None:
        """Wait until the sandbox runs. Returns what is known of it the first time, afterwards None.

        Raises SandboxError, or UsageError for uploads that cannot be copied.
        """
        self.begin(session_id)
        assert self._thread is not None
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        told, self._told = self._told, True
        return None if told else self._started

    def renew(self) -> None:
        """Give up the sandbox; the next one starts when it is needed."""
        self.close()
        self.sandbox = self._make()
        self._is_prepared = False
        self._thread = self._started = self._failure = None
        self._told = self.attached = False

    @property
    def in_use(self) -> bool:
        """Whether the sandbox runs and has been asked for something."""
        return self._told

    def close(self) -> None:
        """End the sandbox, waiting for a start that is under way."""
        if self._thread is not None:
            self._thread.join()
        self.sandbox.close()

    def _start(self, session_id: str) -> None:
        try:
            if not self._is_prepared:
                self.sandbox.prepare(self._progress)
            self._started = self._taken_over(session_id) or self.sandbox.start(
                session_id, self._uploads, self._progress
            )
        except AgentctlError as error:
            self._failure = error

    def _taken_over(self, session_id: str) -> Started | None:
        attach, self._attach = self._attach, False
        started = self.sandbox.attach(session_id) if attach else None
        self.attached = started is not None
        return started
