"""The programs that are measured, and how each is called."""

import json
import secrets
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.model_server import ModelServer, Run
from bench.process import BenchError, Measured, measure
from bench.records import repeat

IMAGE = "agentctl-base:bookworm"
LABEL = "agentctl-bench"

VENVS = Path(__file__).parent / ".venv"
AGENTCTL = str(VENVS / "agentctl/bin/agentctl")
MINI = str(VENVS / "mini-swe-agent/bin/mini")
LLM = str(VENVS / "llm/bin/llm")

_TASK = "Take the steps you are told to take."
_KEY = f"sk-ant-api03-{secrets.token_urlsafe(71)}AA"
"""As long as a real one: whoever keeps a key out of the record has to look for it."""
_AGENT = """\
name: bench
model: claude-opus-5-5
tools:
  - type: agent_toolset_20260401
"""
_ENVIRONMENT = f"""\
name: bench
config:
  type: docker
  image: {IMAGE}
  networking: {{type: none}}
"""


@dataclass(frozen=True, slots=True)
class SessionRun:
    """A session of one program: the process, and what the server saw of it."""

    process: Measured
    seen: Run

    @property
    def to_first_request(self) -> float:
        """Seconds from the start of the process to the arrival of its first request."""
        return self.seen.requests[0].arrived - self.process.began

    @property
    def driving_seconds(self) -> float:
        """Wall-clock seconds from the first request to the end of the process, without the server's time."""
        return self.process.wall - self.to_first_request - self.seen.server_seconds

    def step_seconds(self, after: int) -> list[float]:
        """Seconds between one request and the next, the server's time taken out, from step ``after`` on."""
        times = self.seen.requests
        return [
            later.arrived - former.arrived - (former.answered - former.read)
            for former, later in zip(times[after:], times[after + 1 :], strict=False)
        ]


