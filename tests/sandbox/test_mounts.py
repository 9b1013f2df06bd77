"""Folders of this machine inside of a sandbox: which, where, and never to be written."""

from pathlib import Path

import pytest

from agentctl.definitions.environment import Mount
from agentctl.errors import UsageError
from agentctl.sandbox.mounts import binds_of
from tests.cli.program import agentctl
from tests.sandbox.boxes import AGENT, KINDS, Box


@pytest.mark.parametrize("kind", KINDS)
def test_a_mount_shows_a_folder_and_lets_nobody_write(tmp_path: Path, kind: str) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "data.txt").write_text("shown")
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    shared.chmod(0o777)
    mounts = [{"source": str(shared), "target": "/data"}]
    box = Box(kind, tmp_path / "box", mounts=mounts)
    said = box.says("cat /data/data.txt; touch /data/new; grep ' /data ' /proc/self/mounts")
    box.sandbox.close()
    assert said.startswith("shown")
    assert "Read-only file system" in said
    assert " ro," in said
    assert [path.name for path in shared.iterdir()] == ["data.txt"]


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "people" / "me"
    for name in (".ssh", "project", ".config/agentctl", "store"):
        (home / name).mkdir(parents=True)
    (home / "link").symlink_to(home / ".ssh")
    (home / "engine.sock").touch()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AGENTCTL_HOME", str(home / "store"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{home}/engine.sock")
    return home


@pytest.mark.parametrize(
    "source",
    [
        "/", "/proc", "/proc/self", "/sys/fs", "/dev", "/dev/null", "/run", "/var/run", "/var/run/docker.sock", "/tmp",
        "/etc", "/var/lib/docker/overlay2", "/root/.ssh", "~/.ssh", "~/.config/agentctl", "~/link", "~/store",
        "~/engine.sock", "~/project/../.ssh", "~/project/../..", "work", "~/missing", "/home",
    ],
)  # fmt: skip
def test_what_holds_secrets_or_sockets_is_never_mounted(people: Path, source: str) -> None:  # B10
    with pytest.raises(UsageError, match="cannot mount") as refused:
        binds_of([Mount(source=source, target="/data")])
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    "target", ["/workspace", "/workspace/x", "/mnt", "/mnt/session/outputs", "/tmp/x", "/proc/x", "/usr", "/a/../proc"]
)
def test_nothing_is_mounted_over_what_the_sandbox_needs(people: Path, target: str) -> None:
    with pytest.raises(UsageError, match="cannot mount anything at"):
        binds_of([Mount(source=str(people / "project"), target=target)])
    assert binds_of([Mount(source="~/project", target="/data/set")])[0].source == str((people / "project").resolve())


def test_two_mounts_do_not_cover_each_other(people: Path) -> None:
    with pytest.raises(UsageError, match="cannot mount anything at /data/more"):
        binds_of([Mount(source="~/project", target="/data"), Mount(source="~/project", target="/data/more")])


def test_a_run_with_a_forbidden_mount_starts_nothing(tmp_path: Path) -> None:  # B10
    (tmp_path / "agent.yaml").write_text(AGENT)
    (tmp_path / "script.yaml").write_text("- tools: [{name: bash, input: {command: ls}}]\n- text: Done.\n")
    (tmp_path / "environment.yaml").write_text(
        "name: m\nconfig:\n  type: bubblewrap\n  mounts: [{source: /var/run, target: /data}]\n"
    )
    arguments = ("-e", tmp_path / "environment.yaml", "--model", f"script:{tmp_path / 'script.yaml'}")
    done = agentctl("run", tmp_path / "agent.yaml", "go", *arguments)
    assert done.code == 2
    assert "cannot mount /var/run" in done.err
    assert done.out == ""
