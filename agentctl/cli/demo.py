"""``agentctl demo``: one scripted session over real data, with the real harness and the real tools."""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from agentctl.cli.output import write_out
from agentctl.definitions.environment import Environment
from agentctl.definitions.load import load_environment
from agentctl.errors import SandboxError, UsageError
from agentctl.launch.parts import sandbox_for
from agentctl.paths import home

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

_PACKAGE = Path(__file__).resolve().parents[1]
_NAME = "data-analyst"
_DATA = "seattle-weather"
_NO_ISOLATION = (
    "Neither Docker nor bubblewrap can be used here, so the commands of the script run in a plain process "
    "WITHOUT ISOLATION"
)


@app.command()
def demo(
    examples: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the examples are.")] = None,
) -> None:
    """Run a scripted session over the examples; needs no key and no Docker."""
    folder = examples or _examples()
    environment, sandbox = _sandbox(folder)
    _say("This demo asks no model: a script (examples/scripts/data-analyst.yaml) answers in its place.")
    _say("The harness, the tools, the sandbox, the data and the record are the real ones.")
    _say(sandbox)
    run = [
        *("run", str(folder / "agents" / f"{_NAME}.yaml")),
        *("--message-file", str(folder / "questions" / f"{_NAME}.txt")),
        *("--workspace", str(folder / "workspaces" / _DATA)),
        *("--model", f"script:{folder / 'scripts' / _NAME}.yaml"),
        *environment,
    ]
    for command in (run, ["ls", "-n", "5"], ["replay", "@", "--speed", "max"], ["outputs", "@"]):
        _show(command)


def _examples() -> Path:
    for folder in (_PACKAGE / "examples", _PACKAGE.parent / "examples"):
        if (folder / "agents").is_dir():
            return folder
    raise UsageError("the examples are not here", hint="say where they are: agentctl demo --examples DIR")


def _sandbox(examples: Path) -> tuple[list[str], str]:
    """Return the options that choose the best sandbox which works here, and a line that says so."""
    docker = examples / "environments" / "bare.yaml"
    bubblewrap = examples / "environments" / "bubblewrap.yaml"
    reasons = []
    for name, path in (("Docker", docker), ("bubblewrap", bubblewrap)):
        try:
            _check(load_environment(path))
        except SandboxError as error:
            reasons.append(f"{name}: {error.message}")
        else:
            return ["-e", str(path)], f"Commands run in {name}, without a network."
    return (
        ["-e", str(bubblewrap), "--sandbox", "none"],
        f"{_NO_ISOLATION} ({'; '.join(reasons)}).",
    )


def _check(environment: Environment) -> None:
    sandbox_for(environment, home()).check()


def _show(command: list[str]) -> None:
    _say("")
    _say(f"$ agentctl {shlex.join(command)}")
    sys.stdout.flush()
    code = subprocess.run([sys.executable, "-P", "-m", "agentctl", *command], check=False).returncode
    if code:
        raise typer.Exit(code)


def _say(line: str) -> None:
    write_out(line + "\n")
