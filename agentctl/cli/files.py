"""``agentctl files``: what a session did to its files, call by call, as a whole, or as a patch."""

from collections.abc import Sequence
from typing import Annotated

import typer

from agentctl.canonical import JsonObject
from agentctl.cli.looking import Opened, opened, stdout_look
from agentctl.cli.options import Output, OutputOption, SessionArgument
from agentctl.cli.output import print_json, reporting, write_out
from agentctl.cli.patches import say_left_out, write_patch
from agentctl.cli.quick import QuickCommand
from agentctl.errors import UsageError
from agentctl.events.agent import AgentToolResult, AgentToolUse
from agentctl.events.base import Event
from agentctl.events.local import LocalFilesChanged, LocalToolFacts
from agentctl.patch.write import patchable
from agentctl.render.files import call_body, call_lines, effect_body, whole_lines
from agentctl.render.lines import EMPTY, Line, paint_all, plain, shown
from agentctl.render.look import Look
from agentctl.session.effects import CallFiles, Effect, FilesByCall
from agentctl.store.blobs import Blobs
from agentctl.store.events import find_event

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(cls=QuickCommand)
def files(
    session: SessionArgument,
    event: Annotated[
        str | None, typer.Argument(metavar="EVENT", help="Only what this call did: the number or id of its event.")
    ] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="EVENT", help="As it was after this event.")] = None,
    as_patch: Annotated[bool, typer.Option("--patch", help="As a patch that `git apply` takes.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Every change, however many a call made.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show what a session did to its files, call by call or as a patch."""
    with reporting(output), opened(session) as found:
        if event is not None and at is not None:
            raise UsageError("EVENT asks for what one call did, --at for the files as they were: not both")
        if as_patch and output is not Output.TEXT:
            raise UsageError("a patch is bytes, which JSON cannot hold", hint="leave out --output, or --patch")
        told = _told(found, event, at)
        if as_patch:
            held = patchable(told.effects)
            write_patch(held, Blobs(found.home.blobs))
            say_left_out(held)
            raise typer.Exit(1 if held.not_kept else 0)
        if output is Output.TEXT:
            look = stdout_look()
            write_out(paint_all(_lines(found, told, look, full=full), look))
        else:
            print_json(_as_json(found, told))


class _Told:
    """What is asked for: some calls, and the effect of them all together."""

    def __init__(self, folded: FilesByCall, event: int | None, at: int | None) -> None:
        self.event, self.at = event, at
        self.calls: Sequence[CallFiles] = folded.calls
        self.is_recorded = folded.history.is_recorded
        self.effects: Sequence[Effect] = folded.history.effects()

    def only(self, found: Event) -> None:
        """Leave only what the call of an event did."""
        call_id = _call_of(found)
        self.calls = [
            call
            for call in self.calls
            if call.seq == self.event or (call_id is not None and call.call is not None and call.call.id == call_id)
        ]
        self.effects = [effect for call in self.calls for effect in call.effects]


def _told(session: Opened, event: str | None, at: str | None) -> _Told:
    number = find_event(session.connection, session.row.id, event) if event is not None else None
    until = find_event(session.connection, session.row.id, at) if at is not None else None
    folded = FilesByCall(Blobs(session.home.blobs))
    asked: Event | None = None
    for record in session.records(until=until):
        folded.add(record.seq, record.event)
        if record.seq == number:
            asked = record.event
    told = _Told(folded, number, until)
    if asked is not None:
        told.only(asked)
    return told


def _call_of(event: Event) -> str | None:
    match event:
        case AgentToolUse():
            return event.id
        case AgentToolResult() | LocalToolFacts() | LocalFilesChanged():
            return event.tool_use_id
        case _:
            return None


def _lines(session: Opened, told: _Told, look: Look, *, full: bool) -> list[Line]:
    if not told.calls:
        return [plain(_nothing(session, told, look))]
    page: list[Line] = []
    for call in told.calls:
        page += [*([EMPTY] if page else []), *call_lines(call, look, full=full)]
    if told.event is None:
        page += [EMPTY, plain("as a whole", "bold"), *whole_lines(told.effects, look, full=full)]
    return page


def _nothing(session: Opened, told: _Told, look: Look) -> str:
    name = shown(session.row.id, look)
    if (imported := session.header().imported) is not None:
        return f"a transcript of {shown(str(imported.get('format')), look)} does not say which files were changed"
    if not told.is_recorded and session.last("local.sandbox_started") and session.header().uploads:
        return f"the record of session {name} does not say what became of its files"
    return f"session {name} changed no files" if told.event is None else f"event #{told.event} changed no files"


def _as_json(session: Opened, told: _Told) -> JsonObject:
    return {
        "type": "files",
        "schema": "agentctl.files/1",
        "session_id": session.row.id,
        "event": told.event,
        "at": told.at,
        "recorded": told.is_recorded,
        "calls": [call_body(call) for call in told.calls],
        "changes": [effect_body(effect) for effect in told.effects],
    }
