"""The smallest allow-list that would have served a session, from what it was seen to reach."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TypeAlias

from agentctl.canonical import JsonObject
from agentctl.events.local import LocalEgress, LocalEgressStarted
from agentctl.network.base import Authority
from agentctl.network.dial import is_public
from agentctl.network.hosts import BadHostError, read_host
from agentctl.network.rules import HTTP_PORT, HTTPS_PORT

_FEWEST_LABELS = 2
"""How many labels a pattern has behind its star: nobody means all of ``*.com``."""

_PRIVATE = "private"
"""In place of the scheme, for a host that only ``private_hosts`` allows."""

Reached: TypeAlias = LocalEgress | LocalEgressStarted


@dataclass(frozen=True, slots=True)
class Learned:
    """What ``networking`` of type limited would have to hold. ``refused`` was asked for and never reached."""

    allowed_hosts: tuple[str, ...]
    private_hosts: tuple[str, ...]
    allow_http: bool
    refused: tuple[str, ...]

    def networking(self) -> JsonObject:
        """Write it as the ``networking`` of an environment."""
        if not self.allowed_hosts and not self.private_hosts:
            return {"type": "none"}
        body: JsonObject = {"type": "limited", "allowed_hosts": list(self.allowed_hosts)}
        if self.private_hosts:
            body["private_hosts"] = list(self.private_hosts)
        if self.allow_http:
            body["allow_http"] = True
        return body


def learn(events: Iterable[Reached], *, patterns: bool = False) -> Learned:
    """Learn from a session's verdicts: hosts with standard ports by name, the others as ``private_hosts``.

    With ``patterns``, two and more names below the same one become ``*.`` and that one.
    """
    reached, asked = _sorted_out(list(events))
    usual = {found.host: schemes for found, schemes in reached.items() if _is_usual(found, schemes)}
    names = sorted(usual)
    return Learned(
        tuple(_folded(names) if patterns else names),
        tuple(sorted(str(found) for found, schemes in reached.items() if not _is_usual(found, schemes))),
        any(found.port == HTTP_PORT for found, schemes in reached.items() if _is_usual(found, schemes)),
        tuple(sorted(str(found) for found in asked - set(reached))),
    )


def _sorted_out(events: list[Reached]) -> tuple[dict[Authority, set[str]], set[Authority]]:
    """Return what was reached, and how; and what was asked for."""
    ended = {event.started_id for event in events if isinstance(event, LocalEgress)}
    reached: dict[Authority, set[str]] = defaultdict(set)
    asked: set[Authority] = set()
    for event in events:
        authority = Authority(event.host, event.port)
        asked.add(authority)
        if event.allowed and event.address if isinstance(event, LocalEgress) else event.id not in ended:
            reached[authority].add(event.scheme if _is_at_a_public_address(event) else _PRIVATE)
    return reached, asked


def _is_at_a_public_address(event: Reached) -> bool:
    if isinstance(event, LocalEgressStarted) or event.address is None:
        return True  # nothing is known of it
    try:
        return is_public(ip_address(event.address))
    except ValueError:
        return False


def _is_usual(found: Authority, schemes: set[str]) -> bool:
    """Say whether ``allowed_hosts`` can allow it: a name, with TLS on 443 or without on 80."""
    try:
        if read_host(f"[{found.host}]" if ":" in found.host else found.host).address is not None:
            return False
    except BadHostError:
        return False
    return schemes <= {{HTTPS_PORT: "https", HTTP_PORT: "http"}.get(found.port)}


def _folded(names: list[str]) -> list[str]:
    below = defaultdict(list)
    for name in names:
        parent = name.partition(".")[2]
        below[f"*.{parent}" if parent.count(".") + 1 >= _FEWEST_LABELS else name].append(name)
    folded = [pattern if len(found) > 1 else found[0] for pattern, found in below.items()]
    return sorted(folded)
