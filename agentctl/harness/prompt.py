"""The system prompt of a session: the agent's own, and what it must know of its sandbox.

Made once, when the session is created, and kept with it: nothing in it may change from one request
to the next, so there is no date and no state of the workspace here.
"""

from collections.abc import Sequence

from agentctl.definitions.environment import Networking
from agentctl.sandbox.base import Layout

_THROUGH_PROXY = (
    "through the proxy that is named in http_proxy and https_proxy; what does not use a proxy (ping, ssh, DNS) has no "
    "way out."
)


def system_prompt(own: str | None, section: str | None) -> str | None:
    """Join the agent's own system prompt with the section on its sandbox; None when there is neither."""
    parts = [own.strip()] if own and own.strip() else []
    return "\n\n".join([*parts, *([section] if section else [])]) or None


def sandbox_section(layout: Layout, uploads: Sequence[str], networking: Networking, *, is_isolated: bool = True) -> str:
    """Tell the model of its sandbox: what it reaches, where its folders are, and what is there.

    ``uploads`` are the paths, inside the sandbox, of what was copied in. One that is not ``is_isolated`` has the
    network of the machine that it runs on.
    """
    lines = [
        "# Your sandbox",
        "",
        "Your tools work in a Linux sandbox that belongs to this session alone. "
        + _network(networking, is_isolated=is_isolated),
        f"- {layout.workspace} is the workspace: commands start there, and relative paths are taken from it.",
        f"- {layout.outputs} is for deliverables: every file that you leave there is handed to the user.",
        f"- {layout.temporary} is for anything else.",
    ]
    if uploads:
        lines += ["", "Copied in for you:", *(f"- {path}" for path in uploads)]
    return "\n".join(lines)


def _network(networking: Networking, *, is_isolated: bool) -> str:
    if networking.type == "none":
        return "It has no network."
    if not is_isolated:
        return "It has the network of the machine that it runs on."
    if networking.type != "limited":
        return f"It reaches public hosts, {_THROUGH_PROXY}"
    listed = [*networking.allowed_hosts, *networking.private_hosts]
    if networking.allow_package_managers:
        listed.append("where its package managers get packages from")
    if not listed:
        return "It has no network."
    only_https = " (by https:// alone)" if networking.allowed_hosts and not networking.allow_http else ""
    return f"It reaches nothing but {', '.join(listed)}{only_https}, {_THROUGH_PROXY}"
