"""The way out: a proxy's port on the loopback, each of whose connections is a channel of the pipe.

Nothing is understood here: bytes go to the harness, which decides, and come back from it. Whatever
a client does, the loop goes on: a few connections at a time are seen to, none is written to or read
from that would block, and no more of any is kept than its window.
"""

from __future__ import annotations

import select
import struct
from collections import deque

from agentctl.sandbox.inside.frames import (
    CONNECTIONS,
    CREDIT,
    END,
    MOST_CONNECTIONS,
    OPEN,
    RESET,
    WINDOW,
    control,
    credit,
    frames_of,
)
from agentctl.sandbox.inside.pipe import PIECE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket as Socket  # noqa: N812

    from agentctl.sandbox.inside.supervisor import Supervisor

_AT_ONCE = 4
_ACCEPTED_AT_ONCE = 16
_WAITING = 1_024
_FIRST = 4 << 10


class Relay:
    """Listens on the loopback and has every connection, each until both of its ends are done with it."""

    def __init__(self, supervisor: Supervisor, port: int) -> None:
        import socket

        self.supervisor = supervisor
        self.links: dict[int, Link] = {}
        self.count = 0
        self.last_channel = CONNECTIONS - 1
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.setblocking(False)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(_WAITING)
        # One descriptor for all: the loop's own poll does not grow with the connections, and sees
        # to the pipe after every few of them.
        self.epoll = select.epoll()
        self.epoll.register(self.listener.fileno(), select.EPOLLIN)
        supervisor.loop.watch(self.epoll.fileno(), self.work)

    def work(self) -> None:
        """See to some of the connections that are ready; the others are next."""
        ready = dict(self.epoll.poll(0, _AT_ONCE))
        calls = ready.pop(self.listener.fileno(), None)
        for fd, events in ready.items():
            link = self.links.get(fd)
            if link is not None:
                link.on_event(events)
        if calls is not None:  # last, for a new one may have the number of one that has just ended
            self.accept()
        self.supervisor.pipe.flush()

    def accept(self) -> None:
        """Take connections, and refuse those that are too many."""
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                client = self.listener.accept()[0]
            except OSError:  # nobody more, or no descriptor for one
                return
            if self.count >= MOST_CONNECTIONS:
                cut(client)
            else:
                self.last_channel += 1
                Link(self, client, self.last_channel)

    def leave(self) -> None:
        """Leave everything to the supervisor; a child does this."""
        self.epoll.close()
        self.listener.close()
        for link in self.links.values():
            link.client.close()