class Programs:
    """Runs the programs, each with a home of its own under one temporary folder."""

    def __init__(self, folder: Path, server: ModelServer) -> None:
        self._folder = folder
        self._server = server
        self._log = folder / "log"
        (folder / "agent.yaml").write_text(_AGENT)
        (folder / "environment.yaml").write_text(_ENVIRONMENT)

    @property
    def folder(self) -> Path:
        """Where everything is that a run of the benchmark makes."""
        return self._folder

    def agentctl(self, *arguments: str) -> Measured:
        """Run a command of agentctl on the store that ``agentctl_session`` fills."""
        return self._measure([AGENTCTL, *arguments], {"AGENTCTL_HOME": str(self._folder / "agentctl")})

    def mini_help(self) -> Measured:
        """Run ``mini --help``."""
        return self._measure([MINI, "--help"], self._mini_settings())

    def llm(self, *arguments: str) -> Measured:
        """Run a command of llm."""
        return self._measure([LLM, *arguments], {"LLM_USER_PATH": str(self._folder / "llm")})

    def agentctl_session(self, steps: int) -> SessionRun:
        """Run a session of so many commands in a container, every event durable."""
        name, run, url = self._expect(steps, submits=False)
        agent, environment = self._folder / "agent.yaml", self._folder / "environment.yaml"
        command = [AGENTCTL, "run", str(agent), "-e", str(environment), "--session", name, _TASK]
        settings = {"AGENTCTL_HOME": str(self._folder / "agentctl"), **_api(url)}
        try:
            return self._session(command, settings, run, run.requests_expected)
        finally:
            _remove_containers(f"agentctl.session={name}")

    def agentctl_answer(self) -> SessionRun:
        """Run a session without isolation on the store of ``record_sessions``, which is one answer long."""
        name, run, url = self._expect(0, submits=False)
        command = [AGENTCTL, "run", str(self.folder / "agent.yaml"), "--sandbox", "none", "--session", name, _TASK]
        return self._session(command, self.recorded_settings() | _api(url), run, 1)

    def record_sessions(self, events: int, count: int) -> tuple[list[str], int]:
        """Record sessions of so many events each, all killed before their last answer; return ids and steps."""
        name, run, url = self._expect(1, submits=False)
        agent, home = self.folder / "agent.yaml", self.folder / "resumed"
        command = [AGENTCTL, "run", str(agent), "--sandbox", "none", "--session", name, _TASK]
        self._session(command, {"AGENTCTL_HOME": str(home), **_api(url)}, run, run.requests_expected)
        names = [f"{name}-{number}" for number in range(count)]
        steps = [repeat(home, name, each, events) for each in names]
        return names, steps[0]

    def record_pair(self, events: int) -> tuple[str, str]:
        """Record two sessions of so many events, of which the second lacks the first step of the other; return ids."""
        (name,), _ = self.record_sessions(events, 1)
        other = f"{name}-later"
        repeat(self.folder / "resumed", name.rpartition("-")[0], other, events, first=2)
        return name, other

    def agentctl_diff(self, one: str, other: str) -> Measured:
        """Compare two sessions in every layer; whether they differ is not asked."""
        command = [AGENTCTL, "diff", one, other, "--all", "--fail-on", "network"]
        return self._measure(command, {"AGENTCTL_HOME": str(self.folder / "resumed")})

    def agentctl_resume(self, name: str, steps: int) -> SessionRun:
        """Take up a session of so many steps, which lacks its last answer."""
        _, run, url = self._expect(steps, submits=False)
        settings = {"AGENTCTL_HOME": str(self.folder / "resumed"), **_api(url)}
        return self._session([AGENTCTL, "resume", name], settings, run, 1)

    def recorded_settings(self) -> dict[str, str]:
        """Return where the sessions of ``record_sessions`` are."""
        return {"AGENTCTL_HOME": str(self.folder / "resumed")}

    def agentctl_recorded(self, *arguments: str) -> Measured:
        """Run a command of agentctl on the store with the sessions of ``record_sessions``."""
        return self._measure([AGENTCTL, *arguments], self.recorded_settings())

    def mini_session(self, steps: int) -> SessionRun:
        """Run a session of so many commands in a container; the last one is mini-swe-agent's submission."""
        name, run, url = self._expect(steps, submits=True)
        run_args = ["--rm", "--network", "none", "--label", f"{LABEL}={name}"]
        choices = {
            "environment.image": IMAGE,
            "environment.run_args": json.dumps(run_args),
            "environment.cwd": "/tmp",
        }
        command = [MINI, "--yolo", "--exit-immediately", "--model", "anthropic/claude-opus-4-5"]
        command += ["--environment-class", "docker", "--config", "mini.yaml"]
        command += [word for key, value in choices.items() for word in ("--config", f"{key}={value}")]
        command += ["--output", str(self._folder / "trajectory.json"), "--task", _TASK]
        try:
            return self._session(command, {**self._mini_settings(), **_api(url)}, run, run.requests_expected)
        finally:
            # mini-swe-agent leaves a shell behind that stops the container for ten seconds.
            _remove_containers(f"{LABEL}={name}")

    def floor_session(self, steps: int) -> SessionRun:
        """Run the bare loop of floor.py: the SDK, a shell on the host, four durable commits for each step."""
        name, run, url = self._expect(steps, submits=False)
        floor = Path(__file__).with_name("floor.py")
        command = [sys.executable, str(floor), str(self._folder / f"{name}.db")]
        return self._session(command, _api(url), run, run.requests_expected)

    def _expect(self, steps: int, *, submits: bool) -> tuple[str, Run, str]:
        name, run = f"bench-{secrets.token_hex(4)}", Run(steps, submits)
        return name, run, self._server.expect(name, run)

    def _session(self, command: list[str], settings: Mapping[str, str], run: Run, requests: int) -> SessionRun:
        process = self._measure(command, settings)
        if run.complaint or len(run.requests) != requests:
            raise BenchError(f"{command[0]}: {len(run.requests)} requests; {run.complaint}")
        return SessionRun(process, run)

    def _mini_settings(self) -> dict[str, str]:
        return {
            "MSWEA_GLOBAL_CONFIG_DIR": str(self._folder / "mini"),
            "MSWEA_CONFIGURED": "true",
            "MSWEA_COST_TRACKING": "ignore_errors",
            "MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT": "1",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # otherwise it asks the network for prices at every start
        }

    def _measure(self, command: list[str], settings: Mapping[str, str]) -> Measured:
        return measure(command, settings, self._log)


def _remove_containers(label: str) -> None:
    """Remove what a program left behind, or had when it was ended early."""
    listed = subprocess.run(
        ["docker", "ps", "--all", "--quiet", "--filter", f"label={label}"],
        check=True,
        capture_output=True,
        text=True,
    )
    if found := listed.stdout.split():
        subprocess.run(["docker", "rm", "--force", *found], check=False, capture_output=True)


def _api(url: str) -> dict[str, str]:
    return {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": _KEY}
