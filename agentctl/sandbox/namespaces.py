"""What bubblewrap is told: which part of this machine is there inside, and what is kept out.

What has no number in the table of system calls (machines other than x86_64 and aarch64) runs without a
filter; the namespaces are what holds it then.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from agentctl.sandbox.mounts import Bind
from agentctl.sandbox.process import SYSTEM_PATH
from agentctl.sandbox.seccomp import kernel_program

USER = 10001
HOME = "/home/agent"

SHARED_BYTES = 64 << 20
"""What fits in shared memory."""

TEMPORARY_BYTES = 1 << 30
"""What fits in /tmp, which is memory."""

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


class Arguments:
    """Descriptors that hand texts to bubblewrap."""

    def __init__(self) -> None:
        self.descriptors: list[int] = []

    def __enter__(self) -> "Arguments":
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self.descriptors:
            os.close(fd)

    def options(self, options: Iterable[str]) -> tuple[str, ...]:
        """Give options that no list of processes shows."""
        return "--args", self.text("".join(f"{option}\0" for option in options)), "--"

    def text(self, text: str) -> str:
        """Give a text as the contents of a file."""
        return self.data(os.fsencode(text))

    def data(self, data: bytes) -> str:
        """Give bytes, of which a pipe takes 64 KiB, as the contents of a file."""
        reading, writing = os.pipe()
        os.write(writing, data)
        os.close(writing)
        self.descriptors.append(reading)
        return str(reading)


def sandbox_options(
    arguments: Arguments,
    binds: Iterable[tuple[Path, str]],
    python: str,
    version: tuple[int, ...],
    mounts: Iterable[Bind] = (),
) -> Iterator[str]:
    """Yield what bubblewrap is told, with ``binds`` writable and ``mounts`` not."""
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
    if version >= (0, 7):
        # What is written to /dev is memory that nothing else bounds.
        yield from ("--size", str(SHARED_BYTES), "--tmpfs", "/dev/shm", "--remount-ro", "/dev")  # noqa: S108
    yield from _etc(arguments)
    for folder in ("/tmp", HOME):  # noqa: S108 - paths inside the sandbox
        yield from ("--size", str(TEMPORARY_BYTES)) if version >= (0, 7) else ()
        yield from ("--tmpfs", folder)
    for source, target in binds:
        yield from ("--bind", str(source), target)
    for mount in mounts:
        yield from ("--ro-bind", mount.source, mount.target)
    program = kernel_program()
    if program is not None:
        yield from ("--seccomp", arguments.data(program))
    yield from ("--remount-ro", "/", "--chdir", "/")
    yield from ("--setenv", "PATH", SYSTEM_PATH, "--setenv", "LANG", "C.UTF-8", "--setenv", "HOME", HOME)


def _etc(arguments: Arguments) -> Iterator[str]:
    made = {"passwd": _PASSWD, "group": _GROUP, "hosts": _HOSTS, "nsswitch.conf": _NSSWITCH}
    for name, text in made.items():
        yield from ("--ro-bind-data", arguments.text(text), f"/etc/{name}")
    for name in _FROM_ETC:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
