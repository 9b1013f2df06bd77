"""``agentctl diff``: where two sessions part, in which layer, and what is only noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NoReturn

import typer

from agentctl.cli.blaming import understood
from agentctl.cli.looking import opened, stdout_look
from agentctl.cli.options import Output, OutputOption
from agentctl.cli.output import print_json, reporting, write_out
from agentctl.cli.paging import page
from agentctl.cli.quick import QuickCommand
from agentctl.cli.rules import RulesOption, read_rules
from agentctl.cli.runs import groups_of
from agentctl.compare.demands import Demand, Failure, failures, failures_of_runs, read_demands
from agentctl.compare.difference import LAYERS, LayerName
from agentctl.compare.rules import Rule
from agentctl.compare.runs import runs_of
from agentctl.compare.sessions import Compared, compare
from agentctl.compare.side import Side
from agentctl.errors import UsageError
from agentctl.paths import home
from agentctl.render.diff.body import diff_body
from agentctl.render.diff.many import runs_body, runs_lines
from agentctl.render.diff.markdown import markdown
from agentctl.render.diff.page import Page, Wanted
from agentctl.render.lines import Line, plain, shown
from agentctl.store.blobs import Blobs
from agentctl.store.sessions import short_name

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

_TWO = 2


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the command line asks for."""

    layers: tuple[LayerName, ...]
    demands: list[Demand] | None
    own: Sequence[Rule]
    wanted: Wanted


@app.command(cls=QuickCommand)
def diff(
    sessions: Annotated[
        list[str], typer.Argument(metavar="A B [C]...", help="Sessions: ids, beginnings of ids, @ (the newest), @~N.")
    ],
    layer: Annotated[
        str | None, typer.Option("--layer", metavar="L[,L]", help=f"Only these layers: {', '.join(LAYERS)}.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every difference, not only the first.")] = False,
    stat: Annotated[bool, typer.Option("--stat", help="Numbers and layers only.")] = False,
    text: Annotated[bool, typer.Option("--text", help="Compare the last messages as well.")] = False,
    fail_on: Annotated[
        str | None, typer.Option("--fail-on", metavar="WHAT", help="Exit with 1 only for this: cost>+20%,files.")
    ] = None,
    rules: RulesOption = None,
    runs: Annotated[
        int | None, typer.Option("--runs", min=2, metavar="N", help="The last N runs of A against those of B.")
    ] = None,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="As Markdown, for a pull request.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Say where two sessions part: what moved, what followed, what is noise."""
    with reporting(output):
        asked = _Asked(
            _layers(layer),
            None if fail_on is None else read_demands(fail_on),
            [] if rules is None else read_rules(rules),
            Wanted(everything, stat, layer is not None, text),
        )
        if as_markdown and output is not Output.TEXT:
            raise UsageError("--markdown is text", hint="leave out --output, or --markdown")
        if runs is None and len(sessions) == _TWO:
            _two(sessions, asked, output, as_markdown=as_markdown)
        if as_markdown or stat or text or everything:
            raise UsageError("--markdown, --stat, --text and --all are for two sessions")
        _many(sessions, runs, asked, output)


def _two(names: Sequence[str], asked: _Asked, output: Output, *, as_markdown: bool) -> NoReturn:
    with understood(*names):
        a, b = (_side(name) for name in names)
        found = _compared(a, b, asked)
        failed = None if asked.demands is None else failures(asked.demands, found)
        code = _exit_code(found, failed)
        if as_markdown:
            write_out(markdown(found, failed))
        elif output is Output.TEXT:
            look = stdout_look()
            page([*Page(found, look, asked.wanted).lines(), *_failed(failed)], look)
        else:
            print_json(diff_body(found, failed, code))
    raise typer.Exit(code)


def _many(names: Sequence[str], runs: int | None, asked: _Asked, output: Output) -> NoReturn:
    groups = groups_of(names, runs)
    with understood(*groups.a, *groups.b):
        reference, *own = (_side(name) for name in groups.a)
        a, b = ([_compared(reference, side, asked) for side in sides] for sides in (own, map(_side, groups.b)))
        found = runs_of(a, b, reference)
        failed = None if asked.demands is None else failures_of_runs(asked.demands, found)
        code = (1 if found.differing else 0) if failed is None else (1 if failed else 0)
        if output is Output.TEXT:
            look = stdout_look()
            page([*runs_lines(found, look), *_failed(failed)], look)
        else:
            print_json(runs_body(found, None if failed is None else [str(each.demand) for each in failed], code))
    raise typer.Exit(code)


def _compared(a: Side, b: Side, asked: _Asked) -> Compared:
    return compare(a, b, contents=Blobs(home().blobs), own=asked.own, layers=asked.layers)


def _side(name: str) -> Side:
    with opened(name) as session:
        return Side.of(short_name(session.connection, session.row.id), session.records())


def _exit_code(found: Compared, failed: Sequence[Failure] | None) -> int:
    """Return 1 where something differs that counts; where something is demanded, only that counts."""
    if failed is not None:
        return 1 if failed else 0
    return 0 if found.is_same else 1


def _failed(failed: Sequence[Failure] | None) -> list[Line]:
    look = stdout_look()
    return [plain(shown(f"failed: {each.demand} ({each.why})", look), "bad") for each in failed or ()]


def _layers(text: str | None) -> tuple[LayerName, ...]:
    if text is None:
        return LAYERS
    names = [part.strip() for part in text.split(",")]
    for name in names:
        if name not in LAYERS:
            raise UsageError(f"--layer: there is no layer {name!r}", hint=f"layers are: {', '.join(LAYERS)}")
    return tuple(layer for layer in LAYERS if layer in names)
