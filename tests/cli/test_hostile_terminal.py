"""Every command, on a terminal, of a session in which all that others choose is hostile: nothing of it is obeyed."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.test_look_terminal import HOSTILE, drawn, start
from tests.render.stage import unclean

EVIL = HOSTILE.replace("\x00", "")
NAME = EVIL.replace("/", "|")[:100]
COMMAND = """\
n=$(cat name)
cat data; cat data >&2; echo changed >> data; rm gone
cp data "$n"; ln -s "$n" "l$n"; mkdir "d$n"; echo x > "d$n/.envrc"; cp data "/mnt/session/outputs/$n"
"./$n"
"""
TOOLS = [
    {"name": "bash", "input": {"command": COMMAND}},
    {"name": "bash", "input": {"command": EVIL}},
    {"name": "read", "input": {"file_path": NAME}},
    {"name": "read", "input": {"file_path": f"not there {NAME}", EVIL: EVIL}},
    {"name": "write", "input": {"file_path": f"w{NAME}", "content": EVIL}},
    {"name": "edit", "input": {"file_path": NAME, "old_string": EVIL + EVIL, "new_string": "x"}},
    {"name": "grep", "input": {"pattern": "(" + EVIL}},
]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run it once, on a terminal; return its folder, and what was drawn."""
    folder = tmp_path_factory.mktemp("hostile")
    work = folder / "work"
    work.mkdir()
    (work / "data").write_text(f"{HOSTILE}\nplain\n{HOSTILE * 20}\n")
    (work / "name").write_text(NAME)
    (work / "gone").write_text(HOSTILE)
    agent = {"name": EVIL[:200], "model": "claude-opus-5-5", "tools": [{"type": "agent_toolset_20260401"}]}
    (folder / "agent.yaml").write_text(json.dumps({**agent, "description": EVIL, "system": EVIL}))
    config = {"type": "bubblewrap", "env": {"EVIL": EVIL}}
    (folder / "environment.yaml").write_text(json.dumps({"name": EVIL[:200], "description": EVIL, "config": config}))
    step = {"thinking": EVIL, "text": f"{EVIL}\n{EVIL}", "typing_seconds": 0.2, "tools": TOOLS}
    (folder / "script.yaml").write_text(json.dumps([step, {"text": f"{EVIL}\n\n{EVIL}"}]))
    written, code = drawn(
        "run", str(folder / "agent.yaml"), EVIL, "-e", str(folder / "environment.yaml"), "--title", EVIL,
        "--workspace", str(work), "--model", f"script:{folder / 'script.yaml'}", AGENTCTL_HOME=str(folder / "home"),
    )  # fmt: skip
    assert code == 0, written
    return folder, written


@pytest.fixture
def folder(ran: tuple[Path, str], own_home: Path) -> Path:
    shutil.copytree(ran[0] / "home", own_home)
    return ran[0]


@pytest.mark.bubblewrap
def test_a_run_draws_nothing_hostile(ran: tuple[Path, str]) -> None:  # O1
    assert unclean(ran[1]) == []
    assert ran[1].count("\\x1b]0;title") > 10
    assert "[red]m[/red]" in ran[1]  # O3
    assert "Permission denied" in ran[1] or "not found" in ran[1]


@pytest.mark.bubblewrap
@pytest.mark.parametrize(
    "command",
    [
        "ls", "show @", "replay @ --speed max --full", "events @", "files @",
        "files @ --full", "files @ --patch", "apply @ --check", "outputs @", "env learn @", "outputs @ -d OUT",
        "ls -o json", "show @ -o json", "events @ -o jsonl", "files @ -o json", "outputs @ -o json",
        "apply @ --check -o json",
    ],
)  # fmt: skip
def test_no_command_draws_anything_hostile(folder: Path, tmp_path: Path, command: str) -> None:  # O1
    written, code = drawn(*(word.replace("OUT", str(tmp_path / "out")) for word in command.split()), PAGER="cat")
    assert code == 0, written
    assert unclean(written) == []
    assert (
        "title" in written
        or "evil\\u202c" in written
        or command.startswith(("env learn", "files @ --patch"))
        or "json" in command
    )
    if "jsonl" in command:  # O4
        assert len([json.loads(line) for line in written.splitlines()]) == written.count("\n")


@pytest.mark.bubblewrap
def test_a_question_shows_what_would_be_written_and_nothing_of_it_is_obeyed(folder: Path, tmp_path: Path) -> None:  # O1
    target = tmp_path / "target"
    shutil.copytree(folder / "work", target)
    child = start("apply", "@", str(target), PAGER="cat")
    child.expect(r"\?")
    child.sendline("y")
    written = child.before + child.after + child.read()
    child.close()
    assert child.exitstatus == 0, written
    assert unclean(written) == []
    assert (target / NAME).read_text().endswith("changed\n")


@pytest.mark.bubblewrap
@pytest.mark.parametrize(
    "arguments",
    [
        ["run", EVIL, "x"],
        ["run", "agent.yaml", "x", "-e", EVIL],
        ["run", "agent.yaml", "x", "--file", EVIL],
        ["run", "agent.yaml", "x", "--repo", EVIL],
        ["run", "agent.yaml", "x", "--vault", EVIL],
        ["run", "agent.yaml", "x", "--session", EVIL],
        ["run", "agent.yaml", "x", "--model", "script:" + EVIL],
        ["validate", "variable.yaml", "host.yaml", "package.yaml", "key.yaml"],
        ["vault", "create", EVIL],
        pytest.param(["env", "rm", EVIL], marks=pytest.mark.docker),
        ["files", EVIL],
        ["apply", "@", EVIL],
        ["deny", EVIL, "-m", EVIL],
    ],
    ids=lambda arguments: " ".join(arguments[:2]).encode("ascii", "replace").decode()[:20].replace("\x1b", "?"),
)
def test_no_refusal_draws_anything_hostile(
    folder: Path, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # O1
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agent.yaml").write_text("name: a\nmodel: claude-opus-5-5\n")
    configs: dict[str, dict[str, object]] = {
        "variable": {"env": {EVIL: "x"}},
        "host": {"networking": {"type": "limited", "allowed_hosts": [EVIL]}},
        "package": {"packages": {"pip": [EVIL], "apt": [EVIL]}},
        "key": {EVIL: EVIL},
    }
    for name, config in configs.items():
        (tmp_path / f"{name}.yaml").write_text(json.dumps({"name": "e", "config": {"type": "docker", **config}}))
    written, code = drawn(*arguments)
    assert code == 2, written
    assert unclean(written) == []
