"""Namespaces without a daemon: the supervisor under bubblewrap, over this machine's own programs.

The system's directories are there read-only, and nothing else of this machine is: no home
directory, no network, no other process. The workspace and the outputs are folders of the host that
only this user sees, and that go with the session.

Run by root, bubblewrap is started as an ordinary user, and the folders are where that user can reach
them: whoever is root outside of a user namespace still owns, inside of it, what the host's root owns.
"""

import functools
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from agentctl.canonical import JsonObject
from agentctl.definitions.environment import Environment, EnvironmentConfig
from agentctl.errors import SandboxError
from agentctl.network.base import Gateway
from agentctl.sandbox.base import Layout, Progress
from agentctl.sandbox.disk import DEFAULT_DISK, DiskWatch, refuse_full, used_by
from agentctl.sandbox.inside.authorities import VARIABLES
from agentctl.sandbox.mounts import Bind, binds_of
from agentctl.sandbox.namespaces import HOME, USER, Arguments, sandbox_options
from agentctl.sandbox.pipe.program import BOOTSTRAP, PYTHON
from agentctl.sandbox.pipe.streams import ByteStream
from agentctl.sandbox.process import (
    PREFIX,
    SYSTEM_PATH,
    SupervisorProcess,
    make_private_folder,
    new_folder,
    refuse_image,
    remove_held,
)
from agentctl.sandbox.registries import ASK_SECONDS, program, registries
from agentctl.sandbox.supervised import SILENCE_SECONDS, SupervisedSandbox
from agentctl.sandbox.trust import ca_bundle_path
from agentctl.visible import visible_line

DEFAULT_MEMORY = 2 << 30
DEFAULT_PIDS = 256

_FOR_ROOT = Path("/var/tmp")  # noqa: S108 - what is made in it is private, and nobody else can move it
_CA_BUNDLE = "/etc/agentctl-authorities.pem"
_PROBE_SECONDS = 10.0
_SYSTEM_PYTHON = "/usr/bin/python3"
_LEAST_MINOR = 8

_NOT_INSTALLED = "install the package bubblewrap (apt install bubblewrap, dnf install bubblewrap)"
_FORBIDDEN = (
    "as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), or "
    "kernel.unprivileged_userns_clone=1 (Debian), or user.max_user_namespaces=15000; "
    "inside a container it needs --security-opt seccomp=unconfined"
)


class BubblewrapSandbox(SupervisedSandbox):
    """A sandbox of namespaces for one session.

    ``folder`` is where its own folder is made, and removed; for root it is /var/tmp instead. ``gateway``
    takes the connections that it opens; without one nothing can be reached.
    """

    def __init__(
        self,
        environment: Environment,
        folder: Path,
        *,
        silence_seconds: float = SILENCE_SECONDS,
        gateway: Gateway | None = None,
    ) -> None:
        refuse_image(environment, "bubblewrap")
        end = BubblewrapEnd(environment.config, new_folder(*folders_in(folder)), folder)
        super().__init__(end, environment.config.env, silence_seconds=silence_seconds, gateway=gateway)


class BubblewrapEnd:
    """One process under bubblewrap, and its folders on the host."""

    def __init__(self, config: EnvironmentConfig, folder: Path, kept: Path) -> None:
        self._config = config
        self._kept = kept
        self._folder = folder
        self._hold: int | None = None
        self._process: SupervisorProcess | None = None
        self._watch: DiskWatch | None = None

    @property
    def kind(self) -> Literal["bubblewrap"]:
        """Say which it is."""
        return "bubblewrap"

    @property
    def layout(self) -> Layout:
        """Say where things are inside."""
        return Layout()

    def check(self) -> JsonObject:
        """Run an empty sandbox. Raises SandboxError with what keeps it from working."""
        version = bubblewrap_version()
        with tempfile.TemporaryDirectory(prefix="agentctl-", dir="/var/tmp") as folder:
            probe(Path(folder), version, ["true"], _PROBE_SECONDS)
        return {"kind": self.kind, "version": ".".join(map(str, version))}

    def prepare(self, progress: Progress) -> JsonObject:
        """Check that it works here, and say what of the environment it cannot hold.

        Raises SandboxError, and UsageError for mounts that must not be.
        """
        binds_of(self._config.mounts)
        if self._config.resources.cpus is not None:
            progress("resources.cpus is not held: bubblewrap has no control group to limit it with")
        facts = self.check()
        if self._config.networking.allow_package_managers:
            facts["package_hosts"] = list(registries(self._ask, _what_is_here(self._config), self._kept))
        return facts

    def _ask(self) -> str:
        env = [f"{name}={value}" for name, value in self._config.env.items()]
        command = ["/usr/bin/env", *env, find_python(), "-I", "-S", "-c", program()]
        with tempfile.TemporaryDirectory(prefix="agentctl-", dir="/var/tmp") as folder:
            return probe(Path(folder), bubblewrap_version(), command, ASK_SECONDS)

    def open(self, session_id: str) -> ByteStream:  # noqa: ARG002
        """Make the folders and start the process. Raises SandboxError."""
        layout = self.layout
        inside = {"workspace": layout.workspace, "outputs": layout.outputs, "uploads": layout.uploads}
        self._hold = make_private_folder(self._folder, tuple(inside), outer_user())
        binds = [(self._folder / name, target) for name, target in inside.items()]
        refuse_full(self._folder)
        python, mounts, settings = find_python(), binds_of(self._config.mounts), []
        if self._config.ca_bundle == "host":
            mounts = (*mounts, Bind(str(ca_bundle_path()), _CA_BUNDLE))
            settings = [word for variable in VARIABLES for word in ("--setenv", variable, _CA_BUNDLE)]
        with Arguments() as arguments:
            told = sandbox_options(arguments, binds, python, bubblewrap_version(), mounts)
            options = arguments.options((*told, *settings))
            command = ["bwrap", *options, python, *PYTHON[1:], BOOTSTRAP]
            self._process = SupervisorProcess(
                command, {"PATH": SYSTEM_PATH}, user=outer_user(), pass_fds=tuple(arguments.descriptors)
            )
        limit = self._config.resources.disk or DEFAULT_DISK
        self._watch = DiskWatch(limit, self._folder, lambda: used_by(self._folder), self._process.kill)
        self._watch.start()
        return self._process.stream

    def config(self) -> JsonObject:
        """Tell the supervisor about its place."""
        resources = self._config.resources
        limits = {"RLIMIT_CORE": 0, "RLIMIT_DATA": resources.memory or DEFAULT_MEMORY}
        if _counts_processes_by_namespace():
            limits["RLIMIT_NPROC"] = resources.pids or DEFAULT_PIDS
        return {"home": HOME, "limits": limits, "memory_limit": None, "quit_at_end": True}

    def facts(self) -> JsonObject:
        """Return facts for the record."""
        return {"isolated": True}

    def cause_of_death(self) -> str:
        """Say why the process is no more. Raises SandboxLimitError where it was stopped for what it took."""
        if self._watch is not None:
            self._watch.raise_reached()
        return self._process.cause_of_death() if self._process is not None else "the sandbox is not started"

    def close(self) -> None:
        """End the process, and with it everything in its namespace, and remove the folders."""
        if self._watch is not None:
            self._watch.stop()
        if self._process is not None:
            self._process.close(at_once=True)
        remove_held(self._folder, self._hold)
        self._hold = None


