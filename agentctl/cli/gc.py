"""``agentctl gc``: remove what killed runs have left behind."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from agentctl.cli.options import Output, OutputOption
from agentctl.cli.output import print_json, reporting, write_out
from agentctl.errors import NotFoundError, SandboxError
from agentctl.paths import Home, home
from agentctl.render.numbers import many
from agentctl.sandbox.docker.kept import sweep_checkpoints
from agentctl.sandbox.leftovers import Leftover, sweep_containers, sweep_folders
from agentctl.store.database import reading
from agentctl.store.sessions import has_sandbox
from agentctl.visible import visible_line

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Remove containers and folders that killed runs have left behind."""
    with reporting(output):
        found, store = [], home()
        for leftover in _leftovers(store, dry_run=dry_run):
            found.append(leftover)
            if output is Output.TEXT:
                write_out(_line(leftover, dry_run=dry_run))
        over = _checkpoints_over(store)
        if output is not Output.TEXT:
            print_json(_body(found, dry_run=dry_run) | {"expired_checkpoints": over})
        elif not found:
            write_out("nothing is left behind\n")
        if over and output is Output.TEXT:
            write_out(f"{many(over, 'kept state')} of sandboxes can go: agentctl prune\n")
        raise typer.Exit(SandboxError.exit_code if any(leftover.error for leftover in found) else 0)


def _leftovers(store: Home, *, dry_run: bool) -> Iterator[Leftover]:
    yield from sweep_folders(store, remove=not dry_run)
    try:
        yield from sweep_containers(store, remove=not dry_run)
    except SandboxError:
        # Where no session has ever used Docker, it need not be there.
        if has_used_docker(store):
            raise


def _checkpoints_over(store: Home) -> int:
    try:
        return sum(1 for _ in sweep_checkpoints(store, remove=False))
    except SandboxError:
        return 0


def has_used_docker(store: Home) -> bool:
    """Say whether a session of this store has ever had a container."""
    try:
        with reading(store) as connection:
            return has_sandbox(connection, "docker")
    except NotFoundError:
        return False


def _line(leftover: Leftover, *, dry_run: bool) -> str:
    verb = "would remove" if dry_run else "cannot remove" if leftover.error else "removed"
    facts = [f"{leftover.state}, of session {leftover.session_id}" if leftover.session_id else "", leftover.error or ""]
    said = "".join(f": {fact}" for fact in facts if fact)
    return f"{verb} {leftover.kind} {visible_line(leftover.name)}{visible_line(said)}\n"


def _body(found: list[Leftover], *, dry_run: bool) -> dict[str, object]:
    listed = [asdict(leftover) for leftover in found]
    return {"type": "gc", "schema": "agentctl.gc/1", "dry_run": dry_run, "leftovers": listed}
