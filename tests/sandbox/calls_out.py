"""Runs inside a sandbox: tries to reach what it is told to, in every way there is, and prints what came of it.

Its argument is JSON: ``mark``, which every packet carries that can; ``port``; ``targets``, addresses.
An attempt's outcome is ``ok`` where somebody answered, else the name of what went wrong.
"""

import json
import os
import socket
import struct
import sys

PLAN = json.loads(sys.argv[1])
MARK = PLAN["mark"].encode()
PORT = PLAN["port"]
SECONDS = 0.2


def outcome(attempt, *arguments):
    try:
        return "ok" if attempt(*arguments) else "no answer"
    except OSError as error:
        return type(error).__name__ if error.errno is None else os.strerror(error.errno)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def tcp(address, port):
    with socket.socket(family_of(address), socket.SOCK_STREAM) as sock:
        sock.settimeout(SECONDS)
        sock.connect(socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][4])
        sock.sendall(MARK)
        return sock.recv(100)


def udp(address, port, payload=MARK):
    with socket.socket(family_of(address), socket.SOCK_DGRAM) as sock:
        sock.settimeout(SECONDS)
        sock.sendto(payload, socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM)[0][4])
        return sock.recv(512)


def query():
    """A DNS question whose name is the mark."""
    name = b"".join(bytes([len(label)]) + label for label in (MARK, b"evil", b"test"))
    return struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + name + b"\0\0\1\0\1"


def ping(address, kind):
    protocol = socket.IPPROTO_ICMPV6 if ":" in address else socket.IPPROTO_ICMP
    with socket.socket(family_of(address), kind, protocol) as sock:
        sock.settimeout(SECONDS)
        sock.sendto(bytes([128 if ":" in address else 8, 0, 0, 0, 0, 1, 0, 1]) + MARK, (address, 0))
        return sock.recv(512)


def frame():
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind(("eth0", 0))
        return sock.send(b"\xff" * 12 + b"\x08\x00" + MARK)


def everybody():
    """Everybody on the link, over each interface there is but the loopback."""
    sent = 0
    for number, name in socket.if_nameindex():
        if name != "lo":
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
                sent += sock.sendto(MARK, ("ff02::1", PORT, 0, number))
    return sent


def abstract():
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(SECONDS)
        sock.connect("\0" + PLAN["mark"])
        return sock.recv(10)


def vsock():
    with socket.socket(40, socket.SOCK_STREAM) as sock:
        sock.settimeout(SECONDS)
        sock.connect((2, PORT))
        return True


found = {}
for target in PLAN["targets"]:
    found["tcp " + target] = outcome(tcp, target, PORT)
    found["udp " + target] = outcome(udp, target, PORT)
    found["dns " + target] = outcome(udp, target, 53, query())
    found["dns tcp " + target] = outcome(tcp, target, 53)
    found["ping " + target] = outcome(ping, target, socket.SOCK_DGRAM)
    found["raw " + target] = outcome(ping, target, socket.SOCK_RAW)
for name in PLAN["names"]:
    found["name " + name] = outcome(socket.getaddrinfo, name, 80)
found["frame"] = outcome(frame)
found["everybody"] = outcome(everybody)
found["abstract socket"] = outcome(abstract)
found["vsock"] = outcome(vsock)
found["interfaces"] = sorted(name for _, name in socket.if_nameindex())
found["variables"] = sorted(name for name in os.environ if "proxy" in name.lower())
print(json.dumps(found))
