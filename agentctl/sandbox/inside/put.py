# ruff: noqa: PTH101, PTH103, PTH112, PTH118, PTH211
"""Files on their way in: a child unpacks the tar stream as it comes."""

from __future__ import annotations

import json
import os
import select
from collections import deque

from agentctl.sandbox.inside.child import be_child
from agentctl.sandbox.inside.files import nanoseconds_of
from agentctl.sandbox.inside.loop import read_some
from agentctl.sandbox.inside.outcome import ToolError, reason_of
from agentctl.sandbox.inside.output import write_all
from agentctl.sandbox.inside.processes import fork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from tarfile import TarFile, TarInfo

    from agentctl.sandbox.inside.outcome import Message
    from agentctl.sandbox.inside.supervisor import Supervisor


class Put:
    """One stream: what has come of it and is not yet passed on, and what the child says at the end."""

    def __init__(self, supervisor: Supervisor, message: Message) -> None:
        self.supervisor, self.message = supervisor, message
        self.report = bytearray()
        self.backlog: deque[memoryview] = deque()
        self.ended = False
        target = os.path.join(supervisor.config["layout"]["workspace"], message["target"])
        (data_out, self.data), (self.answer, answer_in) = os.pipe(), os.pipe()
        try:
            self.pid = fork()
        except ToolError:
            for fd in (data_out, self.data, self.answer, answer_in):
                os.close(fd)
            raise
        if self.pid == 0:
            os.close(self.data)
            be_child(supervisor, answer_in, lambda: unpack(data_out, target, message.get("gone", ())))
        os.close(data_out)
        os.close(answer_in)
        for fd in (self.data, self.answer):
            os.set_blocking(fd, False)
        supervisor.loop.watch(self.answer, self.on_answer)

    def take(self, data: bytes, *, ended: bool) -> None:
        """Pass bytes on; no more frames are taken while the child has enough to do."""
        self.backlog.append(memoryview(data))
        self.ended = ended
        self.pass_on()

    def pass_on(self) -> None:
        """Write what the child takes now."""
        try:
            while self.backlog:
                rest = self.backlog[0][os.write(self.data, self.backlog[0]) :]
                if rest:
                    self.backlog[0] = rest
                else:
                    self.backlog.popleft()
        except BlockingIOError:
            self.supervisor.loop.watch(self.data, self.pass_on, select.POLLOUT)
            self.supervisor.pipe.pause()
            return
        except OSError:  # the child is gone and has said why
            self.backlog.clear()
        self.supervisor.loop.forget(self.data)
        self.supervisor.pipe.listen()
        if self.ended:
            self.close()

    def close(self) -> None:
        """Let the child see the end of the stream."""
        if self.data >= 0:
            self.supervisor.loop.forget(self.data)
            os.close(self.data)
            self.data = -1

    def on_answer(self) -> None:
        """Tell the harness what the child says of it; what is still to come is of no use."""
        data = read_some(self.answer)
        if data:
            self.report += data
        elif data == b"":
            self.supervisor.loop.forget(self.answer)
            os.close(self.answer)
            self.close()
            del self.supervisor.puts[self.message["channel"]]
            self.supervisor.pipe.listen()
            self.supervisor.pipe.reply(self.message, **self.said())

    def said(self) -> Message:
        """Return what the child said."""
        said: Message = json.loads(self.report or b'{"error": "the files could not be unpacked"}')
        return {"error": said["content"][0]["text"]} if "content" in said else said


def unpack(data: int, target: str, gone: Iterable[str]) -> Message:
    """Remove what is gone, and unpack a tar stream beneath ``target``; this is the child."""
    import tarfile

    folders: list[tuple[str, int]] = []
    parents = {""}
    files = 0
    for path in sorted(gone, reverse=True):
        remove(path)
    try:
        os.makedirs(target, exist_ok=True)
        with os.fdopen(data, "rb") as stream, tarfile.open(fileobj=stream, mode="r|", bufsize=1 << 16) as tar:
            for member in iter(tar.next, None):
                tar.members.clear()  # type: ignore[attr-defined] # it would keep them all
                path = os.path.join(target, checked(member.name))
                parent = path.rpartition("/")[0]
                if parent not in parents:
                    os.makedirs(parent, exist_ok=True)
                    parents.add(parent)
                if member.isdir():
                    if not os.path.isdir(path):
                        remove(path)
                    os.makedirs(path, exist_ok=True)
                    folders.append((path, member.mode))
                else:
                    unpack_member(tar, member, path)
                    files += 1
        for path, mode in reversed(folders):
            os.chmod(path, mode & 0o777)
    except (OSError, tarfile.TarError) as error:
        raise ToolError(reason_of(error)) from error
    return {"files": files}


def remove(path: str) -> None:
    """Remove a file, a link or an empty folder, if it is there."""
    for deed in (os.unlink, os.rmdir):
        try:
            deed(path)
        except OSError:
            continue
        return


def unpack_member(tar: TarFile, member: TarInfo, path: str) -> None:
    """Make one file or symbolic link."""
    if os.path.lexists(path):
        remove(path)
    times = (nanoseconds_of(member.mtime) + member.uid * 1000,) * 2  # as ``sandbox.archive`` writes it
    if member.issym():
        os.symlink(member.linkname, path)
        os.utime(path, ns=times, follow_symlinks=False)
        return
    source = tar.extractfile(member)
    if source is None:
        raise ToolError(f"neither a file nor a folder nor a link: {member.name}")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        while True:
            piece = source.read(1 << 18)
            if not piece:
                break
            write_all(fd, piece)
        os.fchmod(fd, member.mode & 0o777)
        os.utime(fd, ns=times)
    finally:
        os.close(fd)


def checked(path: str) -> str:
    """Return ``path`` if it leads nowhere else. Raises ToolError."""
    if path.startswith("/") or ".." in path.split("/"):
        raise ToolError(f"a path that leads elsewhere: {path}")
    return path
