"""``agentctl bisect``: the first event after which a check fails."""

import typer

from agentctl.canonical import JsonObject
from agentctl.checks.checking import Checked, bisected
from agentctl.checks.names import ToolNames
from agentctl.cli.check import ChecksArgument, loaded, status_of, tell_misspelt
from agentctl.cli.looking import Opened, opened, stdout_look
from agentctl.cli.options import Output, OutputOption, SessionArgument
from agentctl.cli.output import print_json, reporting, write_out
from agentctl.events.codec import type_of
from agentctl.redaction import KNOWN
from agentctl.render.gist import gist
from agentctl.render.lines import Line, Span, clip, paint_all, plain, shown
from agentctl.render.look import Look
from agentctl.render.verdicts import verdict_body
from agentctl.session.log import Record

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def bisect(session: SessionArgument, checks: ChecksArgument, output: OutputOption = Output.TEXT) -> None:
    """Find the first event after which a check fails."""
    with reporting(output):
        wanted, names = loaded(checks), ToolNames()
        with opened(session) as found:
            checked = bisected(wanted, KNOWN, names.listening(found.records()), status=status_of(found))
            failed = sorted((each for each in checked if each.since is not None), key=lambda each: each.since or 0)
            shown_by = {each.since: _record(found, each.since or 1) for each in failed if each.passed_once}
        tell_misspelt(checks, wanted, names)
        if output is Output.TEXT:
            look = stdout_look()
            lines = [line for each in failed for line in _lines(each, shown_by.get(each.since), look)]
            write_out(paint_all(lines or [plain("no check fails", "good")], look))
        else:
            print_json(_body(found.row.id, failed))
        raise typer.Exit(1 if failed else 0)


def _record(found: Opened, seq: int) -> Record:
    return next(found.records(after=seq - 1, until=seq))


def _lines(each: Checked, record: Record | None, look: Look) -> list[Line]:
    name, why = shown(each.name, look), shown(each.verdict.why, look)
    if record is None:
        return [[Span("never passed  ", "bad"), Span(name), Span(f"  {why}", "dim")]]
    event = [
        Span(f"  #{record.seq} ", "dim"),
        Span(f"{shown(type_of(record.event), look)}  "),
        Span(shown(gist(record.event)[:400], look)),
    ]
    head = [Span(f"fails after #{record.seq}  ", "bad"), Span(name), Span(f"  {why}", "dim")]
    return [clip(line, look.columns - 1, look.symbols.ellipsis) if look.wraps else line for line in (head, event)]


def _body(session_id: str, failed: list[Checked]) -> JsonObject:
    return {
        "type": "bisect",
        "schema": "agentctl.bisect/1",
        "session_id": session_id,
        "first": next((each.since for each in failed if each.passed_once), None),
        "failed": [
            {
                **verdict_body(each),
                "since": each.since if each.passed_once else None,
                "never_passed": not each.passed_once,
            }
            for each in failed
        ],
    }
