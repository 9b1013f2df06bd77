"""What nobody means to type: numbers and times out of all bounds, bytes that are no text."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.program import ROOT, agentctl

AGENT = ROOT / "examples" / "agents" / "data-analyst.yaml"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["prune", "--sessions", "--older-than", "999999999d", "--dry-run"], "--older-than reaches back before"),
        (["ls", "-n", "9" * 30], "is more than"),
        (["run", "AGENT", "\udcff"], "the message is not UTF-8 text"),
        (["run", "AGENT", "hi", "--title", "\udcff"], "--title is not UTF-8 text"),
        (["run", "AGENT", "hi", "--max-turns", "9" * 30], "--max-turns"),
        (["doctor", "--image", ""], "--image (nothing) is not the name of an image"),
        (["run", "AGENT", "hi", "--workspace", ""], "'--workspace': it is empty"),
        (["run", "", "hi"], "'AGENT': it is empty"),
        (["check", "@", ""], "'CHECKS': it is empty"),
        (["check", "@", "checks.yaml", "--junit", "-"], "--junit takes the name of a file"),
        (["import", ""], "'FILE...': it is empty"),
        (["env", "build", ""], "'FILE': it is empty"),
        (["export", "@", "-d", ""], "'-d': it is empty"),
        (["deny", "@", "-m", "\udcff"], "--message is not UTF-8 text"),
        (["search", "word", "--agent", "\udcff"], "is not written in UTF-8"),
    ],
)
def test_it_is_refused_in_words(own_home: Path, arguments: list[str], told: str) -> None:
    done = agentctl(*(str(AGENT) if each == "AGENT" else each for each in arguments))
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert not (own_home / "reports").exists()


@pytest.mark.parametrize(
    ("arguments", "told", "command"),
    [
        (["ls", "-n", "x"], "invalid value for '-n': 'x' is not a number", "ls"),
        (["ls", "-o"], "option '-o' requires an argument", "agentctl ls"),
        (["baseline", "set", "-o"], "option '-o' requires an argument", "agentctl baseline"),
        (["prune", "--keep", "1.5"], "invalid value for '--keep'", "prune"),
        (["schema", "agnt"], "invalid value for 'kind': 'agnt' is not one of", "schema"),
        (["show"], "missing argument 'SESSION'", "show"),
        (["lss"], "no such command 'lss'; did you mean ls?", ""),
        (["xyzzy"], "no such command 'xyzzy'", ""),
        (["ls", "--al"], "no such option: --al; did you mean --all?\n", "ls"),
        (["run", "--modle", "x"], "no such option: --modle; did you mean --model?\n", "run"),
        (["ls", "--xyzzy"], "no such option: --xyzzy\n", "ls"),
        (["ls", "--x y"], "no such option: --x y\n", "ls"),
        (["ls", "-Z"], "no such option: -Z\n", "ls"),
        (["baseline", "put"], "no such command 'put'", "baseline"),
        (["baseline", "list"], "no such command 'list'; did you mean ls?\n", "baseline"),
    ],
)
def test_a_command_line_that_cannot_be_read_is_a_failure_like_any_other(
    own_home: Path, arguments: list[str], told: str, command: str
) -> None:
    done = agentctl(*arguments)
    first, hint = done.err.splitlines()
    assert (done.code, done.out) == (2, "")
    assert f"{first}\n".startswith(f"agentctl: {told}")
    assert hint.startswith("  see: ")
    assert hint.endswith(f"{command} --help".lstrip())


@pytest.mark.parametrize("command", [["resume", "@", "--model"], ["send", "@", "hi", "-e"]])
def test_what_a_session_keeps_is_to_be_had_in_a_fork(own_home: Path, command: list[str]) -> None:
    done = agentctl(*command, "x")
    first, hint = done.err.splitlines()
    assert (done.code, first) == (2, f"agentctl: no such option: {command[-1]}")
    assert hint.endswith(f"agentctl fork SESSION {command[-1]} …")
    assert command[-1] in agentctl("fork", "--help").out


def test_a_message_goes_with_send(own_home: Path) -> None:
    first, hint = agentctl("resume", "@", "go on").err.splitlines()
    assert first.startswith("agentctl: got unexpected extra argument")
    assert hint == "  to say something: agentctl send SESSION MESSAGE"


@pytest.mark.parametrize("asked", [["-o", "json"], ["-ojsonl"], ["--output=json"], ["--output", "jsonl"]])
def test_and_is_written_as_json_where_that_is_asked_for(own_home: Path, asked: list[str]) -> None:
    done = agentctl("ls", "-n", "0", *asked)
    assert (done.code, done.json["schema"], done.json["exit_code"]) == (2, "agentctl.result/1", 2)
    assert done.json["error"]["message"] == "invalid value for '-n': 0 is less than 1"


def test_a_group_without_a_command_says_what_there_is(own_home: Path) -> None:
    done = agentctl("baseline")
    assert (done.code, done.out) == (2, "")
    assert "Give a name to a session" in done.err


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["ls", "--help"]])
def test_help_that_nobody_can_take_is_no_bug(own_home: Path, arguments: list[str]) -> None:
    command = [sys.executable, "-m", "agentctl", *arguments]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (2, "agentctl: cannot write: No space left on device\n")
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as unread:
        done = subprocess.run(command, stdout=unread, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_where_there_is_no_store_lists_are_empty(own_home: Path) -> None:
    assert agentctl("baseline", "ls", "-o", "json").json["baselines"] == []
    assert agentctl("baseline", "ls").out == "there are no baselines; see: agentctl baseline set\n"
    assert agentctl("du").out == "nothing takes anything yet\n"
    assert not own_home.exists()
