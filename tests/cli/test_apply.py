"""``agentctl apply``: reviewed changes brought home, once somebody said yes, and only if all of them can be."""

import os
import sys
from pathlib import Path

import pexpect
import pytest

from agentctl.events.local import LocalFilesChanged
from agentctl.paths import Home
from agentctl.session.files import File
from agentctl.store.leases import Lease
from tests.cli.program import ROOT, agentctl
from tests.kit import Recorder, open_log
from tests.patch.recorded import FilesRecorder
from tests.patch.trees import Node, make, read

BEFORE = {"README.md": Node(b"# Hello\n"), "old.txt": Node(b"old\n"), "src/a.py": Node(b"print(1)\n")}
AFTER = {
    "README.md": Node(b"# Hello\nworld\n"),
    "src/a.py": Node(b"print(1)\n"),
    "new/run.sh": Node(b"#!/bin/sh\n", True),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make(tmp_path / "project", BEFORE)
    return tmp_path / "project"


def record(home: Home, folder: Path | None, after: dict[str, Node], **members: object) -> None:
    with open_log(home) as log:
        recorder = FilesRecorder(log, home, folder, **members)
        recorder.begin(BEFORE)
        recorder.act("make", after)
        recorder.rest()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_changes_come_home_and_a_second_time_there_is_nothing_to_do(home: Home, folder: Path) -> None:
    record(home, folder, AFTER)
    checked = agentctl("apply", "@", "--check")
    assert checked.code == 0
    assert checked.out.endswith(f"3 changes can be applied to {folder}\n")
    assert read(folder) == BEFORE
    done = agentctl("apply", "@", "--yes")
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "  ~ README.md   8 B -> 14 B\n"
        "  + new/run.sh         10 B  ! a program\n"
        "  - old.txt             4 B\n"
        f"applied 3 changes to {folder}\n"
    )
    assert read(folder) == AFTER
    assert agentctl("apply", "@", "--yes").out == f"{folder} is as the session left it already\n"


def test_without_a_terminal_nobody_is_asked(home: Home, folder: Path) -> None:
    record(home, folder, AFTER)
    for arguments in ([], ["-o", "json"]):
        done = agentctl("apply", "@", *arguments)
        assert done.code == 2
        assert "--yes" in done.err
    assert read(folder) == BEFORE


def test_a_folder_that_moved_on_is_told_file_by_file_and_left_alone(home: Home, folder: Path) -> None:
    record(home, folder, AFTER)
    (folder / "README.md").write_bytes(b"mine\n")
    (folder / "old.txt").unlink()
    for option in ("--check", "--yes"):
        done = agentctl("apply", "@", option)
        assert done.code == 1
        assert "  ~ README.md   8 B -> 14 B  it has changed since the session began\n" in done.out
        assert "nothing was written: 1 of the files" in done.err
        assert read(folder) == {"README.md": Node(b"mine\n"), "src/a.py": BEFORE["src/a.py"]}
    body = agentctl("apply", "@", "--yes", "-o", "json").json
    assert (body["schema"], body["applies"], body["applied"]) == ("agentctl.apply/1", False, False)
    states = {change["path"]: change["state"] for change in body["changes"]}
    assert states["/workspace/README.md"] == "refused"
    assert states["/workspace/old.txt"] == "done"
    assert agentctl("apply", "@", "--yes", "--except", "README.md", "-o", "json").json["applied"] is True
    assert read(folder) == {**AFTER, "README.md": Node(b"mine\n")}


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--only", "new"], {**BEFORE, "new/run.sh": AFTER["new/run.sh"]}),
        (["--only", "*.sh"], {**BEFORE, "new/run.sh": AFTER["new/run.sh"]}),
        (["--only", "new/", "--only", "README*"], {**AFTER, "old.txt": BEFORE["old.txt"]}),
        (["--except", "new", "--except", "*.txt"], {**BEFORE, "README.md": AFTER["README.md"]}),
    ],
)
def test_changes_are_chosen_by_patterns(home: Home, folder: Path, options: list[str], left: dict[str, Node]) -> None:
    record(home, folder, AFTER)
    assert agentctl("apply", "@", "--yes", *options).code == 0
    assert read(folder) == left


def test_a_pattern_that_fits_nothing_is_a_slip_and_applies_nothing(home: Home, folder: Path) -> None:
    record(home, folder, AFTER)
    done = agentctl("apply", "@", "--yes", "--except", "READMY.md")
    assert (done.code, read(folder)) == (2, BEFORE)
    assert "no change of the workspace fits READMY.md" in done.err


