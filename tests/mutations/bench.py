"""A place where one agent is run again and again, each time with everything the same but for what is changed."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from agentctl.canonical import JsonObject, exact_json
from agentctl.cli import diff as diff_command
from agentctl.cli import rerun as rerun_command
from agentctl.compare.difference import LayerName
from agentctl.compare.sessions import Compared, compare
from agentctl.compare.side import Side
from agentctl.definitions.agent import Agent
from agentctl.definitions.environment import Environment
from agentctl.launch.again.request import RerunRequest
from agentctl.launch.again.rerunning import Rerun, rerun
from agentctl.launch.driving import Answer
from agentctl.launch.parts import SandboxKind
from agentctl.launch.request import RunRequest
from agentctl.launch.starting import start
from agentctl.paths import Home
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.events import read_events

FIRST_LINES = 5
"""How many lines a person reads before they give up."""

Turn = tuple[JsonObject, ...]


def bash(command: str, **more: Any) -> JsonObject:
    return {"name": "bash", "input": {"command": command, **more}}


@dataclass(frozen=True)
class Setting:
    """All that a session depends on. ``workspace`` and ``tools`` are files with their permission bits."""

    turns: tuple[Turn, ...]
    workspace: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    tools: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    agent: JsonObject = field(default_factory=lambda: {"tools": [{"type": "agent_toolset_20260401"}]})
    config: JsonObject = field(default_factory=dict)
    message: str = "Look into it."
    said: str = "I have looked."
    thinking: str = "Where to begin?"
    answer: Answer = ("allow", None)
    typing_seconds: float = 0.0
    sandbox: SandboxKind | None = None

    def but(self, **changed: Any) -> "Setting":
        """Return the same with some members in the place of its own."""
        return replace(self, **changed)

    def with_turn(self, number: int, *calls: JsonObject) -> "Setting":
        """Return the same with other calls in one answer; none at all leave the answer out."""
        turns = [calls if place == number else turn for place, turn in enumerate(self.turns)]
        return replace(self, turns=tuple(filter(None, turns)))

    def with_more(self, number: int, *calls: JsonObject) -> "Setting":
        """Return the same with one more answer before that of a number."""
        return replace(self, turns=(*self.turns[:number], calls, *self.turns[number:]))

    def with_tool(self, name: str, text: str | None, mode: int = 0o755) -> "Setting":
        """Return the same with another program among the tools, or without it."""
        tools = {other: file for other, file in self.tools.items() if other != name}
        return replace(self, tools=tools if text is None else {**tools, name: (text, mode)})

    def with_file(self, name: str, text: str | None, mode: int = 0o644) -> "Setting":
        """Return the same with another file in the workspace, or without it."""
        files = {other: file for other, file in self.workspace.items() if other != name}
        return replace(self, workspace=files if text is None else {**files, name: (text, mode)})

    def with_config(self, **members: Any) -> "Setting":
        """Return the same with other members of the environment's configuration."""
        return replace(self, config={**self.config, **members})

    def with_agent(self, **members: Any) -> "Setting":
        """Return the same with other members of the agent's definition."""
        return replace(self, agent={**self.agent, **members})

    def script(self) -> str:
        """Return the answers as a script has them."""
        answers: list[JsonObject] = [{"tools": list(turn)} for turn in self.turns]
        answers[0]["thinking"] = self.thinking
        answers.append({"text": self.said})
        slow = {"typing_seconds": self.typing_seconds} if self.typing_seconds else {}
        return exact_json([{**each, **slow} for each in answers])


class Bench:
    """Runs sessions in one store, from the same places each time."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home = Home(home)
        self.folder = folder
        self._numbers = count(1)
        folder.chmod(0o755)

    @property
    def script(self) -> Path:
        """The file that the scripted model plays."""
        return self.folder / "script.yaml"

    def environment(self, setting: Setting) -> Path:
        """Write the environment of a setting into a file."""
        path = self.folder / "environment.yaml"
        path.write_text(exact_json(_environment(setting, self.folder)))
        return path

    def set_up(self, setting: Setting) -> None:
        """Make files, tools and script those of a setting, in the same places."""
        self.script.write_text(setting.script())
        for name, files in (("workspace", setting.workspace), ("tools", setting.tools)):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / name).mkdir()
            for path, (text, mode) in files.items():
                file = self.folder / name / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
                file.chmod(mode)

    def record(self, setting: Setting) -> str:
        """Run a setting to its end; return the session's id."""
        self.set_up(setting)
        session_id = f"sesn_mutation{next(self._numbers):04}"
        request = RunRequest(
            Agent.model_validate({"name": "mutant", "model": "claude-opus-5-5", **setting.agent}),
            Environment.model_validate(_environment(setting, self.folder)),
            setting.message,
            model=f"script:{self.script}",
            sandbox=setting.sandbox,
            session_id=session_id,
            workspace=self.folder / "workspace" if setting.workspace else None,
        )
        start(request, self.home, [], lambda _line: None, approve=lambda _call: setting.answer)
        result = self._side(session_id).result
        assert result.error is None, result.error
        return session_id

    def calls_of(self, session: str) -> list[int]:
        """Return the numbers of the events in which a session calls something."""
        return [call.seq for call in self._side(session).calls]

    def compared(self, one: str, other: str) -> Compared:
        """Compare two sessions."""
        return compare(self._side(one), self._side(other), contents=Blobs(self.home.blobs))

    def again(self, session: str, live: Any = None, **more: Any) -> Rerun:
        """Do a session again."""
        return rerun(RerunRequest(session, live, **more), self.home, [], lambda _line: None)

    def diff(self, *words: str) -> tuple[int, list[str]]:
        """Run ``agentctl diff``; return its exit code and the first lines."""
        return self._run(diff_command.app, words)

    def rerun(self, *words: str | Path) -> tuple[int, list[str]]:
        """Run ``agentctl rerun``; return its exit code and the first lines."""
        return self._run(rerun_command.app, words)

    def _run(self, app: Any, words: Sequence[str | Path]) -> tuple[int, list[str]]:
        environ = {"AGENTCTL_HOME": str(self.home.root)}
        done = CliRunner().invoke(app, [*map(str, words)], env=environ, catch_exceptions=False)
        return done.exit_code, done.stdout.splitlines()[:FIRST_LINES]

    def _side(self, session: str) -> Side:
        with reading(self.home) as connection:
            return Side.of(session, read_events(connection, Blobs(self.home.blobs), session))


def _environment(setting: Setting, folder: Path) -> JsonObject:
    mounts = [{"source": str(folder / "tools"), "target": "/tools"}] if setting.tools else []
    return {"name": "pinned", "config": {"type": "bubblewrap", "mounts": mounts, **setting.config}}


def differing(found: Compared) -> list[LayerName]:
    """Name the layers that differ, in their order."""
    return [layer.name for layer in found.differing]
