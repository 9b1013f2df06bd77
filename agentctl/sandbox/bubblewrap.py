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
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from agentctl.canonical import JsonObject
from agentctl.definitions.environment import Environment, EnvironmentConfig
from agentctl.errors import SandboxError
from agentctl.sandbox.base import Layout, Progress
from agentctl.sandbox.process import (
    PREFIX,
    SYSTEM_PATH,
    SupervisorProcess,
    make_private_folder,
    new_folder,
    refuse_image,
    remove_held,
)
from agentctl.sandbox.streams import ByteStream
from agentctl.sandbox.supervised import BOOTSTRAP, PYTHON, SILENCE_SECONDS, SupervisedSandbox
from agentctl.visible import visible_line

USER = 10001
HOME = "/home/agent"
DEFAULT_MEMORY = 2 << 30
DEFAULT_PIDS = 256

TEMPORARY_BYTES = 1 << 30
"""What fits in /tmp, which is memory."""

_FOR_ROOT = Path("/var/tmp")  # noqa: S108 - what is made in it is private, and nobody else can move it
_PROBE_SECONDS = 10.0
_SYSTEM_PYTHON = "/usr/bin/python3"
_LEAST_MINOR = 8

_PASSWD = f"root:x:0:0:root:/root:/bin/sh\nagent:x:{USER}:{USER}:agent:{HOME}:/bin/bash\n"
_GROUP = f"root:x:0:\nagent:x:{USER}:\n"
_HOSTS = "127.0.0.1 localhost sandbox\n::1 localhost\n"
_NSSWITCH = "passwd: files\ngroup: files\nhosts: files\n"

_DIRECTORIES = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_FROM_ETC = (
    "alternatives",
    "ca-certificates",
    "crypto-policies",
    "debian_version",
    "fonts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "magic",
    "mime.types",
    "os-release",
    "perl",
    "pki/ca-trust",
    "pki/tls/certs",
    "protocols",
    "services",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "vimrc",
)
"""What programs need of /etc; nothing in it is secret."""

_NOT_INSTALLED = "install the package bubblewrap (apt install bubblewrap, dnf install bubblewrap)"
_FORBIDDEN = (
    "as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), or "
    "kernel.unprivileged_userns_clone=1 (Debian), or user.max_user_namespaces=15000; "
    "inside a container it needs --security-opt seccomp=unconfined"
)


class BubblewrapSandbox(SupervisedSandbox):
    """A sandbox of namespaces for one session.

    ``folder`` is where its own folder is made, and removed; for root it is /var/tmp instead.
    """

    def __init__(self, environment: Environment, folder: Path, *, silence_seconds: float = SILENCE_SECONDS) -> None:
        refuse_image(environment, "bubblewrap")
        end = BubblewrapEnd(environment.config, new_folder(*folders_in(folder)))
        super().__init__(end, environment.config.env, silence_seconds=silence_seconds)


