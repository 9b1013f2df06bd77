"""The small commands, ``--help``, and the door through which failures leave."""

import inspect
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer
from jsonschema import Draft202012Validator

from agentctl import __version__
from agentctl.cli.main import COMMANDS, module_of
from tests.cli.program import ROOT, agentctl

GOOD_AGENT = "name: a\nmodel: claude-opus-5-5\n"
GOOD_ENVIRONMENT = "name: e\nconfig: {type: bubblewrap}\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "agent.yaml").write_text(GOOD_AGENT)
    (folder / "environment.yaml").write_text(GOOD_ENVIRONMENT)
    (folder / "bad.yaml").write_text("name: e\nconfig: {type: bubblewrap, netwroking: {type: none}}\nmetdata: {}\n")
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_a_command_in_the_help_is_what_the_command_says_of_itself(name: str) -> None:
    command = typer.main.get_command(import_module(module_of(name)).app)
    first = inspect.cleandoc(command.callback.__doc__ or "").splitlines()[0]
    assert first == COMMANDS[name].help


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_every_option_of_it_is_explained(name: str) -> None:
    done = agentctl(name, "--help", COLUMNS="200")
    assert done.code == 0
    command = typer.main.get_command(import_module(module_of(name)).app)
    for parameter in command.params:
        if parameter.name not in ("help", "install_completion", "show_completion"):
            assert getattr(parameter, "help", None), f"{name}: {parameter.name} is not explained"
            for option in parameter.opts if parameter.param_type_name == "option" else ():
                assert option in done.out


def test_help_lists_every_command_and_fits_eighty_columns() -> None:
    done = agentctl("--help", COLUMNS="80")
    assert done.code == 0
    assert all(re.search(rf"^  {name} ", done.out, re.MULTILINE) for name in COMMANDS)
    assert max(map(len, done.out.splitlines())) <= 80


def test_the_version_and_a_command_that_is_none() -> None:
    assert agentctl("--version").out == f"agentctl {__version__}\n"
    done = agentctl("rnu")
    assert done.code == 2
    assert "rnu" in done.err


def test_valid_files_are_said_to_be_valid(files: Path) -> None:
    done = agentctl("validate", files / "agent.yaml", files / "environment.yaml")
    assert done.code == 0
    assert [line.partition(": ")[2] for line in done.out.splitlines()] == ["ok, agent a", "ok, environment e"]


def test_every_problem_of_a_file_is_named_with_its_place_and_the_nearest_key(files: Path) -> None:
    done = agentctl("validate", files / "bad.yaml", files / "agent.yaml")
    assert done.code == 2
    assert f"{files}/bad.yaml:2:28: " in done.err
    assert "networking" in done.err
    assert f"{files}/bad.yaml:3:1: " in done.err
    assert "metadata" in done.err
    assert "agent.yaml: ok" in done.out


def test_a_secret_in_a_definition_is_refused_as_run_refuses_it(files: Path) -> None:
    (files / "agent.yaml").write_text("name: a\nmodel: claude-opus-5-5\nsystem: the key is gw_Zq81mN0pXw7cRb5Ve2\n")
    (files / "environment.yaml").write_text(f"name: e\nconfig: {{type: docker, env: {{GITHUB: ghp_{'a1B2' * 9}}}}}\n")
    own = {"ANTHROPIC_AUTH_TOKEN": "gw_Zq81mN0pXw7cRb5Ve2"}
    run = agentctl("run", files / "agent.yaml", "go", **own)
    for name, told in (("agent.yaml", "ANTHROPIC_AUTH_TOKEN"), ("environment.yaml", "GITHUB")):
        done = agentctl("validate", files / name, **own)
        assert done.code == run.code == 2
        assert f"{files / name}: " in done.err
        assert told in done.err
        assert "vault" in done.err
        assert "gw_Zq81" not in done.err
    body = agentctl("validate", files / "agent.yaml", "-o", "json", **own).json
    assert (body["valid"], len(body["files"][0]["problems"])) == (False, 1)


def test_validation_speaks_json(files: Path) -> None:
    body = agentctl("validate", files / "bad.yaml", files / "agent.yaml", "-o", "json").json
    assert body["schema"] == "agentctl.validate/1"
    assert body["valid"] is False
    assert [one["valid"] for one in body["files"]] == [False, True]
    assert {(problem["line"], problem["column"]) for problem in body["files"][0]["problems"]} == {(2, 28), (3, 1)}
    assert body["files"][1]["hash"].startswith("sha256:")


CHECKS = "must_call: [bash]\nlimits: {calls: 3}\n"
RULES = "- {name: build, pattern: 'build #[0-9]+', replace: 'build #N', tools: [bash]}\n"


@pytest.mark.parametrize(
    ("text", "kind"),
    [(CHECKS, "checks"), ("outputs: [a.md]\n", "checks"), (RULES, "rules"), ("[]\n", "rules")],
)
def test_checks_and_rules_are_valid_files_too(tmp_path: Path, text: str, kind: str) -> None:
    (tmp_path / "file.yaml").write_text(text)
    done = agentctl("validate", tmp_path / "file.yaml", "-o", "json")
    expected = {"path": f"{tmp_path}/file.yaml", "valid": True, "kind": kind, "name": None, "hash": None}
    assert (done.code, done.json["files"]) == (0, [{**expected, "problems": []}])
    assert agentctl("validate", tmp_path / "file.yaml").out == f"{tmp_path}/file.yaml: ok, {kind}\n"


