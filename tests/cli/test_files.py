"""``agentctl files``: what a session did to its files, as lines, as JSON and as a patch, whatever they are called."""

import os
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from agentctl.events.local import LocalFilesChanged, LocalFilesUploaded, LocalSandboxStarted
from agentctl.paths import Home
from agentctl.session.files import File
from tests.cli.program import ROOT, agentctl
from tests.kit import Recorder, open_log
from tests.patch.recorded import FilesRecorder
from tests.patch.trees import Node, make, read

BEFORE = {"README.md": Node(b"# Hello\n"), "old.txt": Node(b"old\n"), "src/a.py": Node(b"print(1)\n")}
EVIL = "\x1b]0;owned\x07\x1b[2J\u202egpj.exe"


def record(home: Home, *trees: dict[str, Node], source: Path | None = None) -> list[str]:
    """Record a session in which each call makes the next of these trees; return the ids of the calls."""
    with open_log(home) as log:
        recorder = FilesRecorder(log, home, source)
        recorder.begin(trees[0])
        asked = [recorder.act(f"make {number}", tree)[0].id for number, tree in enumerate(trees[1:], 1)]
        recorder.rest()
    return asked


def test_calls_are_told_and_then_the_whole(home: Home) -> None:
    first = {**BEFORE, "README.md": Node(b"# Hello\nworld\n"), "tmp": Node(b"x")}
    second = {name: node for name, node in first.items() if name not in ("tmp", "old.txt")} | {"run": Node(b"", True)}
    record(home, BEFORE, first, second)
    assert agentctl("files", "@").out == (
        "#14 bash make 1\n"
        "  ~ README.md  8 B -> 14 B\n"
        "  + tmp                1 B\n"
        "\n"
        "#22 bash make 2\n"
        "  - old.txt  4 B\n"
        "  - tmp      1 B\n"
        "  + run      0 B  ! a program\n"
        "\n"
        "as a whole\n"
        "workspace +1 ~1 -1\n"
        "  ~ README.md  8 B -> 14 B\n"
        "  - old.txt            4 B\n"
        "  + run                0 B  ! a program\n"
    )


def test_an_event_of_a_call_asks_for_that_call_and_at_for_all_before(home: Home) -> None:
    first, second = {**BEFORE, "one": Node(b"1\n")}, {**BEFORE, "one": Node(b"1\n"), "two": Node(b"2\n")}
    asked = record(home, BEFORE, first, second)
    expected = "#22 bash make 2\n  + two  2 B\n"
    for name in ("22", "#22", "20", "21", asked[1]):
        assert agentctl("files", "@", name).out == expected, name
    assert agentctl("files", "@", "3").out == "event #3 changed no files\n"
    assert agentctl("files", "@", "--at", "21").out.endswith("as a whole\nworkspace +1 ~0 -0\n  + one  2 B\n")
    assert b"two" not in patch("@", "14")
    assert b"one" not in patch("@", "22")
    assert agentctl("files", "@", "99").code == 2
    assert agentctl("files", "@", "14", "--at", "22").code == 2


def patch(*arguments: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "agentctl", "files", *arguments, "--patch"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    return done.stdout


def test_the_patch_is_what_git_takes(home: Home, tmp_path: Path) -> None:
    after = {
        "README.md": Node(b"# Hello\r\nworld"),
        "bin": Node(bytes(range(256)) * 9, True),
        EVIL: Node(b"x\n"),
        "link": Node(b"README.md", is_link=True),
        "src/b\xe4.py".encode("latin-1").decode("utf-8", "surrogateescape"): Node(b"\xe4\n"),
    }
    record(home, BEFORE, after)
    make(tmp_path / "tree", BEFORE)
    environ = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path)}
    subprocess.run(["git", "apply"], cwd=tmp_path / "tree", input=patch("@"), env=environ, check=True)
    assert read(tmp_path / "tree") == after


def test_what_belongs_to_git_itself_is_left_out_and_said(home: Home) -> None:  # E14
    record(home, BEFORE, {**BEFORE, ".git/hooks/pre-commit": Node(b"evil", True), "x": Node(b"x\n")})
    done = agentctl("files", "@", "--patch")
    assert done.code == 0
    assert "hooks" not in done.out
    assert "left out: 1 change inside .git" in done.err
    assert "! 1 change inside .git, never brought out" in agentctl("files", "@").out
    assert ".git/hooks/pre-commit" in agentctl("files", "@", "--full").out


def test_a_patch_without_contents_that_were_not_kept_is_not_whole(home: Home) -> None:
    with open_log(home) as log:
        recorder = FilesRecorder(log, home)
        recorder.begin(BEFORE)
        big = File("/workspace/big", "file", 0o644, 1 << 33, cut="more than 8 MiB")
        recorder.add(LocalFilesChanged, changes=[big.as_json() | {"change": "created"}], cut="3 more")
    done = agentctl("files", "@", "--patch")
    assert (done.code, done.out) == (1, "")
    assert "left out: /workspace/big: its contents were not kept: more than 8 MiB" in done.err
    shown = agentctl("files", "@").out
    assert "between two calls" in shown
    assert "not kept: more than 8 MiB" in shown
    assert "not recorded: 3 more" in shown


