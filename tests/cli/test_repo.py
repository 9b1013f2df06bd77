"""``agentctl run --repo``: a repository in the workspace, at the commit that the record names."""

import subprocess
from pathlib import Path

import pytest

from tests.agents import TESTER
from tests.cli.program import Outcome, agentctl

LOOK = '- tools: [{name: bash, input: {command: "%s"}}]\n- {expect: {result_text: "%s"}, text: done}\n'


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.invalid", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder: Path, content: str) -> str:
    (folder / "file").write_text(content)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", content)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "lib"
    folder.mkdir()
    git(folder, "init", "--quiet")
    commit(folder, "first\n")
    (tmp_path / "agent.yaml").write_text(TESTER)
    (tmp_path / "clones").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "clones"))
    return folder


def run(project: Path, script: str, *more: str | Path) -> Outcome:
    folder = project.parent
    (folder / "script.yaml").write_text(script)
    options = ("--sandbox", "none", "--model", f"script:{folder / 'script.yaml'}")
    return agentctl("run", folder / "agent.yaml", "go", *options, *more)


def uploads() -> list[dict[str, object]]:
    header = agentctl("events", "@", "--type", "local.session_created", "-o", "jsonl").json
    return list(header["uploads"])


def test_a_repository_alone_is_the_workspace(project: Path) -> None:
    head = git(project, "rev-parse", "HEAD")
    done = run(project, LOOK % ("cat file; git log --oneline | wc -l; git remote", "first\\n1"), "--repo", project)
    assert done.code == 0, done.err
    assert f"cloning {project}" in done.err
    named = {"ref": None, "commit": head}
    assert uploads() == [{"source": str(project), "target": "/workspace", "repository": named}]
    assert list((project.parent / "clones").iterdir()) == []
    refused = agentctl("apply", "@", "--check")
    assert (refused.code, "did not come from a folder" in refused.err) == (2, True)


def test_beside_a_workspace_it_has_a_folder_of_its_own(project: Path) -> None:
    (project.parent / "work").mkdir()
    (project.parent / "work" / "mine").write_text("mine\n")
    both = ("--workspace", project.parent / "work", "--repo", project)
    assert run(project, LOOK % ("cat mine lib/file", "mine\\nfirst"), *both).code == 0
    assert [upload["target"] for upload in uploads()] == ["/workspace", "/workspace/lib"]
    (project.parent / "work" / "lib").mkdir()
    taken = run(project, LOOK % ("true", "no output"), *both)
    assert (taken.code, "something called lib already" in taken.err) == (2, True)
    twice = run(project, LOOK % ("true", "no output"), "--repo", project, "--repo", f"{project}@main")
    assert (twice.code, "two repositories are called lib" in twice.err) == (2, True)


def test_one_that_cannot_be_had_begins_no_session(project: Path) -> None:
    done = run(project, LOOK % ("true", "no output"), "--repo", f"{project}@nope", "-o", "json")
    assert done.code == 2
    assert done.json["error"]["type"] == "repository_checkout_error"
    assert done.json["error"]["message"] == f"{project} has no branch, tag or commit nope"
    assert agentctl("ls", "-o", "json").json["sessions"] == []


def test_the_same_id_with_another_ref_is_another_input(project: Path) -> None:
    script = LOOK % ("cat file", "first")
    for _ in range(2):
        assert run(project, script, "--repo", project, "--session", "once", "-o", "json").json["exit_code"] == 0
    assert len(agentctl("ls", "-o", "json").json["sessions"]) == 1
    other = run(project, script, "--repo", f"{project}@main", "--session", "once")
    assert (other.code, "begun with another input" in other.err) == (2, True)


def test_a_session_whose_sandbox_never_began_gets_the_commit_that_it_was_made_with(project: Path) -> None:
    script = "- {text: later}\n" + LOOK % ("cat file", "first")
    assert run(project, script, "--repo", f"{project}@main").code == 0
    commit(project, "second\n")
    done = agentctl("send", "@", "now")
    assert done.code == 0, done.err
    assert "done" in done.out
