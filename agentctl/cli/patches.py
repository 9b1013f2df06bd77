"""Patches for whoever reads standard output: a person at a terminal, or git."""

from agentctl.cli.complain import write_error
from agentctl.cli.looking import stdout_look
from agentctl.cli.output import standard_output, write_out_bytes
from agentctl.cli.paging import page
from agentctl.patch.write import Patchable, patch
from agentctl.render.numbers import many
from agentctl.render.patch import patch_lines
from agentctl.session.files import Contents
from agentctl.visible import visible_line

_MOST_NAMED = 20


def write_patch(changes: Patchable, contents: Contents) -> None:
    """Write the patch of some changes: to be read on a terminal, byte for byte elsewhere. Raises StoreError."""
    pieces = patch(changes.held, contents)
    if standard_output().isatty():
        look = stdout_look()
        page([*patch_lines(pieces, look)], look)
    else:
        write_out_bytes(pieces)


def say_left_out(changes: Patchable) -> None:
    """Say on standard error which changes a patch does not hold."""
    if changes.gits_own:
        write_error(f"agentctl: left out: {many(len(changes.gits_own), 'change')} inside .git, never brought out")
    for left in changes.not_kept[:_MOST_NAMED]:
        write_error(f"agentctl: left out: {visible_line(left.effect.path)}: {visible_line(left.reason)}")
    if len(changes.not_kept) > _MOST_NAMED:
        write_error(f"agentctl: left out: {len(changes.not_kept) - _MOST_NAMED} more whose contents were not kept")
