"""``agentctl rerun``: a session done again, and whether it came to the same."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import typer

from agentctl.canonical import JsonObject
from agentctl.cli.blaming import understood
from agentctl.cli.complain import write_error
from agentctl.cli.draw import forgiving
from agentctl.cli.finding import id_and_event
from agentctl.cli.limiting import MaxCostOption, limits_of
from agentctl.cli.looking import UntilOption, stdout_look
from agentctl.cli.options import Output, OutputOption, QuietOption, SessionArgument
from agentctl.cli.otherwise import OtherEnvironmentOption, OtherModelOption, other_environment
from agentctl.cli.output import print_json, reporting, write_out
from agentctl.cli.rules import RulesOption, read_rules
from agentctl.errors import CredentialsError, UsageError
from agentctl.launch.again.request import RerunRequest
from agentctl.launch.again.rerunning import Rerun
from agentctl.launch.again.rerunning import rerun as do_again
from agentctl.paths import home
from agentctl.render.again import findings_body, findings_lines
from agentctl.render.jsonl import JsonlRenderer
from agentctl.render.lines import Line, paint_all, plain
from agentctl.render.look import Look
from agentctl.sandbox.base import Progress
from agentctl.session.log import Listener
from agentctl.visible import visible_line

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

EXIT_CODES = {
    "reproduced": 0,
    "reproduced-normalised": 0,
    "diverged": 1,
    "incomplete-recording": 1,
    "environment-mismatch": 7,
}
"""The exit code of each verdict."""

_STYLES = {0: "good", 1: "bad", 7: "warning"}


class LiveName(StrEnum):
    """What is not taken from the record."""

    SANDBOX = "sandbox"
    MODEL = "model"


class OnMiss(StrEnum):
    """Where a call goes that the record does not hold."""

    STOP = "stop"
    SANDBOX = "sandbox"


@app.command()
def rerun(
    session: SessionArgument,
    live: Annotated[
        LiveName | None, typer.Option(help="What is not taken from the record; without it both are recorded.")
    ] = None,
    which_moved: Annotated[
        bool, typer.Option("--which-moved", help="Do it both ways, and say whether model or environment moved.")
    ] = False,
    on_miss: Annotated[
        OnMiss, typer.Option(help="What becomes of a live model's call that the record does not hold.")
    ] = OnMiss.STOP,
    environment: OtherEnvironmentOption = None,
    accept_image: Annotated[
        bool, typer.Option("--accept-image", help="Take an image made anew where the recorded one is gone.")
    ] = False,
    network: Annotated[
        bool, typer.Option("--network", help="Let the fresh sandbox reach what its environment allows.")
    ] = False,
    vault: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="With --network: use this vault; may be repeated.")
    ] = None,
    model: OtherModelOption = None,
    rules: RulesOption = None,
    until: UntilOption = None,
    show_all: Annotated[
        bool, typer.Option("--all", help="Every difference, those that follow from others too.")
    ] = False,
    max_cost: MaxCostOption = None,
    output: OutputOption = Output.TEXT,
    quiet: QuietOption = False,
) -> None:
    """Do a session again from its record, and say whether it came to the same."""
    with reporting(output), understood(session):
        session_id, last = id_and_event(session, until)
        request = RerunRequest(
            session_id=session_id,
            live=live.value if live else None,
            on_miss_sandbox=on_miss is OnMiss.SANDBOX,
            until=last,
            environment=other_environment(environment),
            accept_image=accept_image,
            network=network,
            vaults=tuple(dict.fromkeys(vault or ())),
            model=model,
            limits=limits_of(max_cost, None, None),
            rules=tuple(read_rules(rules)) if rules else (),
        )
        _refuse_what_makes_no_sense(request, which_moved=which_moved)
        tell = _teller(quiet=quiet or output is not Output.TEXT)
        listeners = [JsonlRenderer(forgiving(sys.stdout))] if output is Output.JSONL else []
        if which_moved:
            raise typer.Exit(_which_moved(request, listeners, tell, output, show_all=show_all))
        done = do_again(request, home(), listeners, tell)
        if output is Output.TEXT:
            look = stdout_look()
            write_out(paint_all([_verdict_line(done), *_report(done, look, show_all=show_all)], look))
        else:
            print_json(_body(done))
        raise typer.Exit(EXIT_CODES[done.verdict])


def _refuse_what_makes_no_sense(request: RerunRequest, *, which_moved: bool) -> None:
    is_fresh = which_moved or request.live == "sandbox" or request.on_miss_sandbox
    if not is_fresh and (request.environment or request.accept_image or request.network):
        raise UsageError(
            "-e, --accept-image and --network are for a fresh sandbox, and there is none",
            hint="add --live sandbox, or --live model --on-miss sandbox",
        )
    if request.on_miss_sandbox and request.live != "model":
        hint = "give --live model, and not --which-moved" if which_moved else "add --live model"
        raise UsageError("--on-miss is for the calls of a live model", hint=hint)
    if request.vaults and not request.network:
        raise UsageError("--vault needs --network: without it nothing goes out of the fresh sandbox")
    if request.model and not (which_moved or request.live == "model"):
        raise UsageError("--model is for a live model", hint="add --live model")
    if which_moved and request.live:
        raise UsageError("--which-moved does it both ways, so it goes without --live")


def _teller(*, quiet: bool) -> Progress:
    return (lambda _line: None) if quiet else (lambda line: write_error(visible_line(line)))


def _which_moved(
    request: RerunRequest, listeners: Sequence[Listener], tell: Progress, output: Output, *, show_all: bool
) -> int:
    sandbox = do_again(replace(request, live="sandbox", model=None), home(), listeners, tell)
    model, why = None, None
    try:
        alone = replace(request, live="model", environment=None, accept_image=False, network=False, vaults=())
        model = do_again(alone, home(), listeners, tell)
    except (CredentialsError, UsageError) as error:
        why = error.message
    line = _which_line(sandbox, model, why)
    sides = _sides(sandbox, model)
    if output is Output.TEXT:
        look = stdout_look()
        lines = [plain(line, _STYLES[1] if sides else "good" if model else "warning")]
        for name, done in (("environment", sandbox), ("model", model)):
            if done is not None:
                lines += [plain(f"{name}: {_word(done)}", "bold"), *_report(done, look, show_all=show_all)]
        write_out(paint_all(lines, look))
    else:
        both = {"sandbox": _body(sandbox), "model": _body(model) if model else None, "model_not_asked": why}
        print_json({"type": "which_moved", "schema": "agentctl.which_moved/1", "moved": sides, "line": line, **both})
    if sandbox.mismatch is not None and "model" not in sides:
        return EXIT_CODES[sandbox.verdict]
    return max(EXIT_CODES[sandbox.verdict], EXIT_CODES[model.verdict]) if model is not None else 1


def _sides(sandbox: Rerun, model: Rerun | None) -> list[str]:
    """Name what moved; an environment that is not there any more did."""
    moved = ["environment"] if sandbox.verdict in ("diverged", "environment-mismatch") else []
    return [*moved, *(["model"] if model is not None and model.verdict == "diverged" else [])]


def _which_line(sandbox: Rerun, model: Rerun | None, why: str | None) -> str:
    """Say in one line which side moved, and by what."""
    said = []
    if sandbox.mismatch is not None:
        said.append(f"environment moved: {sandbox.mismatch}")
    elif sandbox.findings.first is not None:
        said.append(f"environment moved: {sandbox.findings.first.cause.line} (#{sandbox.findings.first.seq})")
    if model is not None and model.findings.first is not None:
        said.append(f"model moved: {model.findings.first.cause.line} (#{model.findings.first.seq})")
    if model is None:
        said.append(f"the model was not asked: {why}")
    if any(done.verdict == "incomplete-recording" for done in (sandbox, model) if done is not None):
        said.append("not all of the record could be given again")
    return visible_line("; ".join(said) or "neither moved: environment and model do what they did")


def _word(done: Rerun) -> str:
    first = done.findings.first
    return f"diverged@{first.seq}" if first is not None and done.mismatch is None else done.verdict


def _verdict_line(done: Rerun) -> Line:
    first, line = done.findings.first, _word(done)
    if done.mismatch is not None:
        line += f": {done.mismatch}"
    elif first is not None:
        line += f": {first.cause.line}"
    elif done.findings.rules:
        line += f": the same but for {', '.join(done.findings.rules)}"
    return plain(visible_line(line), _STYLES[EXIT_CODES[done.verdict]])


def _report(done: Rerun, look: Look, *, show_all: bool) -> list[Line]:
    if done.mismatch is not None:
        return [plain(f"  {visible_line(done.hint)}", "dim")] if done.hint else []
    lines = findings_lines(done.findings, look, is_log=done.request.live is None, show_all=show_all)
    lines += [plain(f"  {visible_line(line)}", "dim") for line in done.notes]
    if done.session_id is not None:
        lines.append(plain(f"  {done.session_id} is the rerun of {done.request.session_id}", "dim"))
    return lines


def _body(done: Rerun) -> JsonObject:
    return {
        "type": "rerun",
        "schema": "agentctl.rerun/1",
        "session_id": done.session_id,
        "rerun_of": done.request.session_id,
        "live": done.request.live,
        "verdict": done.verdict,
        "exit_code": EXIT_CODES[done.verdict],
        "mismatch": done.mismatch,
        "notes": list(done.notes),
        **findings_body(done.findings),
    }