class BubblewrapEnd:
    """One process under bubblewrap, and its folders on the host."""

    def __init__(self, config: EnvironmentConfig, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._hold: int | None = None
        self._process: SupervisorProcess | None = None

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
            probe(Path(folder), version)
        return {"kind": self.kind, "version": ".".join(map(str, version))}

    def prepare(self, progress: Progress) -> JsonObject:
        """Check that it works here, and say what of the environment it cannot hold. Raises SandboxError."""
        wanted = self._config.resources
        for name, value in (("cpus", wanted.cpus), ("disk", wanted.disk)):
            if value is not None:
                progress(f"resources.{name} is not held: bubblewrap has no control group to limit it with")
        return self.check()

    def open(self, session_id: str) -> ByteStream:  # noqa: ARG002
        """Make the folders and start the process. Raises SandboxError."""
        layout = self.layout
        inside = {"workspace": layout.workspace, "outputs": layout.outputs, "uploads": layout.uploads}
        self._hold = make_private_folder(self._folder, tuple(inside), outer_user())
        binds = [(self._folder / name, target) for name, target in inside.items()]
        python = find_python()
        with _Arguments() as arguments:
            options = arguments.options(sandbox_options(arguments, binds, python, bubblewrap_version()))
            command = ["bwrap", *options, python, *PYTHON[1:], BOOTSTRAP]
            self._process = SupervisorProcess(
                command, {"PATH": SYSTEM_PATH}, user=outer_user(), pass_fds=tuple(arguments.descriptors)
            )
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
        """Say why the process is no more."""
        return self._process.cause_of_death() if self._process is not None else "the sandbox is not started"

    def close(self) -> None:
        """End the process, and with it everything in its namespace, and remove the folders."""
        if self._process is not None:
            self._process.close(at_once=True)
        remove_held(self._folder, self._hold)
        self._hold = None


class _Arguments:
    """Descriptors that hand texts to bubblewrap."""

    def __init__(self) -> None:
        self.descriptors: list[int] = []

    def __enter__(self) -> "_Arguments":
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self.descriptors:
            os.close(fd)

    def options(self, options: Iterable[str]) -> tuple[str, ...]:
        """Give options that no list of processes shows."""
        return "--args", self.text("".join(f"{option}\0" for option in options)), "--"

    def text(self, text: str) -> str:
        """Give a text as the contents of a file."""
        reading, writing = os.pipe()
        os.write(writing, os.fsencode(text))
        os.close(writing)
        self.descriptors.append(reading)
        return str(reading)


def sandbox_options(
    arguments: _Arguments, binds: list[tuple[Path, str]], python: str, version: tuple[int, ...]
) -> Iterator[str]:
    """Yield what bubblewrap is told, with ``binds`` writable."""
    yield from ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-net", "--unshare-uts")
    yield from ("--unshare-cgroup-try", "--die-with-parent", "--new-session", "--clearenv")
    yield from ("--uid", str(USER), "--gid", str(USER), "--hostname", "sandbox")
    yield from ("--ro-bind", "/usr", "/usr")
    for directory in _DIRECTORIES:
        path = Path(directory)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), directory)
        elif path.is_dir():
            yield from ("--ro-bind", directory, directory)
    prefix = Path(python).resolve().parents[1]
    if not prefix.is_relative_to("/usr"):
        yield from ("--ro-bind", str(prefix), str(prefix))
    yield from ("--proc", "/proc", "--dev", "/dev")
    yield from _etc(arguments)
    for folder in ("/tmp", HOME):  # noqa: S108 - paths inside the sandbox
        yield from ("--size", str(TEMPORARY_BYTES)) if version >= (0, 7) else ()
        yield from ("--tmpfs", folder)
    for source, target in binds:
        yield from ("--bind", str(source), target)
    yield from ("--remount-ro", "/", "--chdir", "/")
    yield from ("--setenv", "PATH", SYSTEM_PATH, "--setenv", "LANG", "C.UTF-8", "--setenv", "HOME", HOME)


def _etc(arguments: _Arguments) -> Iterator[str]:
    made = {"passwd": _PASSWD, "group": _GROUP, "hosts": _HOSTS, "nsswitch.conf": _NSSWITCH}
    for name, text in made.items():
        yield from ("--ro-bind-data", arguments.text(text), f"/etc/{name}")
    for name in _FROM_ETC:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")


def probe(folder: Path, version: tuple[int, ...]) -> None:
    """Run ``true`` in a sandbox like those of sessions. Raises SandboxError."""
    user = outer_user()
    if user is not None:
        os.chown(folder, user, user)
    identity = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    with _Arguments() as arguments:
        options = arguments.options(sandbox_options(arguments, [(folder, "/workspace")], find_python(), version))
        try:
            run = subprocess.run(
                ["bwrap", *options, "true"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env={"PATH": SYSTEM_PATH},
                cwd="/",
                timeout=_PROBE_SECONDS,
                check=False,
                pass_fds=arguments.descriptors,
                **identity,  # type: ignore[call-overload]
            )
        except subprocess.TimeoutExpired as error:
            raise SandboxError(f"bubblewrap did not come up within {_PROBE_SECONDS:g} s") from error
    if run.returncode:
        raise _refused(run.stderr.decode("utf-8", "backslashreplace"))


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
