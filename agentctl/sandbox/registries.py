"""The hosts that the package managers of a sandbox fetch from, as the managers themselves say.

They are asked once, in a sandbox without a network, and the answer is kept. Only what an environment
made is asked: what an agent has changed since cannot add a host.
"""

import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from agentctl.canonical import hash_of
from agentctl.errors import SandboxError
from agentctl.sandbox.inside import clients
from agentctl.visible import visible_line

ASK_SECONDS = 60
"""How long all the managers may take together."""

MOST_HOSTS = 64
MOST_ANSWER = 1 << 16

_PORTS = {"https": 443, "http": 80}
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


def registries(ask: Callable[[], str], asked: object, kept: Path) -> tuple[str, ...]:
    """Return the registries' hosts as ``host:port``, sorted.

    ``ask`` runs ``program`` and returns what it prints; ``asked`` names what is asked, and with it the
    answer that is kept in the folder ``kept``. Raises SandboxError.
    """
    path = kept / "registries" / hash_of([program(), asked]).removeprefix("sha256:")
    with contextlib.suppress(OSError, ValueError):
        return tuple(str(host) for host in json.loads(path.read_text()))
    hosts = hosts_in(ask())
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(json.dumps(hosts))
    return hosts


def program() -> str:
    """Return the program that asks, for a Python inside of a sandbox."""
    return Path(clients.__file__).read_text(encoding="utf-8")


def hosts_in(answer: str) -> tuple[str, ...]:
    """Read an answer. Raises SandboxError for what is none."""
    try:
        urls = [url for found in json.loads(answer[:MOST_ANSWER]).values() for url in found]
        hosts = {host for url in urls if (host := _host(str(url))) is not None}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise SandboxError(
            f"the sandbox does not say which hosts its package managers need: {visible_line(answer[-200:])}",
            hint="leave allow_package_managers out, and name the hosts in allowed_hosts",
        ) from error
    return tuple(sorted(hosts)[:MOST_HOSTS])


def _host(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    host = (parts.hostname or "").removesuffix(".")
    return f"{host}:{port}" if port and _HOST.fullmatch(host) else None
