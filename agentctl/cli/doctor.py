"""``agentctl doctor``: what this machine has, and how to mend what is missing."""

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from pydantic import ValidationError

from agentctl.cli.exposure import Finding, exposures
from agentctl.cli.options import Output, OutputOption
from agentctl.cli.output import print_json, reporting, write_out
from agentctl.definitions.environment import Environment, EnvironmentConfig
from agentctl.errors import AgentctlError, UsageError
from agentctl.launch.parts import model_for, sandbox_for
from agentctl.paths import Home, home
from agentctl.visible import visible_line

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

_LEAST_FREE_BYTES = 2 << 30
_ANY_MODEL = "claude-opus-5-5"
_FIXED_SQLITE = (3, 51, 3)


@app.command()
def doctor(
    image: Annotated[str | None, typer.Option(metavar="IMAGE", help="The Docker image to look for.")] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Say what this machine has and what is missing."""
    with reporting(output):
        findings = []
        for finding in _findings(home(), _docker(image)):
            findings.append(finding)
            if output is Output.TEXT:
                write_out(_line(finding) + "\n")
        well = all(finding.ok for finding in findings if finding.needed)
        if output is not Output.TEXT:
            listed = [asdict(finding) for finding in findings]
            print_json({"type": "doctor", "schema": "agentctl.doctor/1", "ok": well, "findings": listed})
        raise typer.Exit(0 if well else 1)


def _findings(store: Home, docker_config: EnvironmentConfig) -> Iterator[Finding]:
    yield _python()
    yield _sqlite()
    yield _store(store)
    yield _disk(store)
    docker = _sandbox(docker_config, store)
    bubblewrap = _sandbox(EnvironmentConfig(type="bubblewrap"), store)
    yield docker
    yield from exposures()
    yield bubblewrap
    yield Finding(
        "sandbox",
        docker.ok or bubblewrap.ok,
        "there is one to run sessions in" if docker.ok or bubblewrap.ok else "neither Docker nor bubblewrap works",
        None if docker.ok or bubblewrap.ok else "mend one of the two lines above",
    )
    yield _key()


def _line(finding: Finding) -> str:
    mark = "ok     " if finding.ok else "missing" if finding.needed else "-      "
    hint = f"\n        {visible_line(finding.hint)}" if finding.hint and not finding.ok else ""
    return f"{mark} {finding.name}: {visible_line(finding.says)}{hint}"


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", sys.version_info >= (3, 11), version, "agentctl needs Python 3.11 or later")


def _sqlite() -> Finding:
    note = "" if sqlite3.sqlite_version_info >= _FIXED_SQLITE else " (before 3.51.3; agentctl works around its WAL bug)"
    return Finding("sqlite", True, sqlite3.sqlite_version + note)


def _store(store: Home) -> Finding:
    place = store.root
    while not place.exists() and place != place.parent:
        place = place.parent
    ok = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    return Finding("store", ok, str(store.root) if ok else f"{place} cannot be written", "set AGENTCTL_HOME")


def _disk(store: Home) -> Finding:
    place = store.root
    while not place.exists() and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free
    return Finding("disk", free >= _LEAST_FREE_BYTES, f"{free / 2**30:.1f} GiB free", "free some space", needed=False)


def _docker(image: str | None) -> EnvironmentConfig:
    try:
        return EnvironmentConfig(type="docker", image=image)
    except ValidationError as error:
        raise UsageError(f"--image {image or '(nothing)'} is not the name of an image") from error


def _sandbox(config: EnvironmentConfig, store: Home) -> Finding:
    kind = config.type
    try:
        facts = sandbox_for(Environment(name="doctor", config=config), store).check()
    except AgentctlError as error:
        return Finding(kind, False, error.message, error.hint, needed=False)
    says = ", ".join(f"{name} {value}" for name, value in facts.items() if name != "kind" and value)
    return Finding(kind, True, says or "works", needed=False)


def _key() -> Finding:
    try:
        model_for(_ANY_MODEL).close()
    except AgentctlError as error:
        return Finding("key", False, error.message, error.hint, needed=False)
    source = next(
        (name for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN") if os.environ.get(name)), "a stored profile"
    )
    return Finding("key", True, f"from {source}", needed=False)
