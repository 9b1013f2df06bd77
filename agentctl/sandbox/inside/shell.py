# ruff: noqa: PTH115, SIM105
"""The shell that lives as long as the session, or until somebody ends it."""

from __future__ import annotations

import os

from agentctl.sandbox.inside.outcome import ToolError
from agentctl.sandbox.inside.processes import exit_code, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket as Socket  # noqa: N812

    from agentctl.sandbox.inside.bash import BashCall
    from agentctl.sandbox.inside.supervisor import Supervisor


class Scratch:
    """A file in memory that other processes of this user open by a path under /proc, whatever becomes of the disk."""

    def __init__(self, name: str) -> None:
        self.fd = os.memfd_create(name)
        self.path = f"/proc/{os.getpid()}/fd/{self.fd}"

    def write(self, data: bytes) -> None:
        """Replace what is in it."""
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, data, 0)

    def read(self) -> bytes:
        """Return what is in it."""
        return os.pread(self.fd, os.fstat(self.fd).st_size, 0)


class Shell:
    """A bash that reads its orders from a socket and reports each one's exit status on it.

    A command is a file that the shell sources, so an unclosed quote is an error like any other.
    The socket is the shell's standard input, in whose place the command has /dev/null: nothing that
    a command starts inherits the socket. A shell that ends by itself leaves its folder and its
    exported variables, for the next one to take over.
    """

    def __init__(self, supervisor: Supervisor, folder: str) -> None:
        from socket import socketpair

        self.supervisor = supervisor
        self.call: BashCall | None = None
        self.socket: Socket
        self.socket, theirs = socketpair()
        self.socket.setblocking(False)
        supervisor.last_folder.write(b"")
        with theirs:
            self.pid = self.spawn(theirs.fileno(), folder)
        supervisor.loop.watch(self.socket.fileno(), self.on_report)
        self.order(self.first_order())

    def spawn(self, stdin: int, folder: str) -> int:
        """Start bash, in the workspace if ``folder`` is gone."""
        config = self.supervisor.config
        self.known_folder: str = next(filter(os.path.isdir, (folder, config["layout"]["workspace"], "/")))
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            return spawn(
                ["/bin/bash", "--noprofile", "--norc"],
                self.supervisor.environment(),
                (stdin, null, null),
                self.known_folder,
                config["limits"],
            )
        except OSError as error:
            raise ToolError(f"bash cannot be started: {error}") from error
        finally:
            os.close(null)

    def first_order(self) -> str:
        """Take over exported variables, if there are; at the end leave them, and where the shell was."""
        exports, folder = self.supervisor.exports.path, self.supervisor.last_folder.path
        leave = f"{{ builtin pwd -P >{folder}; builtin export -p >{exports}; }} 2>/dev/null"
        return f"builtin . {exports} </dev/null >/dev/null 2>&1; : >{exports}; builtin trap {quote(leave)} EXIT\n"

    def source(self, output: str) -> None:
        """Run the script with its output to a pipe; ``call`` hears of its exit status."""
        script = self.supervisor.script.path
        self.order(f"builtin . {script} </dev/null >{output} 2>&1; builtin printf '%d\\n' \"$?\" >&0\n")

    def order(self, text: str) -> None:
        """Send an order to the shell."""
        try:
            self.socket.send(text.encode())
        except OSError:
            pass  # it has just ended, which on_exit tells

    def on_report(self) -> None:
        """Read the exit status of the command."""
        try:
            report = self.socket.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            report = b""
        if not report:
            self.supervisor.loop.forget(self.socket.fileno())
        elif self.call is not None and report.strip().isdigit():
            self.call.on_status(int(report))

    def on_exit(self, status: int) -> None:
        """Let the call know that its shell is gone."""
        self.supervisor.loop.forget(self.socket.fileno())
        self.socket.close()
        self.supervisor.on_shell_exit(self)
        if self.call is not None:
            self.call.on_shell_exit(exit_code(status), killed=os.WIFSIGNALED(status))

    def look_where(self) -> str:
        """Find out where the shell is, while it is there; else where it was last seen."""
        try:
            self.known_folder = os.readlink(f"/proc/{self.pid}/cwd")
        except OSError:
            pass
        return self.known_folder

    def last_folder(self) -> str:
        """Find out where the shell was when it ended: what it said, or else where it was last seen."""
        said = os.fsdecode(self.supervisor.last_folder.read()).rstrip("\n")
        return said or self.known_folder


def quote(text: str) -> str:
    """Quote a text for the shell."""
    return "'" + text.replace("'", "'\\''") + "'"