class Link:
    """One connection: what the client sends goes on as there is room, what it is sent waits until it reads.

    ``has_said_end`` and ``has_heard_end`` are about the pipe: END or RESET was sent, or has come.
    """

    def __init__(self, relay: Relay, client: Socket, channel: int) -> None:
        import socket

        self.relay, self.client, self.channel = relay, client, channel
        self.pipe = relay.supervisor.pipe
        self.fd = client.fileno()
        self.room = WINDOW
        self.written = 0
        self.backlog: deque[memoryview] = deque()
        self.has_said_end = self.has_heard_end = False
        self.is_served = True
        self.has_shut = self.is_cut = False
        relay.count += 1
        relay.links[self.fd] = relay.supervisor.channels[channel] = self
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        relay.epoll.register(self.fd, select.EPOLLONESHOT)
        self.pipe.tell(control(channel, OPEN))
        # The client of a proxy speaks first, and has spoken by now, mostly: that goes along.
        if self.fill(self.pipe.unsent, _FIRST):
            self.pipe.serve(self)

    # The client.

    def on_event(self, events: int) -> None:
        """Write what can be written, and have what can be read sent when it is this one's turn."""
        self.write()
        if self.is_cut:
            return
        if events & select.EPOLLERR or (events & select.EPOLLHUP and self.has_said_end):
            self.break_off()
        elif events & (select.EPOLLIN | select.EPOLLHUP) and self.may_read():
            self.is_served = True
            self.pipe.serve(self)
        elif not events & select.EPOLLHUP:  # which would not cease to be told
            self.listen()

    def may_read(self) -> bool:
        """Say whether anything is wanted of the client, and room for it."""
        return not self.has_said_end and not self.is_served and self.room > 0

    def listen(self) -> None:
        """Hear once of what is worth hearing of."""
        wanted = (select.EPOLLIN if self.may_read() else 0) | (select.EPOLLOUT if self.backlog else 0)
        self.relay.epoll.modify(self.fd, wanted | select.EPOLLONESHOT)

    def fill(self, unsent: deque[memoryview], piece: int = PIECE) -> bool:
        """Queue a piece of what the client has sent; say whether there may be more at once."""
        if self.is_cut:
            return False
        most = min(piece, self.room)
        try:
            data = self.client.recv(most)
        except BlockingIOError:
            return self.served()
        except OSError:
            unsent.append(control(self.channel, RESET))
            self.end_for_good()
            return False
        if data:
            self.acknowledge()
            self.room -= len(data)
            unsent.extend(frames_of(self.channel, data))
            return (len(data) == most and self.room > 0) or self.served()
        unsent.append(control(self.channel, END))
        self.has_said_end = True
        return self.served()

    def acknowledge(self) -> None:
        """Have the kernel say at once that what the client sent has come.

        A client that does not set TCP_NODELAY sends nothing small before it hears that, and from a server that
        has nothing to say it would hear it only after 40 ms.
        """
        import socket

        self.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def served(self) -> bool:
        """Wait for the client again."""
        self.is_served = False
        if not self.is_over():
            self.listen()
        return False

    def write(self) -> None:
        """Write what the client takes now."""
        try:
            while self.backlog:
                written = self.client.send(self.backlog[0])
                self.written += written
                if written < len(self.backlog[0]):
                    self.backlog[0] = self.backlog[0][written:]
                else:
                    self.backlog.popleft()
        except BlockingIOError:
            pass
        except OSError:
            self.break_off()
            return
        if self.written >= WINDOW // 2 and not self.has_heard_end:
            self.pipe.tell(credit(self.channel, self.written))
            self.written = 0
        if self.has_heard_end and not self.backlog and not self.has_shut:
            self.end_writing()

    def end_writing(self) -> None:
        """Let the client see the end, and be done when it has ended too."""
        self.has_shut = True
        if not self.is_over():
            try:
                self.client.shutdown(1)
            except OSError:
                self.break_off()

    def is_over(self) -> bool:
        """Be done with it, if both ends are and everything is written; say so."""
        if not self.is_cut and self.has_said_end and self.has_heard_end and not self.backlog:
            self.close()
        return self.is_cut

    # The harness.

    def take(self, flags: int, payload: bytes) -> None:
        """Take bytes for the client, or what the harness says of the connection."""
        if flags == RESET:
            if not self.has_said_end:
                self.pipe.tell(control(self.channel, RESET))
            self.drop()
        elif self.is_cut:
            if flags == END:
                self.forget()
        elif flags == CREDIT:
            was_full = self.room <= 0
            self.room += int.from_bytes(payload, "big")
            if was_full:
                self.listen()
        else:
            self.has_heard_end = flags == END
            self.backlog.extend([memoryview(payload)] if payload else ())
            self.write()
            if self.backlog:
                self.listen()

    # The end.

    def break_off(self) -> None:
        """The client is gone: say so, and wait until the harness has heard."""
        if not (self.has_said_end and self.has_heard_end):
            self.pipe.tell(control(self.channel, RESET))
        self.end_for_good()

    def end_for_good(self) -> None:
        """Have nothing more to do with the client."""
        self.has_said_end = True
        self.cut_off()
        if self.has_heard_end:
            self.forget()

    def drop(self) -> None:
        """Reset the connection, and know it no more."""
        self.cut_off()
        self.forget()

    def cut_off(self) -> None:
        """Reset the connection, if it is there."""
        if not self.is_cut:
            self.leave_loop()
            cut(self.client)

    def close(self) -> None:
        """Close a connection that has come to its end."""
        self.leave_loop()
        self.client.close()
        self.forget()

    def leave_loop(self) -> None:
        """Hear of it no more."""
        self.is_cut = True
        self.backlog.clear()
        self.relay.epoll.unregister(self.fd)
        del self.relay.links[self.fd]

    def forget(self) -> None:
        """Make room for another."""
        if self.relay.supervisor.channels.pop(self.channel, None) is not None:
            self.relay.count -= 1


def cut(client: Socket) -> None:
    """Close a connection so that its other end sees a reset."""
    import socket

    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
