"""``agentctl prune``: remove what was kept for a time that is over."""

import contextlib
from collections.abc import Iterator
from typing import Annotated

import typer

from agentctl.cli.gc import has_used_docker
from agentctl.cli.images import Removal, chosen_images, removed_images, report_removals
from agentctl.cli.options import Output, OutputOption
from agentctl.cli.output import reporting
from agentctl.definitions.amounts import parse_duration
from agentctl.errors import NotFoundError, SandboxError, UsageError
from agentctl.paths import Home, home
from agentctl.sandbox.images import Images
from agentctl.sandbox.kept import sweep_checkpoints
from agentctl.store.database import reading
from agentctl.store.sessions import sessions_by_image

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

_UNUSED_SECONDS = 30 * 86_400.0


@app.command()
def prune(
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="Kept states of sandboxes; meant where no kind is named.")
    ] = False,
    images: Annotated[
        bool, typer.Option("--images", help="Images of environments that were not used for 30 days.")
    ] = False,
    older_than: Annotated[
        str | None, typer.Option(metavar="DURATION", help="What is older than this, whatever was promised: 7d.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Remove kept states of sandboxes whose time is over, and unused images."""
    with reporting(output):
        seconds, store = _seconds(older_than), home()
        removals: list[Removal] = []
        try:
            if checkpoints or not images:
                removals += _checkpoints(store, seconds, dry_run=dry_run)
            if images:
                removals += _images(store, _UNUSED_SECONDS if seconds is None else seconds, dry_run=dry_run)
        except SandboxError:
            # Where no session has ever used Docker, it need not be there.
            if has_used_docker(store):
                raise
        raise typer.Exit(report_removals("prune", removals, dry_run=dry_run, output=output))


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--older-than {text}: {error}") from error


def _checkpoints(store: Home, older_seconds: float | None, *, dry_run: bool) -> Iterator[Removal]:
    for sweep in sweep_checkpoints(store, older_seconds=older_seconds, remove=not dry_run):
        kept = sweep.checkpoint
        yield Removal("checkpoint", kept.image, kept.session_id, kept.size, sweep.error, sweep.why)


def _images(store: Home, unused_seconds: float, *, dry_run: bool) -> Iterator[Removal]:
    try:
        with reading(store) as connection:
            sessions = sessions_by_image(connection)
    except NotFoundError:
        sessions = {}
    with contextlib.closing(Images(store.builds)) as images:
        chosen = chosen_images(images, (), unused_seconds)
        yield from removed_images(images, chosen, sessions, dry_run=dry_run, unfinished=True)
