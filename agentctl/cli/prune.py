"""``agentctl prune``: remove what nobody needs any more, and sessions by age, number and size."""

import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from agentctl.cli.complain import write_error
from agentctl.cli.gc import has_used_docker
from agentctl.cli.images import Removal, chosen_images, removal_line, removed_images
from agentctl.cli.moments import ago
from agentctl.cli.options import Output, OutputOption
from agentctl.cli.output import print_json, reporting, write_out
from agentctl.cli.removing import remove
from agentctl.definitions.amounts import parse_duration, parse_size
from agentctl.errors import NotFoundError, SandboxError, StoreError, UsageError
from agentctl.paths import Home, home
from agentctl.render.numbers import duration, many, size
from agentctl.sandbox.docker.images import Images
from agentctl.sandbox.docker.kept import sweep_checkpoints
from agentctl.store.ageing import Rules, aged_sessions, choose
from agentctl.store.database import reading
from agentctl.store.leases import is_running
from agentctl.store.naming import named_blobs
from agentctl.store.reckoned import reckoned
from agentctl.store.removal import Doomed, doomed
from agentctl.store.sessions import session_ids, sessions_by_image
from agentctl.store.shrinking import GivenBack
from agentctl.store.sweeping import Swept, sweep_blobs
from agentctl.store.weights import weigh
from agentctl.visible import visible_line

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

_UNUSED_SECONDS = 30 * 86_400.0


@app.command()
def prune(
    sessions: Annotated[
        bool, typer.Option("--sessions", help="Sessions, by --older-than, --keep and --max-size; never running ones.")
    ] = False,
    blobs: Annotated[bool, typer.Option("--blobs", help="Contents that no session names.")] = False,
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="Kept states of sandboxes whose time is over.")
    ] = False,
    logs: Annotated[
        bool, typer.Option("--logs", help="What detached runs printed, of sessions that are gone; old reports of bugs.")
    ] = False,
    builds: Annotated[bool, typer.Option("--builds", help="Logs of image builds, 30 days old.")] = False,
    images: Annotated[
        bool, typer.Option("--images", help="Images of environments that were not used for 30 days.")
    ] = False,
    search: Annotated[bool, typer.Option("--search", help="The index; the next search makes it anew.")] = False,
    older_than: Annotated[
        str | None, typer.Option(metavar="DURATION", help="What is older than this, whatever was promised: 7d.")
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option("--keep", min=0, metavar="N", help="The N newest sessions stay, whatever else is said."),
    ] = None,
    max_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="The oldest sessions, until all take no more than this: 5g.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Remove what nobody needs any more: --checkpoints, --blobs and --logs where no kind is named."""
    with reporting(output):
        pruning = _Pruning(home(), _seconds(older_than), dry_run=dry_run)
        rules = _rules(sessions, pruning.older_seconds, keep, max_size)
        is_usual = not (sessions or blobs or checkpoints or logs or builds or images or search)
        if checkpoints or images or is_usual:
            pruning.of_docker(checkpoints=checkpoints or is_usual, images=images)
        if rules is not None:
            pruning.sessions(rules, all_blobs=blobs)
        if blobs or is_usual:
            pruning.blobs()
        if logs or is_usual:
            pruning.logs()
        if builds:
            pruning.builds()
        if search:
            pruning.search()
        raise typer.Exit(pruning.report(output))


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--older-than {text}: {error}") from error


def _rules(sessions: bool, older_seconds: float | None, keep: int | None, max_size: str | None) -> Rules | None:
    """Read which sessions are meant. Raises UsageError where that is not said, or said without --sessions."""
    if not sessions:
        if keep is not None or max_size is not None:
            raise UsageError("--keep and --max-size say which sessions go", hint="add --sessions")
        return None
    if older_seconds is None and keep is None and max_size is None:
        raise UsageError("which sessions?", hint="say --older-than 90d, --keep 100 or --max-size 5g")
    before = None if older_seconds is None else ago("--older-than", older_seconds)
    try:
        return Rules(before, keep or 0, None if max_size is None else parse_size(max_size))
    except ValueError as error:
        raise UsageError(f"--max-size {max_size}: {error}") from error


