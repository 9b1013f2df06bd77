"""Failures that agentctl expects, by whose fault they are.

::

    AgentctlError
    ├── UsageError            2   the command line, or something it names
    │   ├── DefinitionError   2   a file that does not say what it must, with its place
    │   └── NotFoundError     2   a session, an event or a file that is not there
    ├── ModelError            6   the model's API, or a script that was left
    │   └── CredentialsError  6   no key, or one that was refused
    ├── SandboxError          7   the sandbox or its daemon
    │   ├── SandboxLimitError 4   a sandbox that was stopped because of what it took
    │   └── UnrecordedCallError 7 a recorded sandbox that was asked for what it has not seen
    ├── StoreError            8   the store cannot be read or written
    │   ├── FullError         8   there is no room left for it
    │   └── UnsavedError      8   a session that goes on cannot be recorded any further
    └── BusyError             9   the session is being run by somebody else

Each carries one line for a person (``message``), what to do about it (``hint``), a stable word
for scripts (``type``) and the exit code of the process. Anything else that is raised is a bug.
"""

from typing import ClassVar


class AgentctlError(Exception):
    """A failure that is explained to a person in one line."""

    type: ClassVar[str] = "error"
    exit_code: int = 70

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(AgentctlError):
    """The command line asks for something that makes no sense."""

    type = "usage_error"
    exit_code = 2


class DefinitionError(UsageError):
    """A definition file is not valid.

    ``path`` is the file as the person named it; ``line`` and ``column`` count from 1 and are
    None where the problem has no place in the file. ``others`` are the further problems of the
    same file, in the order of their places.
    """

    type = "definition_error"

    def __init__(
        self,
        message: str,
        *,
        path: str,
        line: int | None = None,
        column: int | None = None,
        hint: str | None = None,
        others: tuple["DefinitionError", ...] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.path, self.line, self.column, self.others = path, line, column, others

    @property
    def problems(self) -> tuple["DefinitionError", ...]:
        """Every problem of the file, this one first."""
        return (self, *self.others)

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.path, self.line, self.column) if part is not None)
        return f"{place}: {self.message}"


class NotFoundError(UsageError):
    """A session, an event or a file that was named is not there."""

    type = "not_found_error"


class ModelError(AgentctlError):
    """The model's API failed or refused the request.

    ``kind`` is the API's error type (``overloaded_error``, ``invalid_request_error``, ...);
    connections that fail are ``connection_error``, streams that end early ``stream_cut_error``,
    and a script that does not fit the run is ``script_error``. ``retryable`` says whether the
    same request may succeed later; ``retry_after_seconds`` is what the server asked for, not
    capped. ``request_id`` is the server's name for the request. ``unbilled`` says that the request
    costs nothing for sure: it was refused, or it never arrived.
    """

    type = "model_error"
    exit_code = 6

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        retryable: bool = False,
        retry_after_seconds: float | None = None,
        status_code: int | None = None,
        request_id: str | None = None,
        hint: str | None = None,
        unbilled: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
        self.retryable = retryable
        self.retry_after_seconds = retry_after_seconds
        self.status_code = status_code
        self.request_id = request_id
        self.unbilled = unbilled


class CredentialsError(ModelError):
    """There is no key for the model's API, or it was refused."""

    type = "credentials_error"

    def __init__(self, message: str, *, hint: str | None = None, request_id: str | None = None) -> None:
        super().__init__(message, kind="authentication_error", hint=hint, request_id=request_id, unbilled=True)


class SandboxError(AgentctlError):
    """The sandbox, its image or its daemon failed; a command that fails inside it is not this."""

    type = "sandbox_error"
    exit_code = 7


class ImageGoneError(SandboxError):
    """The image that a session began with is not here any more."""


class SandboxLimitError(SandboxError):
    """The sandbox was stopped because of what it took; another one would only come to the same end.

    ``limit`` is its name, ``allowed`` and ``used`` are the numbers that met.
    """

    type = "limit_error"
    exit_code = 4

    def __init__(self, message: str, *, limit: str, allowed: float, used: float, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.limit, self.allowed, self.used = limit, allowed, used


class UnrecordedCallError(SandboxError):
    """A call was made that the record does not hold; another recorded sandbox would not know it either."""

    type = "unrecorded_call_error"


class StoreError(AgentctlError):
    """The store cannot be read or written."""

    type = "store_error"
    exit_code = 8


class FullError(StoreError):
    """The disk that the store is on has no room left for what was to be written."""


class UnsavedError(StoreError):
    """Events of a session could not be stored, so it stopped; ``text`` is what the agent said in them."""

    def __init__(self, message: str, *, text: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.text = text


class BusyError(AgentctlError):
    """The session is being run by somebody else."""

    type = "busy_error"
    exit_code = 9
