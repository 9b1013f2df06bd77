# ruff: noqa: PTH208, SIM105
"""Processes: to start them, to find them however they hide, to end them."""

from __future__ import annotations

import os
import re
import signal
import time

from agentctl.sandbox.inside.outcome import ToolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_KILL_SECONDS = 3.0
_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36


class Killer:
    """Ends every descendant of the supervisor but the spared ones and what belongs to those.

    They are asked first and, after the grace, killed. It is done step by step, so that nobody
    waits for it.
    """

    def __init__(self, spared: set[tuple[int, str]], own: set[int], grace_seconds: float) -> None:
        self.spared, self.own = spared, own
        self.kill_at = time.monotonic() + grace_seconds
        self.give_up_at = float("inf")
        self.asked: set[int] = set()

    def step(self, now: float) -> bool:
        """Go on with it; say whether it is done."""
        victims = self.victims()
        if not victims or now > self.give_up_at:
            return True
        if now < self.kill_at:
            for pid in victims - self.asked:
                send_signal(pid, signal.SIGTERM)
                send_signal(pid, signal.SIGCONT)
            self.asked |= victims
        else:
            for pid in self.held(victims):
                send_signal(pid, signal.SIGKILL)
            self.give_up_at = min(self.give_up_at, now + _KILL_SECONDS)  # of those that were killed, however late
        return False

    def held(self, victims: set[int]) -> set[int]:
        """Stop everybody first, so that nobody has a child while the others die."""
        stopped: set[int] = set()
        for _ in range(50):
            if not victims - stopped:
                break
            for pid in victims - stopped:
                send_signal(pid, signal.SIGSTOP)
            stopped |= victims
            victims = self.victims()
        return stopped

    def victims(self) -> set[int]:
        """List who is to end."""
        family: dict[int, list[tuple[int, str]]] = {}
        for pid, (parent, start, state) in all_processes().items():
            if state not in "ZX":
                family.setdefault(parent, []).append((pid, start))
        found: set[int] = set()
        open_ends = [os.getpid()]
        while open_ends:
            for pid, start in family.get(open_ends.pop(), ()):
                if (pid, start) not in self.spared and pid not in self.own and pid not in found:
                    found.add(pid)
                    open_ends.append(pid)
        return found


def all_processes() -> dict[int, tuple[int, str, str]]:
    """List every process that can be seen: its parent, when it began, its state."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            facts = process_facts(int(name))
            if facts is not None:
                found[int(name)] = facts
    return found


def process_facts(pid: int) -> tuple[int, str, str] | None:
    """Read who a process's parent is, when it began and its state; None if it has gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            fields = file.read(4096).rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[1]), fields[19].decode(), fields[0].decode()


def running_already(shell: int | None) -> set[tuple[int, str]]:
    """List the jobs that already run: children of the shell, and orphans that came to us."""
    parents = [os.getpid()] + ([shell] if shell is not None else [])
    pids = {pid for parent in parents for pid in children_of(parent)} - {shell}
    return {(pid, facts[1]) for pid, facts in ((pid, process_facts(pid)) for pid in pids) if facts}


def children_of(parent: int) -> Iterable[int]:
    """List the children of a process that has one thread."""
    try:
        with open(f"/proc/{parent}/task/{parent}/children", "rb", buffering=0) as file:
            return [int(pid) for pid in file.read(1 << 20).split()]
    except OSError:  # a kernel without that file
        return [pid for pid, facts in all_processes().items() if facts[0] == parent]


def send_signal(pid: int, number: int) -> None:
    """Send a signal to a process that may have gone."""
    try:
        os.kill(pid, number)
    except OSError:
        pass


def fork() -> int:
    """Fork. Raises ToolError where no process can be started."""
    try:
        return os.fork()
    except OSError as error:
        text = f"no process can be started ({error.strerror}); bash with restart: true ends all that run"
        raise ToolError(text) from error


def spawn(
    arguments: list[str],
    environment: dict[str, str],
    descriptors: tuple[int, int, int],
    folder: str,
    limits: dict[str, int] | None = None,
) -> int:
    """Start a program in a session of its own, with resource limits named as in the resource module."""
    pid = fork()
    if pid:
        return pid
    try:
        os.setsid()
        for target, fd in enumerate(descriptors):
            os.dup2(fd, target)
        os.chdir(folder)
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        be_expendable()
        set_limits(limits or {})
        os.execve(arguments[0], arguments, environment)  # noqa: S606
    finally:
        os._exit(127)


def set_limits(limits: dict[str, int]) -> None:
    """Lower resource limits."""
    if limits:
        import resource

        for name, value in limits.items():
            number = getattr(resource, name)
            hard = resource.getrlimit(number)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(number, (value, value))


def be_expendable() -> None:
    """Die when the supervisor does, and before it when memory runs out."""
    prctl(_SET_PDEATHSIG, signal.SIGKILL)
    try:
        with open("/proc/self/oom_score_adj", "wb", buffering=0) as file:
            file.write(b"800")
    except OSError:
        pass


def become_subreaper() -> None:
    """Have orphans come to us instead of to the first process, so that they can be found."""
    prctl(_SET_CHILD_SUBREAPER, 1)


def prctl(option: int, value: int) -> None:
    """Call prctl(2), where the machine can."""
    import ctypes

    try:
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
    except (OSError, AttributeError):
        pass


def count_oom_kills() -> int:
    """Read how many processes of this container were killed for want of memory."""
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        try:
            with open(path, "rb", buffering=0) as file:
                match = re.search(rb"^oom_kill (\d+)$", file.read(4096), re.MULTILINE)
        except OSError:
            continue
        if match:
            return int(match[1])
    return 0


def exit_code(status: int) -> int:
    """Write a wait status as a shell does: 128 and the signal for a process that was killed."""
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def signal_name(number: int) -> str:
    """Name a signal; an empty text for a number that is none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""
