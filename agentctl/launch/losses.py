"""What a fork has of its parent's sandbox, and what it has not."""

from collections.abc import Sequence
from dataclasses import dataclass

from agentctl.canonical import JsonObject
from agentctl.harness.keeping import unkept_line
from agentctl.session.files import Restoring
from agentctl.visible import visible_line

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that is not there again: ``line`` says what, ``paths`` names the files where it is files.

    ``kind`` is ``processes``, ``elsewhere`` (files outside of the recorded folders, and what was installed),
    ``large_files`` (too large to be recorded), ``changes`` (what calls did to files, in a record that does
    not hold it) or ``kept_state`` (the state of the container that was kept is gone, or it could not be kept).
    """

    kind: str
    line: str
    paths: tuple[str, ...] = ()

    def as_json(self) -> JsonObject:
        """Write it as ``local.forked`` has it."""
        return {"kind": self.kind, "line": self.line} | ({"paths": list(self.paths)} if self.paths else {})


def losses_of(
    restoring: Restoring | None, former: str | None, checkpoint: str | None, unkept: str | None = None
) -> list[Loss]:
    """Say what a fork does not have of its parent's sandbox.

    ``restoring`` is None where the record does not say what files there were. ``former`` is the newest state
    that was kept by then, ``checkpoint`` the one that the fork's sandbox begins with; ``unkept`` says why the
    state in which the parent rested last could not be kept.
    """
    losses = []
    if restoring is None:
        losses.append(Loss("changes", "what calls did to its files, which this record does not hold"))
    elif missing := restoring.missing:
        losses.append(Loss("large_files", f"too large to be kept: {_named(missing)}", tuple(missing)))
    if unkept is not None:
        losses.append(Loss("kept_state", unkept_line(unkept)))
    if former is not None and checkpoint is None:
        losses.append(Loss("kept_state", "the state of its container that was kept, which is gone"))
    if checkpoint is None:
        losses.append(Loss("elsewhere", "files elsewhere, and what was installed"))
    return [*losses, Loss("processes", "running processes, and the state of the shell")]


def _named(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _MOST_NAMED:,} more" if len(paths) > _MOST_NAMED else ""
    return f"{', '.join(map(visible_line, paths[:_MOST_NAMED]))}{more}"