@pytest.mark.parametrize(
    ("text", "places", "near"),
    [
        ("must_cal: [bash]\nlimit: {calls: 3}\n", ["1:1", "2:1"], ["must_call", "limits"]),
        (CHECKS.replace("calls", "cals"), ["2:10"], ["calls"]),
        ("must_call: []\n", ["1:1"], []),
        (RULES.replace("replace", "replcae").replace("tools", "tool"), ["1:43", "1:64"], ["replace", "tools"]),
        ("- {nmae: a, patern: b}\n", ["1:3", "1:4", "1:13"], ["name", "pattern"]),
        (RULES + "- {name: b}\n- {name: c, pattern: (}\n", ["2:3", "3:22"], []),
    ],
)
def test_what_is_wrong_with_checks_and_rules_is_named_with_its_place_and_the_nearest_key(
    tmp_path: Path, text: str, places: list[str], near: list[str]
) -> None:
    (tmp_path / "file.yaml").write_text(text)
    done = agentctl("validate", tmp_path / "file.yaml", "-o", "json")
    (found,) = done.json["files"]
    assert (done.code, found["valid"]) == (2, False)
    assert [f"{each['line']}:{each['column']}" for each in found["problems"]] == places
    for key in near:
        assert f"did you mean {key}?" in done.out


@pytest.mark.parametrize(
    ("text", "what"),
    [("- a\n", "must be keys and values"), ("{}\n", "name"), ("limits: {}\nmodel: x\nname: a\n", "limits")],
)
def test_a_file_that_is_neither_is_held_to_be_an_agent(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "file.yaml").write_text(text)
    done = agentctl("validate", tmp_path / "file.yaml")
    assert done.code == 2
    assert what in done.err


def test_the_schema_of_rules_takes_what_the_reader_takes() -> None:
    schema = json.loads(agentctl("schema", "rules").out)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert validator.is_valid([{"name": "a", "pattern": "b"}])
    assert validator.is_valid([{"name": "a", "pattern": "b", "replace": "", "tools": ["bash"]}])
    for wrong in ({}, [{"name": "a"}], [{"name": " ", "pattern": "b"}], [{"name": "a", "pattern": "b", "tool": []}]):
        assert not validator.is_valid(wrong)


@pytest.mark.parametrize("kind", ["agent", "environment"])
def test_the_schema_is_json_schema(kind: str) -> None:
    body = json.loads(agentctl("schema", kind).out)
    assert body["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "name" in body["properties"]


def test_doctor_says_what_is_there_and_how_to_mend_what_is_not(tmp_path: Path) -> None:
    done = agentctl("doctor", "-o", "json", DOCKER_HOST="unix:///nonexistent.sock")
    findings = {finding["name"]: finding for finding in done.json["findings"]}
    assert set(findings) == {"python", "sqlite", "store", "disk", "docker", "bubblewrap", "sandbox", "key"}
    assert findings["python"]["ok"]
    assert not findings["docker"]["ok"]
    assert findings["docker"]["hint"]
    assert "ANTHROPIC_API_KEY" in findings["key"]["hint"]
    assert done.code == (0 if findings["sandbox"]["ok"] else 1)
    text = agentctl("doctor", DOCKER_HOST="unix:///nonexistent.sock").out
    assert re.search(r"^ok +python", text, re.MULTILINE)


def test_doctor_never_shows_the_key() -> None:
    done = agentctl("doctor", ANTHROPIC_API_KEY="sk-ant-canary-0123456789")
    assert "from ANTHROPIC_API_KEY" in done.out
    assert "canary" not in done.out + done.err


def test_a_bug_is_one_line_and_a_report_and_exit_70(tmp_path: Path, own_home: Path) -> None:
    package = tmp_path / "broken"
    package.mkdir()
    (package / "sqlite3.py").write_text("raise RuntimeError('deep\\x1b[31m trouble')")
    done = agentctl("ls", PYTHONPATH=f"{package}:{ROOT}", AGENTCTL_HOME=str(own_home))
    assert done.code == 70
    first, second = done.err.splitlines()
    assert first == "agentctl: a bug: RuntimeError: deep\\x1b[31m trouble"
    (report,) = (own_home / "reports").iterdir()
    assert str(report) in second
    assert "sqlite3.py" in report.read_text()
    assert report.stat().st_mode & 0o077 == 0


def test_hostile_names_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    done = agentctl("validate", tmp_path / "a\x1b]0;owned\x07.yaml")
    assert done.code == 2
    assert "\x1b" not in done.err
    assert "\\x1b" in done.err


@pytest.mark.parametrize("words", [["--help"], ["ls"], ["validate", "--help"]])
def test_nothing_waits_for_standard_input(words: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "agentctl", *words],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    process.wait(60)
    assert process.stdin is not None
    process.stdin.close()


def test_it_runs_with_an_empty_environment(tmp_path: Path) -> None:
    done = subprocess.run(
        ["env", "-i", "PATH=/usr/bin:/bin", f"PYTHONPATH={ROOT}", f"AGENTCTL_HOME={tmp_path}/h", sys.executable, "-m",
         "agentctl", "ls"],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", ["schema agent", "doctor", "ls", "demo --examples /does/not/exist"])
def test_standard_output_that_cannot_be_written_is_one_line_and_no_bug(words: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m agentctl {words} > /dev/full"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "a bug" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_a_reader_who_has_read_enough_ends_the_command_well() -> None:
    command = f"{sys.executable} -m agentctl schema agent | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.stdout.splitlines() == ["{", "0"]
    assert done.stderr == ""