def test_many_changes_are_folded_and_those_to_look_at_are_not(home: Home) -> None:
    many = {f"many/{number:03}": Node(b"x") for number in range(300)}
    record(home, BEFORE, {**BEFORE, **many, "z/.envrc": Node(b"evil")})
    out = agentctl("files", "@", "12").out
    assert "z/.envrc  4 B  ! a shell runs it" in out
    assert "… 290 more changes: --full shows all" in out
    assert len(out.splitlines()) < 16
    assert len(agentctl("files", "@", "14", "--full").out.splitlines()) == 302
    assert len(agentctl("files", "@", "14", "-o", "json").json["changes"]) == 303


def test_json_tells_every_change_with_both_sides(home: Home) -> None:
    asked = record(home, BEFORE, {**BEFORE, "README.md": Node(b"new"), ".envrc": Node(b"x")})
    body = agentctl("files", "@", "-o", "json").json
    assert (body["type"], body["schema"], body["recorded"]) == ("files", "agentctl.files/1", True)
    (call,) = body["calls"]
    assert (call["event"], call["tool_use_id"], call["name"]) == (14, asked[0], "bash")
    changes = {change["path"]: change for change in body["changes"]}
    assert call["changes"] == [changes[path] for path in ("/workspace/.envrc", "/workspace/README.md")]
    changed = changes["/workspace/README.md"]
    assert (changed["change"], changed["before"]["size"], changed["after"]["size"]) == ("modified", 8, 3)
    assert changes["/workspace/.envrc"]["before"] is None
    assert changes["/workspace/.envrc"]["attention"] == "a shell runs it"
    assert agentctl("files", "@", "-o", "json", "--patch").code == 2


def test_a_session_that_changed_nothing_and_one_that_does_not_say(home: Home) -> None:
    record(home, BEFORE)
    assert agentctl("files", "@").out == "session sesn_01kaf3m9x8rq2m4n6p8r0t2v4w changed no files\n"
    assert agentctl("files", "@", "--patch").out == ""
    with open_log(home) as log:
        older = Recorder(log, home, "older", uploads=[{"source": "/x", "target": "/workspace"}])
        older.add(LocalSandboxStarted, facts={})
    assert agentctl("files", "older").out == "the record of session older does not say what became of its files\n"
    assert agentctl("files", "older", "-o", "json").json["recorded"] is False


def test_damaged_contents_are_said_so(home: Home) -> None:
    record(home, BEFORE, {**BEFORE, "x": Node(b"x" * 100)})
    for blob in home.blobs.rglob("*"):
        if blob.is_file() and blob.read_bytes() == b"x" * 100:
            blob.chmod(0o600)
            blob.write_bytes(b"evil")
    done = agentctl("files", "@", "--patch")
    assert (done.code, done.out) == (8, "")
    assert "damaged" in done.err
    with open_log(home) as log:
        recorder = Recorder(log, home, "odd")
        recorder.add(LocalFilesUploaded, manifest="0" * 64, files=1, bytes=1, skipped=[])
    assert agentctl("files", "odd").code == 8


@pytest.mark.parametrize("arguments", [[], ["--full"], ["--patch"]], ids=["lines", "full", "patch"])
def test_a_terminal_obeys_no_name_and_no_content(home: Home, arguments: list[str]) -> None:  # O1
    evil = {EVIL: Node(b"\x1b]52;c;ZXZpbA==\x07\x9b2J\r\nplain\rhidden\n"), "l": Node(EVIL.encode(), is_link=True)}
    record(home, BEFORE, {**BEFORE, **evil})
    child = pexpect.spawn(
        sys.executable,
        ["-m", "agentctl", "files", "@", *arguments],
        dimensions=(60, 100),
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "LANG": "C.UTF-8", "PAGER": "cat"},
    )
    shown = child.read()
    child.close()
    assert child.exitstatus == 0
    assert rb"\x1b]0;owned\x07\x1b[2J\u202egpj.exe" in shown
    styles = [b"\x1b[%sm" % code for code in (b"0", b"1", b"2", b"31", b"32", b"33", b"36", b"2;3")]
    rest = shown
    for style in styles:
        rest = rest.replace(style, b"")
    assert not {byte for byte in rest if byte < 0x20 or byte == 0x7F} - set(b"\r\n")
    assert "\u202e" not in rest.decode()
    assert not {character for character in rest.decode() if "\x80" <= character <= "\x9f"}


def test_a_pager_is_found_by_the_persons_path_and_never_in_the_folder(home: Home, tmp_path: Path) -> None:  # E13
    record(home, BEFORE, {**BEFORE, "long": Node(b"".join(b"line %d\n" % number for number in range(200)))})
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / "less").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (trap / "less").chmod(0o755)
    child = pexpect.spawn(
        sys.executable,
        ["-m", "agentctl", "files", "@", "--patch"],
        cwd=str(trap),
        dimensions=(20, 80),
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "PATH": ".:/nowhere"},
    )
    assert b"line 199" in child.read()
    child.close()
    assert not (tmp_path / "ran").exists()


def test_a_patch_of_a_large_file_is_made_in_bounded_time(home: Home) -> None:
    old = b"".join(b"%d\n" % (number * 7919 % 100_003) for number in range(30_000))
    new = b"".join(b"%d\n" % (number * 104_729 % 100_003) for number in range(30_000))
    record(home, {"x": Node(old)}, {"x": Node(new)})
    done = agentctl("files", "@", "--patch")
    assert done.code == 0
    assert done.out.startswith("diff --git a/x b/x\n")
