"""Names become code: a model, a sandbox, a store.

The only module of the library that knows every implementation, and that imports inside functions:
a session with bubblewrap never loads ``docker``, a scripted one never loads ``anthropic``.
"""

import contextlib
import gc
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

from agentctl.definitions.environment import Environment
from agentctl.errors import AgentctlError
from agentctl.model.base import Model
from agentctl.paths import Home
from agentctl.sandbox.base import Layout, Sandbox
from agentctl.store.database import Database
from agentctl.store.events import SqliteEventLog

SandboxKind: TypeAlias = Literal["docker", "bubblewrap", "none"]

SCRIPT = "script:"
"""What the names of scripted models begin with."""


def model_for(name: str, layout: Layout = Layout()) -> Model:  # noqa: B008 - a constant
    """Make the model of that name: ``script:FILE``, or an id of the Claude API.

    A script names the usual paths of a sandbox; ``layout`` says where they are in this one.
    Raises CredentialsError where there is no key, UsageError for a script that is not there or wrong.
    """
    with _quick_import():
        if name.startswith(SCRIPT):
            from agentctl.model.script import read_script, relocated
            from agentctl.model.scripted import ScriptedModel

            return ScriptedModel(relocated(read_script(Path(name.removeprefix(SCRIPT))), _places(layout)))
        from agentctl.model.anthropic import AnthropicModel

        return AnthropicModel()


def _places(layout: Layout) -> dict[str, str]:
    # The workspace stands last: it is a part of no other path, but others may hold its name.
    usual = Layout()
    return {usual.outputs: layout.outputs, usual.uploads: layout.uploads, usual.workspace: layout.workspace}


def sandbox_for(environment: Environment, home: Home, kind: SandboxKind | None = None, generation: int = 1) -> Sandbox:
    """Make the sandbox of an environment, or of another ``kind``; nothing is started."""
    chosen = kind or environment.config.type
    if chosen == "bubblewrap":
        from agentctl.sandbox.bubblewrap import BubblewrapSandbox

        return BubblewrapSandbox(environment, home.sandboxes)
    if chosen == "none":
        from agentctl.sandbox.process import ProcessSandbox

        return ProcessSandbox(environment, home.sandboxes)
    from agentctl.sandbox.docker import DockerSandbox

    return DockerSandbox(environment, home.builds, generation=generation)


class Sandboxes:
    """Makes the sandboxes of a session, each of a generation of its own, so that none takes orders from the past."""

    def __init__(self, environment: Environment, home: Home, kind: SandboxKind | None, before: int = 0) -> None:
        self._environment = environment
        self._home = home
        self._kind = kind
        self._generation = before

    def __call__(self) -> Sandbox:
        """Make the next one; nothing is started."""
        self._generation += 1
        return sandbox_for(self._environment, self._home, self._kind, self._generation)


def tidy_up(home: Home) -> None:
    """Remove the containers that others have left and that have ended; nobody waits for it, or hears of it."""
    from agentctl.sandbox.leftovers import sweep_containers

    with contextlib.suppress(AgentctlError):
        for _ in sweep_containers(home, only_ended=True):
            pass


@contextlib.contextmanager
def open_log(home: Home) -> Iterator[SqliteEventLog]:
    """Open the log for writing, making or migrating the database where that is needed. Raises StoreError."""
    database = Database(home, _migrate)
    try:
        yield SqliteEventLog(home, database)
    finally:
        database.close()


def _migrate(connection: sqlite3.Connection) -> None:
    # sqlite-utils takes longer to import than a whole session takes to write, and only a database
    # that is new or old needs it.
    from agentctl.store.migrations import migrate

    migrate(connection)


@contextlib.contextmanager
def _quick_import() -> Iterator[None]:
    """Import without garbage collection: the SDK's 3,000 modules make much that lives and nothing that dies."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
