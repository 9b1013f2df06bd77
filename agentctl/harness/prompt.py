"""The system prompt of a session: the agent's own, and what it must know of its sandbox.

Made once, when the session is created, and kept with it: nothing in it may change from one request
to the next, so there is no date and no state of the workspace here.
"""

from collections.abc import Sequence

from agentctl.sandbox.base import Layout


def system_prompt(own: str | None, layout: Layout, uploads: Sequence[str], *, uses_sandbox: bool) -> str | None:
    """Join the agent's system prompt with a section on the sandbox; None when there is neither.

    ``uploads`` are the paths, inside the sandbox, of what was copied in.
    """
    parts = [own.strip()] if own and own.strip() else []
    if uses_sandbox:
        parts.append(_sandbox_section(layout, uploads))
    return "\n\n".join(parts) or None


def _sandbox_section(layout: Layout, uploads: Sequence[str]) -> str:
    lines = [
        "# Your sandbox",
        "",
        "Your tools work in a Linux sandbox that belongs to this session alone. It has no network.",
        f"- {layout.workspace} is the workspace: commands start there, and relative paths are taken from it.",
        f"- {layout.outputs} is for deliverables: every file that you leave there is handed to the user.",
        f"- {layout.temporary} is for anything else.",
    ]
    if uploads:
        lines += ["", "Copied in for you:", *(f"- {path}" for path in uploads)]
    return "\n".join(lines)