class _Pruning:
    """One call: what is done, and what came of it."""

    def __init__(self, store: Home, older_seconds: float | None, *, dry_run: bool) -> None:
        self.older_seconds = older_seconds
        self._store = store
        self._dry_run = dry_run
        self._removals: list[Removal] = []
        self._given_back = GivenBack(0, 0.0)
        self._troubles: list[str] = []
        self._gone: set[int] = set()
        self._failed = False

    def of_docker(self, *, checkpoints: bool, images: bool) -> None:
        """Remove kept states whose time is over, and unused images."""
        try:
            if checkpoints:
                self._removals += self._checkpoints()
            if images:
                self._removals += self._images()
        except SandboxError:
            # Where no session has ever used Docker, it need not be there.
            if has_used_docker(self._store):
                raise

    def sessions(self, rules: Rules, *, all_blobs: bool) -> None:
        """Remove sessions, and then what only they named; ``all_blobs`` says that all unnamed ones come later."""
        try:
            swept = Swept(0, 0, 0)
            with reading(self._store) as connection:
                weights = None if rules.most_bytes is None else weigh(self._store, connection)
                chosen = choose(aged_sessions(self._store, connection), rules, weights)
                found = doomed(connection, [each.session_id for each in chosen])
                if self._dry_run:
                    self._gone = {each.key for each in found}
                    names = {each.digest for each in named_blobs(self._store, connection, self._gone)}
                    swept = sweep_blobs(self._store, connection, only=names, gone=self._gone, remove=False)
        except NotFoundError:
            return
        if not self._dry_run and chosen:
            outcome = remove(self._store, [[each.session_id] for each in chosen], skip_busy=True)
            found, swept = outcome.sessions, outcome.blobs
            self._given_back = outcome.given_back
            self._troubles += outcome.troubles
            self._failed = outcome.failed
        self._removals += map(_of_session, found)
        if chosen and not (self._dry_run and all_blobs):
            self._add_blobs(swept)

    def blobs(self) -> None:
        """Remove the blobs that no session names."""
        with contextlib.suppress(NotFoundError), reading(self._store) as connection:
            self._add_blobs(sweep_blobs(self._store, connection, gone=self._gone, remove=not self._dry_run))

    def logs(self) -> None:
        """Remove logs of sessions that are gone, those that are as old as was said, and old reports."""
        known = self._session_ids()
        for path, age in _files_in(self._store.logs, ".log"):
            session_id = path.stem
            is_old = self.older_seconds is not None and age > self.older_seconds
            if (is_old or session_id not in known) and not is_running(self._store, session_id):
                self._remove_file("log", path, session_id)
        for path, age in _files_in(self._store.reports, ".txt"):
            if age > self._unused_seconds:
                self._remove_file("log", path, None)

    def builds(self) -> None:
        """Remove old logs of image builds."""
        for path, age in _files_in(self._store.builds, ".log"):
            if age > self._unused_seconds:
                self._remove_file("build", path, None)

    def search(self) -> None:
        """Remove the index."""
        path = self._store.search
        if path.exists():
            bytes_of_it = path.stat().st_size if self._dry_run else reckoned(self._store).remove()
            self._removals.append(Removal("search", str(path), None, bytes_of_it, note="the next search makes it anew"))

    def report(self, output: Output) -> int:
        """Write what became of everything; return the exit code."""
        for trouble in self._troubles:
            write_error(visible_line(trouble))
        if output is Output.TEXT:
            write_out("".join(self._lines()))
        else:
            given = {"size": self._given_back.bytes, "seconds": round(self._given_back.seconds, 3)}
            listed = [asdict(removal) for removal in self._removals]
            rest = {"removed": listed, "size": self._size, "given_back": given, "troubles": self._troubles}
            print_json({"type": "prune", "schema": "agentctl.prune/1", "dry_run": self._dry_run, **rest})
        if self._failed:
            return StoreError.exit_code
        return SandboxError.exit_code if any(removal.error for removal in self._removals) else 0

    @property
    def _unused_seconds(self) -> float:
        return _UNUSED_SECONDS if self.older_seconds is None else self.older_seconds

    @property
    def _size(self) -> int:
        return sum(removal.size for removal in self._removals if removal.error is None)

    def _lines(self) -> Iterator[str]:
        if not self._removals:
            yield "there is nothing to remove\n"
        for removal in self._removals:
            yield removal_line(removal, dry_run=self._dry_run)
        if len(self._removals) > 1:
            yield f"{'would make' if self._dry_run else 'made'} {size(self._size)} free\n"
        if self._given_back.bytes:
            took = duration(self._given_back.seconds)
            yield f"gave {size(self._given_back.bytes)} of the database back in {took}\n"

    def _checkpoints(self) -> Iterator[Removal]:
        for sweep in sweep_checkpoints(self._store, older_seconds=self.older_seconds, remove=not self._dry_run):
            kept = sweep.checkpoint
            yield Removal("checkpoint", kept.image, kept.session_id, kept.size, sweep.error, sweep.why)

    def _images(self) -> Iterator[Removal]:
        try:
            with reading(self._store) as connection:
                sessions = sessions_by_image(connection)
        except NotFoundError:
            sessions = {}
        with contextlib.closing(Images(self._store.builds)) as images:
            chosen = chosen_images(images, (), self._unused_seconds)
            yield from removed_images(images, chosen, sessions, dry_run=self._dry_run, unfinished=True)

    def _session_ids(self) -> set[str]:
        try:
            with reading(self._store) as connection:
                return session_ids(connection)
        except NotFoundError:
            return set()

    def _add_blobs(self, swept: Swept) -> None:
        if swept.files:
            note = f"{many(swept.files, 'file')} that no session names"
            self._removals.append(Removal("blobs", str(self._store.blobs), None, swept.bytes, note=note))

    def _remove_file(self, kind: str, path: Path, of: str | None) -> None:
        try:
            bytes_of_it = path.stat().st_size
            if not self._dry_run:
                path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"cannot remove {path}: {error.strerror}") from error
        self._removals.append(Removal(kind, str(path), of, bytes_of_it))


def _of_session(found: Doomed) -> Removal:
    return Removal("session", found.session_id, None, found.size, note=many(found.events, "event"))


def _files_in(folder: Path, ending: str) -> Iterable[tuple[Path, float]]:
    """Return the files of a folder that end so, and their ages in seconds."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ending)
    except OSError:
        return []
    now = time.time()
    return [(path, now - path.lstat().st_mtime) for path in paths]
