"""What a sandbox may take of the disk, and what is kept of the machine's."""

import subprocess
import time
from pathlib import Path

import pytest

from agentctl.errors import SandboxError, SandboxLimitError
from agentctl.sandbox import disk
from tests.cli.program import agentctl
from tests.sandbox.boxes import AGENT, BASE, TWO, Box


@pytest.mark.parametrize("kind", TWO)
def test_a_session_that_fills_the_disk_stops_at_its_limit(tmp_path: Path, kind: str) -> None:  # E11
    (tmp_path / "agent.yaml").write_text(AGENT)
    (tmp_path / "environment.yaml").write_text(
        f"name: small\nconfig:\n  type: {kind}\n  resources: {{disk: 64m}}\n"
        + f"  image: {BASE}\n" * (kind == "docker")
    )
    fill = "head -c 400M /dev/zero >/workspace/big; sleep 110"
    (tmp_path / "script.yaml").write_text(f"- tools: [{{name: bash, input: {{command: '{fill}'}}}}]\n- text: Done.\n")
    began = time.monotonic()
    done = agentctl(
        "run", tmp_path / "agent.yaml", "go", "-e", tmp_path / "environment.yaml", "--session", "full",
        "--model", f"script:{tmp_path / 'script.yaml'}", "-o", "jsonl",
    )  # fmt: skip
    assert (done.code, done.json["stop_reason"]) == (4, {"type": "budget_reached"}), done.err
    assert time.monotonic() - began < 90
    kinds = [line["type"] for line in done.lines]
    assert kinds.count("local.sandbox_started") == 1
    [reached] = [line for line in done.lines if line["type"] == "local.limit_reached"]
    assert (reached["limit"], reached["allowed"], reached["line"]) == ("disk", 64 << 20, "disk limit of 64 MiB reached")
    assert reached["used"] > 64 << 20
    if kind == "docker":
        left = subprocess.run(
            ["docker", "ps", "-aq", "--filter", "label=agentctl.session=full"], capture_output=True, check=True
        )
        assert not left.stdout


@pytest.mark.parametrize("what", ["RESERVE_BYTES", "RESERVE_FILES"])
@pytest.mark.bubblewrap
def test_the_disk_of_the_machine_keeps_a_reserve(  # E11: bytes, and inodes
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    box = Box("bubblewrap", tmp_path)
    monkeypatch.setattr(disk, "RESERVE_SHARE", 2.0)
    monkeypatch.setattr(disk, what, 1 << 60)
    with pytest.raises(SandboxLimitError, match="the disk of this machine is nearly full"):
        box.says("sleep 110")
    box.sandbox.close()
    with pytest.raises(SandboxError, match="is nearly full") as refused:
        Box("bubblewrap", tmp_path)
    assert refused.value.exit_code == 7


@pytest.mark.docker
def test_what_is_written_to_the_standard_output_of_process_1_fills_nothing(tmp_path: Path) -> None:  # E11, O7
    box = Box("docker", tmp_path)
    with pytest.raises(SandboxError):
        box.says("head -c 50M /dev/zero >/proc/1/fd/1; sleep 30")
    log = subprocess.run(["docker", "logs", str(box.facts["container_id"])], capture_output=True, check=False)
    box.sandbox.close()
    assert len(log.stdout) == 0


def test_what_a_folder_takes_is_counted_whatever_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "file").write_bytes(bytes(3 << 20))
    (tmp_path / "out").symlink_to("/usr")
    assert 3 << 20 <= disk.used_by(tmp_path) < 4 << 20
    assert disk.used_by(tmp_path / "missing") == 0


def test_a_daemon_elsewhere_is_asked_again_and_again() -> None:
    asked: list[float] = []
    ended: list[float] = []

    def measure() -> int | None:
        asked.append(time.monotonic())
        return None if len(asked) == 1 else 2_000  # it does not always answer

    watch = disk.DiskWatch(1_000, None, measure, lambda: ended.append(time.monotonic()))
    watch.start()
    deadline = time.monotonic() + 30
    while not ended and time.monotonic() < deadline:
        time.sleep(0.05)
    watch.stop()
    assert len(ended) == 1
    with pytest.raises(SandboxLimitError, match="disk limit of 1000 bytes reached") as reached:
        watch.raise_reached()
    assert (reached.value.exit_code, reached.value.used) == (4, 2_000)


def test_a_sandbox_that_is_not_stopped_at_once_is_stopped_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "AGAIN_SECONDS", 0.05)
    tries: list[float] = []
    watch = disk.DiskWatch(1_000, None, lambda: 2_000, lambda: tries.append(time.monotonic()))
    watch.start()
    deadline = time.monotonic() + 30
    while len(tries) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    watch.stop()
    assert len(tries) >= 2
