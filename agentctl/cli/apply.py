"""``agentctl apply``: the changes of a session, brought home into the folder its workspace came from."""

import posixpath
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer

from agentctl.canonical import JsonObject
from agentctl.cli.complain import complain, write_error
from agentctl.cli.looking import Opened, opened, stdout_look
from agentctl.cli.options import Output, OutputOption, SessionArgument
from agentctl.cli.output import print_json, reporting, write_out
from agentctl.cli.patches import say_left_out, write_patch
from agentctl.cli.quick import QuickCommand
from agentctl.errors import BusyError, NotFoundError, UsageError
from agentctl.patch.write import Patchable, patchable
from agentctl.render.files import effect_body, remarked_lines
from agentctl.render.lines import paint_all
from agentctl.render.numbers import many
from agentctl.session.effects import WORKSPACE, Effect, FilesHistory, inside
from agentctl.session.gitnames import is_gits_own
from agentctl.store.blobs import Blobs
from agentctl.store.bringing import bring
from agentctl.store.events import find_event
from agentctl.store.homecoming import Standing, look_at
from agentctl.store.leases import is_running
from agentctl.visible import visible_line

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(cls=QuickCommand)
def apply(
    session: SessionArgument,
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="The folder; where --workspace came from unless given.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="GLOB", help="Only these paths; may be repeated.")
    ] = None,
    leave: Annotated[
        list[str] | None, typer.Option("--except", metavar="GLOB", help="All but these paths; may be repeated.")
    ] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="EVENT", help="As it was after this event.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say whether it could be done.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Bring the changes of a session home into the folder they came from."""
    with reporting(output), opened(session) as found:
        folder = _folder(found, directory)
        review = _Review(found, folder, _chosen(_effects(found, at), only or [], leave or []))
        if not check and not yes and (output is not Output.TEXT or not _is_terminal()):
            raise UsageError("nobody can be asked here", hint="look with --check, then apply with --yes")
        if output is Output.TEXT:
            review.show(in_full=not check and not yes)
        applied = not check and review.applies and bool(review.ready) and (yes or _agreed(review))
        if applied:
            bring(review.standings, review.contents, folder)
        if output is Output.TEXT:
            review.conclude(applied=applied, check=check)
        else:
            print_json(review.body(applied=applied, check=check))
        raise typer.Exit(0 if review.applies and (applied or check or not review.ready) else 1)


class _Review:
    """The changes that are to be brought home, and how they stand to the folder."""

    def __init__(self, session: Opened, folder: Path, effects: Sequence[Effect]) -> None:
        self.session_id, self.folder = session.row.id, folder
        self.contents = Blobs(session.home.blobs)
        places = _from_elsewhere(session)
        self.foreign = [effect for effect in effects if any(_is_below(effect.path, place) for place in places)]
        effects = [effect for effect in effects if effect not in self.foreign] if self.foreign else effects
        self.changes: Patchable = patchable(effects)
        folders = (effect for effect in effects if effect.is_folder and not is_gits_own(effect.path))
        named = ((inside(effect.path, WORKSPACE), effect) for effect in (*folders, *self.changes.held))
        self.standings = look_at({name: effect for name, effect in named if name is not None}, folder)

    @property
    def ready(self) -> list[Standing]:
        return [standing for standing in self.standings if standing.state == "ready"]

    @property
    def refused(self) -> list[Standing]:
        return [standing for standing in self.standings if standing.state == "refused"]

    @property
    def applies(self) -> bool:
        """Whether every change can be brought, or is there."""
        return not self.refused and not self.changes.not_kept

    def show(self, *, in_full: bool) -> None:
        """Show what would be done: the patch to whoever is asked, then every change in a line."""
        if in_full and self.applies and self.ready:
            ready = tuple(standing.effect for standing in self.ready if not standing.effect.is_folder)
            write_patch(Patchable(ready, (), ()), self.contents)
        look = stdout_look()
        told = [(one.effect, one.reason) for one in (*_files_of(self.ready), *self.refused)]
        write_out(paint_all(remarked_lines(told, look), look))
        say_left_out(self.changes)
        if self.foreign:
            count = many(len(_without_folders(self.foreign)), "change")
            write_error(f"agentctl: left out: {count} to what did not come from the folder; see: agentctl files")

    def conclude(self, *, applied: bool, check: bool) -> None:
        """Say what came of it."""
        place = visible_line(str(self.folder))
        count, done = len(_files_of(self.ready)), len(_files_of(self.standings)) - len(_files_of(self.ready))
        there = f"; {done} more are there already" if done else ""
        if not self.applies:
            complain(self._refusal())
        elif not self.standings:
            write_out(f"session {self.session_id} changed nothing that could be applied\n")
        elif not self.ready:
            write_out(f"{place} is as the session left it already\n")
        elif applied:
            write_out(f"applied {many(count, 'change')} to {place}{there}\n")
        elif check:
            write_out(f"{many(count, 'change')} can be applied to {place}{there}\n")
        else:
            write_out("nothing was written\n")

    def _refusal(self) -> UsageError:
        if not self.refused:
            return UsageError(
                f"nothing was written: the contents of {len(self.changes.not_kept)} changed files were not kept",
                hint="leave them out with --except",
            )
        return UsageError(
            f"nothing was written: {len(self.refused)} of the files in {self.folder} are not as the session began",
            hint="leave them out with --except, or merge: agentctl files SESSION --patch | git apply --3way",
        )

    def body(self, *, applied: bool, check: bool) -> JsonObject:
        """Write the object ``agentctl.apply/1``."""
        left = [*self.changes.not_kept, *self.changes.gits_own]
        return {
            "type": "apply",
            "schema": "agentctl.apply/1",
            "session_id": self.session_id,
            "directory": str(self.folder),
            "check": check,
            "applies": self.applies,
            "applied": applied,
            "changes": [
                effect_body(standing.effect) | {"state": standing.state, "reason": standing.reason}
                for standing in self.standings
            ]
            + [effect_body(one.effect) | {"state": "left_out", "reason": one.reason} for one in left]
            + [effect_body(one) | {"state": "left_out", "reason": "not from the folder"} for one in self.foreign],
        }


