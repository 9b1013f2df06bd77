"""``agentctl check``: a session held against a file of checks."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from agentctl.checks.checking import Checking
from agentctl.checks.definition import Checks, load_checks
from agentctl.checks.junit import junit_xml
from agentctl.checks.names import ToolNames
from agentctl.cli.complain import write_error
from agentctl.cli.export import learn_secrets
from agentctl.cli.looking import Opened, opened, stdout_look
from agentctl.cli.options import Output, OutputOption, SessionArgument
from agentctl.cli.output import print_json, reporting, write_out
from agentctl.errors import UsageError
from agentctl.paths import home
from agentctl.redaction import KNOWN
from agentctl.render.lines import paint_all
from agentctl.render.verdicts import counted, verdict_body, verdict_lines
from agentctl.visible import visible_line

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

ChecksArgument: TypeAlias = Annotated[Path, typer.Argument(metavar="CHECKS", help="The file of checks, in YAML.")]


@app.command()
def check(
    session: SessionArgument,
    checks: ChecksArgument,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a report in JUnit's XML too.")] = None,
    allow_unknown: Annotated[
        bool, typer.Option("--allow-unknown", help="Let pass what the record cannot decide; otherwise it fails.")
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Hold a session against a file of checks, for CI."""
    with reporting(output):
        if str(junit) == "-":
            raise UsageError("--junit takes the name of a file", hint="standard output has the result: -o json")
        wanted = loaded(checks)
        checking, names = Checking(wanted, KNOWN), ToolNames()
        with opened(session) as found:
            session_id = found.row.id
            for record in found.records():
                checking.add(record)
                names.add(record)
            checking.end(status_of(found))
        tell_misspelt(checks, wanted, names)
        checked = checking.verdicts()
        if junit is not None:
            _write(junit, junit_xml(session_id, checked, allow_unknown=allow_unknown))
        passed = all(each.verdict.status in ("pass", *(["unknown"] if allow_unknown else [])) for each in checked)
        if output is Output.TEXT:
            look = stdout_look()
            write_out(paint_all(verdict_lines(checked, look), look) + f"{counted(checked)}\n")
        else:
            print_json(
                {
                    "type": "check",
                    "schema": "agentctl.check/1",
                    "session_id": session_id,
                    "passed": passed,
                    "checks": [verdict_body(each) for each in checked],
                }
            )
        raise typer.Exit(0 if passed else 1)


def status_of(found: Opened) -> str:
    """Return the status of a session, and say so where what is checked is not its end."""
    if found.status in ("running", "rescheduling"):
        write_error(f"session {found.row.id} is being run: this is how it stands now")
    return found.status


def tell_misspelt(path: Path, checks: Checks, names: ToolNames) -> None:
    """Say which calls that must not be are of a tool that there is not: such a check passes whatever happened."""
    for remark in names.remarks(checks.must_not_call):
        write_error(visible_line(f"{path}: {remark}"))


def loaded(path: Path) -> Checks:
    """Read a file of checks, and learn what it needs to know. Raises DefinitionError, NotFoundError."""
    checks = load_checks(path)
    if checks.no_secrets:
        learn_secrets(home())
    return checks


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
