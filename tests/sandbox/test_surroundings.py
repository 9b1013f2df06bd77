"""What a session does on the machine around its sandbox, in a folder and with a daemon that are hostile."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.program import ROOT, agentctl
from tests.docker_proxy import DockerProxy
from tests.sandbox.boxes import AGENT, TWO

PLANTED = "#!/bin/sh\necho $0 >>{mark}\nexit 1\n"
POISON = "open({mark!r}, 'a').write(__name__ + '\\n')\n"


@pytest.mark.parametrize("kind", TWO)
def test_nothing_of_the_folder_it_is_run_from_is_run_or_imported(tmp_path: Path, kind: str) -> None:  # E13
    here, mark = tmp_path / "repository", tmp_path / "mark"
    (here / "bin").mkdir(parents=True)
    for name in ("docker", "git", "bwrap", "rm", "chmod", "python3", "sh", "less", "runc"):
        for path in (here / name, here / "bin" / name):
            path.write_text(PLANTED.format(mark=mark))
            path.chmod(0o755)
    for name in ("sitecustomize", "usercustomize", "docker", "json", "yaml", "anthropic", "agentctl"):
        (here / f"{name}.py").write_text(POISON.format(mark=str(mark)))
    (here / ".env").write_text("DOCKER_HOST=tcp://127.0.0.1:1\nANTHROPIC_API_KEY=sk-planted\nAGENTCTL_HOME=/nowhere\n")
    (here / "agent.yaml").write_text(AGENT)
    (here / "script.yaml").write_text("- tools: [{name: bash, input: {command: ls /}}]\n- text: Done.\n")
    program = tmp_path / "installed" / "agentctl"
    program.parent.mkdir()
    program.write_text("import sys\nfrom agentctl.cli.main import main\nsys.exit(main())\n")
    run = subprocess.run(
        [sys.executable, program, "run", "agent.yaml", "go", "--model", "script:script.yaml", "--sandbox", kind],
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": f".:{here}/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (run.returncode, run.stdout) == (0, "Done.\n"), run.stderr
    assert not mark.exists(), mark.read_text()


@pytest.mark.docker
def test_neither_the_archive_calls_nor_exec_are_ever_used(tmp_path: Path) -> None:  # E9, E17
    (tmp_path / "agent.yaml").write_text(AGENT)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "file").write_text("x")
    command = "mkdir -p ~/bin && printf x >~/bin/xz && chmod +x ~/bin/xz; cp file /mnt/session/outputs/out"
    (tmp_path / "script.yaml").write_text(
        f"- tools: [{{name: bash, input: {{command: '{command}'}}}}]\n- text: Done.\n"
        "- tools: [{name: bash, input: {command: 'cat ~/bin/xz file'}}]\n"
        "- {expect: {result_text: xx}, text: Still there.}\n"
    )
    with DockerProxy(tmp_path / "docker.sock") as proxy:
        done = agentctl(
            "run", tmp_path / "agent.yaml", "go", "--model", f"script:{tmp_path / 'script.yaml'}", "--workspace",
            tmp_path / "work", "-o", "json", DOCKER_HOST=proxy.url,
        )  # fmt: skip
        assert (done.code, done.json["outputs"]) == (0, ["out"]), done.err
        assert proxy.asked("POST /commit")
        again = agentctl("send", "@", "And now?", "-o", "json", DOCKER_HOST=proxy.url)
        assert (again.code, again.json["text"]) == (0, "Still there."), again.err
        assert [line.endswith("/start") for line in proxy.seen].count(True) == 2
        assert not [line for line in proxy.seen if "/archive" in line or "/exec" in line or "/copy" in line]