def _files_of(standings: Sequence[Standing]) -> list[Standing]:
    """Leave folders out, unless there is nothing else."""
    return [one for one in standings if not one.effect.is_folder] or list(standings)


def _without_folders(effects: Sequence[Effect]) -> list[Effect]:
    return [effect for effect in effects if not effect.is_folder] or list(effects)


def _is_below(path: str, place: str) -> bool:
    return f"{path}/".startswith(f"{WORKSPACE}/{place}/")


def _folder(session: Opened, named: Path | None) -> Path:
    """Return the folder to write into. Raises UsageError, and BusyError for a session that goes on."""
    if is_running(session.home, session.row.id):
        raise BusyError(
            f"session {session.row.id} is running, and may change its files yet",
            hint=f"wait for it, or stop it: agentctl interrupt {session.row.id}",
        )
    folder = named or _source(session)
    if not folder.is_dir():
        raise NotFoundError(f"there is no folder {folder}", hint="name another: agentctl apply SESSION DIR")
    return folder.absolute()


def _source(session: Opened) -> Path:
    """Return the folder that was copied into the workspace. Raises UsageError where there was none."""
    for upload in session.header().uploads:
        if upload["target"] == WORKSPACE and "repository" not in upload:
            return Path(str(upload["source"]))
    raise UsageError(
        f"the workspace of session {session.row.id} did not come from a folder of this machine",
        hint="name the folder: agentctl apply SESSION DIR",
    )


def _from_elsewhere(session: Opened) -> list[str]:
    """Return the places in the workspace that were filled from elsewhere than the folder."""
    targets = (posixpath.join(WORKSPACE, str(upload["target"])) for upload in session.header().uploads)
    names = (inside(target.rstrip("/"), WORKSPACE) for target in targets)
    return [name for name in names if name is not None]


def _effects(session: Opened, at: str | None) -> list[Effect]:
    until = find_event(session.connection, session.row.id, at) if at is not None else None
    history = FilesHistory(Blobs(session.home.blobs))
    for record in session.records(until=until):
        history.add(record.event)
    return history.effects()


def _chosen(effects: Sequence[Effect], only: Sequence[str], leave: Sequence[str]) -> list[Effect]:
    """Choose by patterns. Raises NotFoundError for one that fits nothing: a slip of the pen must not apply more."""
    names = [(inside(effect.path, WORKSPACE) or "", effect) for effect in effects]
    for pattern in (*only, *leave):
        if not any(_fits(name, pattern) for name, _ in names):
            raise NotFoundError(f"no change of the workspace fits {pattern}", hint="see: agentctl files SESSION")
    return [
        effect
        for name, effect in names
        if (not only or any(_fits(name, pattern) for pattern in only))
        and not any(_fits(name, pattern) for pattern in leave)
    ]


def _fits(name: str, pattern: str) -> bool:
    """Say whether a path, a folder that it is in, or (for a pattern without a slash) its last part fits."""
    parts, wanted = name.split("/"), pattern.rstrip("/")
    whole = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
    return any(fnmatchcase(one, wanted) for one in ([*whole, *parts] if "/" not in wanted else whole))


def _is_terminal() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


def _agreed(review: _Review) -> bool:
    """Ask the person at the terminal; the end of input is a no."""
    count = many(len(_files_of(review.ready)), "change")
    while True:
        write_error(f"Write {count} to {visible_line(str(review.folder))}? [y]es, [n]o")
        line = sys.stdin.readline()
        if line.strip().lower() in ("y", "yes"):
            return True
        if not line or line.strip().lower() in ("n", "no"):
            return False
