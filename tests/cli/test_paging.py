"""A pager is used on a terminal that is too short, the one that is asked for, and nowhere else."""

import os
import signal
from pathlib import Path

import pytest

from agentctl.cli.paging import page
from agentctl.render.lines import plain
from agentctl.render.look import Look

LINES = [plain(f"line {number}") for number in range(10)]
SHORT, TALL, PIPE = Look(rows=5, moves=True), Look(rows=50, moves=True), Look(rows=5)


@pytest.fixture
def pager(tmp_path: Path) -> Path:
    """A pager that keeps what it was given, after somebody pressed ^C in it."""
    program = tmp_path / "our pager"
    program.write_text(f"#!/bin/sh\nkill -INT $PPID\necho \"$1 $LESS\" > '{tmp_path}/asked'\ncat > '{tmp_path}/read'\n")
    program.chmod(0o755)
    return program


def test_a_terminal_that_is_too_short_gets_the_pager_that_is_asked_for(
    pager: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LESS", raising=False)
    monkeypatch.setenv("PAGER", "cat")
    monkeypatch.setenv("AGENTCTL_PAGER", f"'{pager}' -x")
    before = signal.getsignal(signal.SIGINT)
    page(LINES, SHORT)
    assert (pager.parent / "read").read_text() == "".join(f"line {number}\n" for number in range(10))
    assert (pager.parent / "asked").read_text() == "-x FRX\n"
    assert capfd.readouterr().out == ""
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.parametrize("look", [TALL, PIPE], ids=["tall", "pipe"])
def test_nothing_else_is_paged(
    pager: Path, look: Look, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PAGER", f"'{pager}'")
    page(LINES, look)
    assert capfd.readouterr().out.endswith("line 9\n")
    assert not (pager.parent / "read").exists()


@pytest.mark.parametrize("asked", ["", "cat", "no-such-pager-here", "'not closed"])
def test_who_wants_no_pager_gets_none(
    asked: str, pager: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", f"{pager.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("AGENTCTL_PAGER", asked)
    page(LINES, SHORT)
    assert capfd.readouterr().out.endswith("line 9\n")