def test_a_repository_itself_is_never_written_and_what_runs_is_marked(home: Home, folder: Path) -> None:  # E14
    evil = {
        ".git/config": Node(b"[core]\nfsmonitor = evil\n"),
        ".git/hooks/pre-commit": Node(b"evil", True),
        "sub/.GIT/config": Node(b"evil"),
        ".vscode/tasks.json": Node(b"{}"),
        ".github/workflows/x.yml": Node(b"on: push"),
        ".envrc": Node(b"evil"),
        "out": Node(b"../../etc", is_link=True),
    }
    make(folder, {".git/config": Node(b"mine\n")})
    record(home, folder, {**BEFORE, **evil})
    done = agentctl("apply", "@", "--yes")
    assert done.code == 0
    assert "left out: 3 changes inside .git" in done.err
    for name, why in (
        (".vscode/tasks.json", "an editor reads it"),
        (".github/workflows/x.yml", "continuous integration runs it"),
        (".envrc", "a shell runs it"),
        ("out", "a link that leads outside"),
    ):
        line = next(line for line in done.out.splitlines() if f"+ {name} " in line)
        assert f"! {why}" in line
    assert (folder / ".git" / "config").read_bytes() == b"mine\n"
    assert names_in(folder / ".git") == ["config"]
    assert names_in(folder / "sub") == []


def test_contents_that_were_not_kept_have_to_be_left_out(home: Home, folder: Path) -> None:
    with open_log(home) as log:
        recorder = FilesRecorder(log, home, folder)
        recorder.begin(BEFORE)
        recorder.act("make", AFTER)
        big = File("/workspace/big.bin", "file", 0o644, 1 << 33, cut="more than 8 MiB")
        recorder.add(LocalFilesChanged, changes=[big.as_json() | {"change": "created"}])
        recorder.rest()
    done = agentctl("apply", "@", "--yes")
    assert done.code == 1
    assert "the contents of 1 changed" in done.err
    assert "/workspace/big.bin" in done.err
    assert read(folder) == BEFORE
    assert agentctl("apply", "@", "--yes", "--except", "big.bin").code == 0
    assert read(folder) == AFTER


def test_what_did_not_come_from_the_folder_stays_out_of_it(home: Home, folder: Path) -> None:
    repository = {"source": "https://example.com/o/lib", "target": "/workspace/lib", "repository": {"commit": "c0ffee"}}
    workspace = {"source": str(folder), "target": "/workspace"}
    record(home, None, {**AFTER, "lib/x": Node(b"x")}, uploads=[workspace, repository])
    done = agentctl("apply", "@", "--yes")
    assert done.code == 0
    assert "left out: 1 change to what did not come from the folder" in done.err
    assert read(folder) == AFTER


def test_a_workspace_that_came_from_no_folder_needs_one_named(home: Home, folder: Path) -> None:
    record(home, None, AFTER)
    done = agentctl("apply", "@", "--yes")
    assert done.code == 2
    assert "agentctl apply SESSION DIR" in done.err
    assert agentctl("apply", "@", folder, "--yes").code == 0
    assert read(folder) == AFTER
    assert agentctl("apply", "@", folder / "nowhere", "--yes").code == 2


def test_a_session_that_runs_is_not_applied(home: Home, folder: Path) -> None:
    record(home, folder, AFTER)
    with Lease(home, "sesn_01kaf3m9x8rq2m4n6p8r0t2v4w"):
        done = agentctl("apply", "@", "--yes")
    assert (done.code, read(folder)) == (9, BEFORE)


def test_a_session_that_changed_nothing_is_no_failure(home: Home, folder: Path) -> None:
    with open_log(home) as log:
        Recorder(log, home, uploads=[{"source": str(folder), "target": "/workspace"}])
    done = agentctl("apply", "@", "--yes")
    assert done.code == 0
    assert "changed nothing that could be applied" in done.out


def on_terminal(answer: str) -> tuple[str, int]:
    child = pexpect.spawn(
        sys.executable,
        ["-m", "agentctl", "apply", "@"],
        dimensions=(80, 100),
        encoding="utf-8",
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb", "LANG": "C.UTF-8"},
    )
    child.expect("Write 3 changes to ")
    asked = child.before
    child.send(answer)
    text = asked + child.read()
    child.close()
    return text, child.exitstatus if child.exitstatus is not None else -1


def test_a_person_sees_the_patch_first_and_is_asked(home: Home, folder: Path) -> None:
    record(home, folder, AFTER)
    for no in ("n\n", "\x04"):
        text, code = on_terminal(no)
        assert (code, read(folder)) == (1, BEFORE)
        assert "nothing was written" in text
    text, code = on_terminal("what\ny\n")
    assert (code, read(folder)) == (0, AFTER)
    assert text.index("+world") < text.index("! a program") < text.index("applied 3 changes")