def probe(folder: Path, version: tuple[int, ...], command: Sequence[str], seconds: float) -> str:
    """Run a program in a sandbox like those of sessions, for what it prints. Raises SandboxError."""
    user = outer_user()
    if user is not None:
        os.chown(folder, user, user)
    identity = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    with Arguments() as arguments:
        options = arguments.options(sandbox_options(arguments, [(folder, "/workspace")], find_python(), version))
        try:
            run = subprocess.run(
                ["bwrap", *options, *command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env={"PATH": SYSTEM_PATH},
                cwd="/",
                timeout=seconds,
                check=False,
                pass_fds=arguments.descriptors,
                **identity,  # type: ignore[call-overload]
            )
        except subprocess.TimeoutExpired as error:
            raise SandboxError(f"bubblewrap did not come up within {seconds:g} s") from error
    if run.returncode:
        raise _refused(run.stderr.decode("utf-8", "backslashreplace"))
    return str(run.stdout, "utf-8", "replace")


def _what_is_here(config: EnvironmentConfig) -> list[object]:
    """Name the programs of this machine, which change when something is installed, and what they may heed."""
    return [*(Path(folder).stat().st_mtime_ns for folder in ("/usr/bin", "/usr/lib")), config.env]


def _refused(said: str) -> SandboxError:
    forbidden = re.search(r"namespace|Operation not permitted|Permission denied|uid map", said)
    line = visible_line(said.strip())[-300:]
    return SandboxError(
        f"bubblewrap cannot make a sandbox here: {line or 'it said nothing'}",
        hint=f"unprivileged user namespaces are forbidden here; {_FORBIDDEN}" if forbidden else None,
    )


@functools.cache
def bubblewrap_version() -> tuple[int, ...]:
    """Ask bubblewrap for its version. Raises SandboxError where it is not installed."""
    try:
        said = subprocess.run(
            ["bwrap", "--version"],
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=True,
            env={"PATH": SYSTEM_PATH},
        ).stdout
    except FileNotFoundError as error:
        raise SandboxError("bubblewrap is not installed", hint=_NOT_INSTALLED) from error
    except (OSError, subprocess.SubprocessError) as error:
        raise SandboxError(f"bubblewrap does not run: {visible_line(str(error))}", hint=_NOT_INSTALLED) from error
    return tuple(int(number) for number in re.findall(r"\d+", said)[:3])


@functools.cache
def find_python() -> str:
    """Find a Python for the sandbox: the system's if it is recent enough, else the one that runs this."""
    system = re.fullmatch(r"python3\.(\d+)", Path(_SYSTEM_PYTHON).resolve().name)
    if system and int(system[1]) >= _LEAST_MINOR:
        return _SYSTEM_PYTHON
    return str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}")


def outer_user() -> int | None:
    """Return the user that bubblewrap runs as, where that is not the one who runs this."""
    return USER if os.geteuid() == 0 else None


def folders_in(folder: Path) -> tuple[Path, str]:
    """Return where the folders of sandboxes are that are to be made in ``folder``, and how their names begin.

    For root they are in /var/tmp, where the names say for which ``folder``: each store has its own.
    """
    if outer_user() is None:
        return folder, PREFIX
    return _FOR_ROOT, f"{PREFIX}{hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:16]}-"


def _counts_processes_by_namespace() -> bool:
    """Say whether RLIMIT_NPROC counts the processes of a user namespace, and not all of its user (Linux 5.14)."""
    numbers = re.findall(r"\d+", os.uname().release)
    return tuple(map(int, numbers[:2])) >= (5, 14)
