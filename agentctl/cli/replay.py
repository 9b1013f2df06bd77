"""``agentctl replay``: a recorded session, played. Nothing is run, asked or sent.

On a terminal it is a player with keys; without one, or with ``--plain``, the record is told in lines, and ends.
"""

import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from agentctl.cli.draw import forgiving
from agentctl.cli.looking import FromOption, Opened, Selection, UntilOption, opened, select, stdout_look
from agentctl.cli.options import Output, OutputOption, SessionArgument
from agentctl.cli.output import flush_out, reporting, write_out_later
from agentctl.cli.page import write_page
from agentctl.cli.player import watch
from agentctl.cli.quick import QuickCommand
from agentctl.errors import UsageError
from agentctl.render.base import Renderer
from agentctl.render.jsonl import JsonlRenderer
from agentctl.render.look import Look, size_of
from agentctl.render.plain import PlainRenderer
from agentctl.render.player import PlayerState
from agentctl.render.terminal import TerminalRenderer
from agentctl.replay import Pace, Player, frames
from agentctl.session.log import Record
from agentctl.signals import Interrupted, interruptible

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

_SLOWEST, _FASTEST = 0.01, 1000.0


class _Stopwatch:
    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        flush_out()
        time.sleep(seconds)


@app.command(cls=QuickCommand)
def replay(
    session: SessionArgument,
    speed: Annotated[
        str | None,
        typer.Option(metavar="N|max", help="Times the recorded pace; max waits for nothing, as without a terminal."),
    ] = None,
    idle_limit: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="The longest wait while nothing happens.")
    ] = 2.0,
    first: FromOption = None,
    last: UntilOption = None,
    only: Annotated[
        str | None, typer.Option(metavar="TYPES", help="Only these events, with commas between: agent.*,session.error")
    ] = None,
    step: Annotated[bool, typer.Option("--step", help="Begin paused: step with the arrow keys.")] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="No player: lines, at the recorded pace, and then the end.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="Messages, what calls asked for, and results whole.")] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write it as one page for a browser; - is standard output."),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Play the record of a session. Never runs anything.

    On a terminal, space plays and pauses, the arrows step, e a f c go to the next error, approval, file
    change and cost jump, / searches, ? shows all keys and q quits.
    """
    with reporting(output), opened(session) as found:
        selection = select(found, first, last, only)
        if html is not None:
            write_page(found, selection, html, output)
            return
        look = stdout_look()
        factor = _speed(speed, look, output)
        pace = Pace(factor, _limit(idle_limit), typing=look.moves and not selection.patterns)
        if output is Output.TEXT and look.moves and factor is not None and not plain and _has_keys():
            watch(found, selection, pace, look, PlayerState(found.row.events, is_playing=not step, is_full=full))
            return
        player = Player(_Stopwatch())
        shown = _renderer(output, look, player, lively=factor is not None, full=full)
        try:
            with interruptible():
                _play(found, selection, pace, player, shown)
        except Interrupted as stop:
            if output is not Output.TEXT:
                shown.finish(whole=False)  # the last line is the result, of what was played
            raise typer.Exit(stop.exit_code) from None
        finally:
            shown.close()
            flush_out()


def _has_keys() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _play(session: Opened, selection: Selection, pace: Pace, player: Player, shown: Renderer) -> None:
    wanted = _wanted(session.records(until=selection.last), selection, shown)
    player.play(frames(wanted, pace), shown)
    if selection.last is None:
        shown.finish(session.status)
    else:
        shown.finish(whole=False)


def _wanted(records: Iterator[Record], selection: Selection, shown: Renderer) -> Iterator[Record]:
    """Yield the events that are asked for; those before and between are told to the renderer, which needs them."""
    for record in records:
        is_heading = record.seq == 1 and not selection.patterns
        if is_heading or selection.wants(record):
            yield record
        else:
            shown.learn(record)


def _renderer(output: Output, look: Look, player: Player, *, lively: bool, full: bool) -> Renderer:
    if output is Output.JSONL:
        return JsonlRenderer(write_out_later)
    if output is Output.JSON:
        return JsonlRenderer(write_out_later, events=False)
    if look.moves:
        # What moves is also written by another thread, which has nobody to tell of a terminal that went away.
        write = forgiving(sys.stdout) if lively else write_out_later
        return TerminalRenderer(write, look, lambda: size_of(sys.stdout), player, lively=lively, full=full)
    return PlainRenderer(write_out_later, look, live=lively, full=full)


def _speed(text: str | None, look: Look, output: Output) -> float | None:
    if text is None:
        return 1.0 if look.moves and output is Output.TEXT else None
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not _SLOWEST <= speed <= _FASTEST:
        raise UsageError(f"--speed takes a number from {_SLOWEST:g} to {_FASTEST:g}, or max, not {text}")
    return speed


def _limit(seconds: float) -> float:
    if not math.isfinite(seconds):
        raise UsageError("--idle-limit takes a number of seconds")
    return seconds
