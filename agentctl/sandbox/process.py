"""No sandbox at all: the supervisor in a plain process, in a temporary folder.

There is no isolation here. What runs is this user on this machine, only its environment is clean
and its folders are its own. It is used where it was asked for by name.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Literal

from agentctl.canonical import JsonObject
from agentctl.definitions.environment import Environment
from agentctl.errors import SandboxError, UsageError
from agentctl.sandbox.base import Layout, Progress
from agentctl.sandbox.pipe.program import BOOTSTRAP, PYTHON
from agentctl.sandbox.pipe.streams import DescriptorStream
from agentctl.sandbox.supervised import SILENCE_SECONDS, SupervisedSandbox
from agentctl.signals import name_of
from agentctl.visible import visible_line

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

PREFIX = "agentctl-"
"""What the names of the folders of sandboxes begin with; sixteen hexadecimal digits follow."""

_MARK = "AGENTCTL_SANDBOX"
"""A variable that every process of a sandbox of this kind has, with the name of its folder."""

_NEW = ".new"
_GOODBYE_SECONDS = 5.0
_DYING_SECONDS = 5.0
_MOST_SAID = 4_096


class ProcessSandbox(SupervisedSandbox):
    """A plain process for one session; ``folder`` is where its own folder is made, and removed.

    It has this machine's own network. A proxy beside it would hold nobody back, and its port would be
    open to every other program of this machine, so there is none.
    """

    def __init__(self, environment: Environment, folder: Path, *, silence_seconds: float = SILENCE_SECONDS) -> None:
        refuse_image(environment, "none")
        super().__init__(ProcessEnd(new_folder(folder)), environment.config.env, silence_seconds=silence_seconds)


class ProcessEnd:
    """A plain process in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hold: int | None = None
        self._process: SupervisorProcess | None = None

    @property
    def kind(self) -> Literal["none"]:
        """Say which it is."""
        return "none"

    @property
    def layout(self) -> Layout:
        """Say where things are: all beneath one folder."""
        names = ("workspace", "outputs", "uploads", "tmp")
        return Layout(*(str(self._folder / name) for name in names))

    def prepare(self, progress: Progress) -> JsonObject:  # noqa: ARG002
        """There is nothing to prepare."""
        return self.check()

    def check(self) -> JsonObject:
        """See whether there is a bash, which is all that is needed. Raises SandboxError."""
        if not os.access("/bin/bash", os.X_OK):
            raise SandboxError("there is no /bin/bash on this machine", hint="install the package bash")
        return {"kind": self.kind}

    def open(self, session_id: str) -> DescriptorStream:  # noqa: ARG002
        """Start the process. Raises SandboxError."""
        self._hold = make_private_folder(self._folder)
        python = [sys.executable or "python3", *PYTHON[1:], BOOTSTRAP]
        environment = {"PATH": os.environ.get("PATH", SYSTEM_PATH), "LANG": "C.UTF-8", _MARK: self._folder.name}
        self._process = SupervisorProcess(python, environment)
        return self._process.stream

    def config(self) -> JsonObject:
        """Tell the supervisor about its place."""
        limits = {"RLIMIT_CORE": 0}
        return {"home": str(self._folder / "home"), "limits": limits, "memory_limit": None, "quit_at_end": True}

    def facts(self) -> JsonObject:
        """Return facts for the record."""
        return {"isolated": False}

    def cause_of_death(self) -> str:
        """Say why the process is no more."""
        return self._process.cause_of_death() if self._process is not None else "the sandbox is not started"

    def close(self) -> None:
        """End the process and what it started, and remove the folder."""
        if self._process is not None:
            self._process.close()
            end_processes_of(self._folder)
        remove_held(self._folder, self._hold)
        self._hold = None


