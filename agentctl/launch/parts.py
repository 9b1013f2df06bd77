"""Names become code: a model, a sandbox, a store.

The only module of the library that knows every implementation, and that imports inside functions:
a session with bubblewrap never loads ``docker``, a scripted one never loads ``anthropic``.
"""

import contextlib
import gc
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from agentctl.canonical import JsonObject
from agentctl.definitions.environment import Environment
from agentctl.errors import AgentctlError
from agentctl.model.base import Model
from agentctl.network.base import Gateway, Interceptor
from agentctl.paths import Home
from agentctl.redaction import KNOWN
from agentctl.sandbox.base import FIRST, Layout, Origin, Sandbox
from agentctl.session.log import EventLog, Record
from agentctl.session.redacting import RedactedLog
from agentctl.store.blobs import Blobs
from agentctl.store.database import Database
from agentctl.store.events import SqliteEventLog
from agentctl.store.keys import find_verify_key
from agentctl.store.version import SNAPSHOT_EVERY

if TYPE_CHECKING:
    from agentctl.launch.network import WayOut
    from agentctl.vault.opened import Credentials

SandboxKind: TypeAlias = Literal["docker", "bubblewrap", "none"]

SCRIPT = "script:"
"""What the names of scripted models begin with."""


def model_for(name: str, layout: Layout = Layout()) -> Model:  # noqa: B008 - a constant
    """Make the model of that name: ``script:FILE``, or an id of the Claude API.

    A script names the usual paths of a sandbox; ``layout`` says where they are in this one.
    Raises CredentialsError where there is no key, UsageError for a script that is not there or wrong.
    """
    with making_what_stays():
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


def sandbox_for(
    environment: Environment,
    home: Home,
    kind: SandboxKind | None = None,
    generation: int = 1,
    gateway: Gateway | None = None,
    origin: Origin = FIRST,
) -> Sandbox:
    """Make the sandbox of an environment, or of another ``kind``; nothing is started.

    ``gateway`` takes its connections and is closed with it; one of kind none has no use for it.
    """
    chosen = kind or environment.config.type
    if chosen == "bubblewrap":
        from agentctl.sandbox.bubblewrap import BubblewrapSandbox

        return BubblewrapSandbox(environment, home.sandboxes, gateway=gateway)
    if chosen == "none":
        from agentctl.sandbox.process import ProcessSandbox

        return ProcessSandbox(environment, home.sandboxes)
    from agentctl.sandbox.docker.sandbox import DockerSandbox

    return DockerSandbox(environment, home.builds, generation=generation, gateway=gateway, origin=origin)


class Sandboxes:
    """Makes the sandboxes of a session, each of a generation of its own, so that none takes orders from the past.

    ``make_gateway`` makes a way out for each of them that may have one; ``origin`` says what the first is made
    from where the session has begun already.
    """

    def __init__(
        self,
        environment: Environment,
        home: Home,
        kind: SandboxKind | None,
        before: int = 0,
        make_gateway: Callable[[], Gateway] | None = None,
        origin: Origin = FIRST,
    ) -> None:
        self._environment = environment
        self._home = home
        self._kind = kind
        self._generation = before
        self._make_gateway = make_gateway
        self._origin = origin

    def keep_to(self, facts: JsonObject) -> None:
        """Make those that come from the image of these facts, the ones that ``prepare`` returned for the first."""
        self._origin = replace(self._origin, facts=facts)

    def __call__(self, checkpoint: str | None = None) -> Sandbox:
        """Make the next one, from the state that was kept if there is one; nothing is started."""
        self._generation += 1
        origin = replace(self._origin, checkpoint=checkpoint)
        gateway = self._make_gateway() if self._make_gateway is not None and self._kind != "none" else None
        return sandbox_for(self._environment, self._home, self._kind, self._generation, gateway, origin)


def vault_secrets(home: Home) -> dict[str, str]:
    """Return every secret of every vault that can be opened, with its name."""
    if not home.vaults.is_dir():
        return {}
    from agentctl.vault.store import all_secrets

    return all_secrets(home)


