"""What a fork depends on: what its parent does, but for what the fork says otherwise."""

from dataclasses import replace

from agentctl.events.local import LocalForked, LocalSessionCreated

_DIFFERING = (
    "agent",
    "agent_hash",
    "environment",
    "environment_hash",
    "model",
    "request",
    "sandbox",
    "limits",
    "title",
    "vaults",
    "prices",
)


def forked(created: LocalSessionCreated, fork: LocalForked) -> LocalSessionCreated:
    """Return the first event of a session as it would be if the fork had begun it."""
    changed = {name: value for name in _DIFFERING if (value := getattr(fork, name)) is not None}
    return replace(
        created,
        id=fork.id,
        processed_at=fork.processed_at,
        session_id=fork.session_id,
        agentctl_version=fork.agentctl_version,
        **changed,
    )