class SupervisorProcess:
    """A child of this process that talks on its standard input and output.

    It must be made by a thread that lives as long as it shall.
    """

    def __init__(
        self,
        command: list[str],
        environment: dict[str, str],
        *,
        user: int | None = None,
        pass_fds: tuple[int, ...] = (),
    ) -> None:
        identity = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=environment,
                cwd="/",
                start_new_session=True,
                pass_fds=pass_fds,
                **identity,  # type: ignore[call-overload]
            )
        except OSError as error:
            raise SandboxError(f"cannot start {command[0]}: {(error.strerror or str(error)).lower()}") from error
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        self.stream = DescriptorStream(os.dup(stdout.fileno()), os.dup(stdin.fileno()))
        stdin.close()
        stdout.close()
        self._said = bytearray()
        self._listener = threading.Thread(target=self._listen, args=(stderr,), name="sandbox-stderr", daemon=True)
        self._listener.start()

    def cause_of_death(self) -> str:
        """Say why the process is no more."""
        try:
            code = self._process.wait(_DYING_SECONDS)
        except subprocess.TimeoutExpired:
            return "the sandbox closed its pipe"
        self._listener.join(1.0)
        how = f"killed by {name_of(-code)}" if code < 0 else f"exit code {code}"
        said = visible_line(self._said.decode("utf-8", "backslashreplace").strip())[-500:]
        return f"the sandbox died: {how}{f': {said}' if said else ''}"

    def kill(self) -> None:
        """End it at once, and nothing more; from any thread."""
        self._process.kill()

    def close(self, *, at_once: bool = False) -> None:
        """End it: a supervisor that sees the end of its input ends all that it has started."""
        self.stream.close()
        if not at_once:
            try:
                self._process.wait(_GOODBYE_SECONDS)
            except subprocess.TimeoutExpired:
                at_once = True
        if at_once:
            self._process.kill()
        self._process.wait()
        self._listener.join(1.0)

    def _listen(self, stderr: IO[bytes]) -> None:
        with stderr:
            while data := stderr.read(_MOST_SAID):
                self._said += data
                del self._said[:-_MOST_SAID]


def refuse_image(environment: Environment, kind: str) -> None:
    """Refuse an environment that needs an image. Raises UsageError."""
    config = environment.config
    packages = [name for name in ("apt", "cargo", "gem", "go", "npm", "pip") if getattr(config.packages, name)]
    wanted = [*(f"packages.{name}" for name in packages), *(["setup"] if config.setup else [])]
    wanted += ["user: root"] if config.user == "root" else []
    wanted += ["mounts"] if config.mounts and kind == "none" else []
    if wanted:
        raise UsageError(
            f"environment {visible_line(environment.name)} has {' and '.join(wanted)}, "
            f"which a sandbox of kind {kind} cannot have",
            hint="use --sandbox docker, which builds an image with what it needs",
        )


def new_folder(parent: Path, prefix: str = PREFIX) -> Path:
    """Name a folder that is not there yet."""
    return parent.absolute() / f"{prefix}{secrets.token_hex(8)}"


def make_private_folder(folder: Path, inside: tuple[str, ...] = (), user: int | None = None) -> int:
    """Make a folder, and folders in it, that only this user sees, or the other ``user``. Raises SandboxError.

    Returns a descriptor that holds the folder until it is closed, by the kernel if by nobody else:
    a folder that nobody holds is a leftover.
    """
    making = folder.with_name(folder.name + _NEW)  # under its name it is never seen without its holder
    with contextlib.ExitStack() as undone:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            making.mkdir(mode=0o700)
            hold = os.open(making, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            undone.callback(os.close, hold)
            fcntl.flock(hold, fcntl.LOCK_EX)
            for name in inside:
                (making / name).mkdir(mode=0o700)
            if user is not None:
                for path in (*(making / name for name in inside), making):
                    os.chown(path, user, user, follow_symlinks=False)
            making.rename(folder)
        except OSError as error:
            raise SandboxError(f"cannot make {visible_line(str(folder))}: {error.strerror}") from error
        undone.pop_all()
        return hold


def remove_held(folder: Path, hold: int | None) -> None:
    """Remove a folder, then let go of it."""
    remove_folder(folder)
    if hold is not None:
        os.close(hold)


def end_processes_of(folder: Path) -> None:
    """End what the supervisor in that folder could not, because somebody killed it first."""
    mark = f"{_MARK}={folder.name}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), signal.SIGKILL)
            except OSError:
                continue


def remove_folder(folder: Path) -> None:
    """Remove a folder whatever is in it: however deep, and whatever its modes."""
    for program in (["rm", "-rf"], ["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
        if not folder.exists():
            return
        with contextlib.suppress(OSError):  # without descriptors no program can be started
            command, environment = [*program, "--", str(folder)], {"PATH": SYSTEM_PATH}
            subprocess.run(command, stderr=subprocess.DEVNULL, check=False, env=environment)
    shutil.rmtree(folder, ignore_errors=True)