def open_vaults(home: Home, names: Sequence[str], session_id: str, *, is_resumed: bool = False) -> "Credentials | None":
    """Open the vaults of a session; None where it has none. Raises UsageError, NotFoundError."""
    if not names:
        return None
    from agentctl.vault.opened import Credentials

    return Credentials(home, names, session_id, KNOWN, is_resumed=is_resumed)


def interceptor_for(credentials: "Credentials | None", environment: Environment, session_id: str) -> Interceptor | None:
    """Make what puts the credentials of a session into its requests; None where it has none."""
    if credentials is None:
        return None
    from agentctl.network.injection import HTTPS_PORT, Injection

    private = (host.rpartition(":")[2] for host in environment.config.networking.private_hosts)
    return Injection(credentials, session_id, ports={HTTPS_PORT, *map(int, private)})


def way_out_for(
    environment: Environment, home: Home, session_id: str, credentials: "Credentials | None"
) -> "WayOut | None":
    """Make the way out of a session's sandboxes; None for one that has no network."""
    if environment.config.networking.type == "none":
        return None
    from agentctl.launch.network import WayOut

    interceptor = interceptor_for(credentials, environment, session_id)
    return WayOut(environment, session_id, lambda: open_log(home), interceptor)


def forget_former(home: Home, session_id: str, newest: str) -> None:
    """Remove what was kept of a session's sandboxes before the newest state."""
    from agentctl.sandbox.docker.kept import remove_former

    remove_former(home, session_id, newest)


def image_packages(home: Home, image: str) -> dict[str, dict[str, str]] | None:
    """Return the versions of an image's packages, by kind and name; None where it does not say."""
    from agentctl.sandbox.docker.packages import packages_of

    return packages_of(home.builds, image)


def tidy_up(home: Home) -> None:
    """Remove the containers that others have left and that have ended; nobody waits for it, or hears of it."""
    from agentctl.sandbox.leftovers import sweep_containers

    with contextlib.suppress(AgentctlError):
        for _ in sweep_containers(home, only_ended=True):
            pass


@contextlib.contextmanager
def open_log(home: Home, check: Callable[[], None] = lambda: None, *, synced: bool = True) -> Iterator[EventLog]:
    """Open the log for writing, making or migrating the database where that is needed. Raises StoreError.

    What this process knows to be secret is redacted from whatever is appended. ``check`` is called in
    the transaction of each append, and stops it with what it raises. Of one that is not ``synced``, a power cut may
    take what came since the session rested last.
    """
    database = Database(home, _migrate, synced=synced)
    try:
        after = _keeping_snapshots(database, home)
        yield RedactedLog(SqliteEventLog(home, database, check, after), KNOWN)
    finally:
        database.close()


def _keeping_snapshots(database: Database, home: Home) -> Callable[[str, Sequence[Record]], None]:
    """Return what keeps a snapshot of a session when it is time for one, called after each append.

    It raises nothing: whatever keeps a snapshot from being made, the record is there without it.
    """
    blobs, key = Blobs(home.blobs), find_verify_key(home)

    def keep(session_id: str, records: Sequence[Record]) -> None:
        if records[-1].seq // SNAPSHOT_EVERY > (records[0].seq - 1) // SNAPSHOT_EVERY:
            from agentctl.store.snapshots import keep_snapshot

            keep_snapshot(database, blobs, session_id, records[-1].seq, key)

    return keep


def open_blobs(home: Home) -> Blobs:
    """Return the store of contents, from which what this process knows to be secret is redacted."""
    return Blobs(home.blobs, KNOWN.contents)


def _migrate(connection: sqlite3.Connection) -> None:
    # sqlite-utils takes longer to import than a whole session takes to write, and only a database
    # that is new or old needs it.
    from agentctl.store.migrations import migrate

    migrate(connection)


@contextlib.contextmanager
def making_what_stays() -> Iterator[None]:
    """Look for no garbage while much is made that lives to the end and nothing that dies, nor in it later."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
