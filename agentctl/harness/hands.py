"""The sandbox as the harness uses it: begun beside the first model request, waited for when a tool needs it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from agentctl.canonical import JsonObject
from agentctl.sandbox.base import Progress, Sandbox, Started
from agentctl.session.files import Contents, Restoring


@dataclass(frozen=True, slots=True)
class Supplied:
    """What a sandbox is filled with.

    ``uploaded`` are the members of ``local.files_uploaded``, where the record does not have it yet.
    """

    restoring: Restoring
    contents: Contents
    uploaded: JsonObject | None = None


Supply: TypeAlias = Callable[[JsonObject, bool], Supplied]
"""Asked for each sandbox, with the facts of its ``prepare`` and whether one was found that runs and has its files."""


class Hands:
    """One sandbox at a time, started in the background, and made anew when it is lost.

    ``make`` makes the next sandbox of the session, and ``supply`` gives it its files; ``prepared`` are the
    facts of the first one. ``attach`` says that another process may have
    left one running, which is taken over then. ``keep_seconds`` is how long its state is kept while the
    session rests.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        make: Callable[[], Sandbox],
        supply: Supply,
        progress: Progress,
        *,
        attach: bool = False,
        keep_seconds: float = 0.0,
        prepared: JsonObject | None = None,
    ) -> None:
        self.sandbox = sandbox
        self._make = make
        self._supply = supply
        self._progress = progress
        self._attach = attach
        self.keep_seconds = keep_seconds
        self._prepared: JsonObject | None = prepared or {}
        self._thread: threading.Thread | None = None
        self._started: Started | None = None
        self._failure: Exception | None = None
        self._told = False
        self.attached = False
        self.supplied: Supplied | None = None

    def begin(self, session_id: str) -> None:
        """Begin to start the sandbox, if nobody has; returns at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._start, args=(session_id,), name="sandbox-start", daemon=True)
            self._thread.start()

    def ready(self, session_id: str) -> Started | None:
        """Wait until the sandbox runs. Returns what is known of it the first time, afterwards None.

        Raises SandboxError, UsageError for what cannot be copied in, StoreError for contents that are missing.
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
        self._prepared = self.supplied = None
        self._thread = self._started = self._failure = None
        self._told = self.attached = False

    @property
    def in_use(self) -> bool:
        """Whether the sandbox runs and has been asked for something."""
        return self._told

    def keep(self, until: str) -> JsonObject | None:
        """Keep the state of the sandbox, as ``Sandbox.keep``. Raises SandboxError."""
        return self.sandbox.keep(until)

    def tell(self, line: str) -> None:
        """Tell the person who runs the session something of the sandbox."""
        self._progress(line)

    def leave(self) -> None:
        """Have ``close`` leave alone what somebody else may have taken over."""
        self.sandbox.leave()

    def close(self) -> None:
        """End the sandbox, waiting for a start that is under way."""
        if self._thread is not None:
            self._thread.join()
        self.sandbox.close()

    def _start(self, session_id: str) -> None:
        try:
            if self._prepared is None:
                self._prepared = self.sandbox.prepare(self._progress)
            started = self._taken_over(session_id)
            supplied = self.supplied = self._supply(self._prepared, self.attached)
            restoring, contents = supplied.restoring, supplied.contents
            self._started = started or self.sandbox.start(
                session_id, restoring.files, contents, self._progress, restoring.gone
            )
        except Exception as error:  # noqa: BLE001 - raised again where the sandbox is waited for
            self._failure = error

    def _taken_over(self, session_id: str) -> Started | None:
        attach, self._attach = self._attach, False
        started = self.sandbox.attach(session_id) if attach else None
        self.attached = started is not None
        return started
