"""The kinds of change: what is changed, and what has to be said of it."""

from collections.abc import Callable
from dataclasses import dataclass

from agentctl.canonical import JsonObject
from tests.mutations.bench import Setting, bash
from tests.mutations.setting import NAMES, REPORT, others, package

Change = Callable[[Setting], Setting]


@dataclass(frozen=True)
class Kind:
    """One thing that is changed.

    ``layers`` are those that may differ, all of them and no other, and the heading of ``diff`` contains
    ``heading``. ``first`` is the call where the two part, and the layer in which; None where none does.
    """

    name: str
    change: Change
    layers: tuple[str, ...]
    heading: str
    first: tuple[str, str] | None = None


def _without_glob(setting: Setting) -> Setting:
    toolset = setting.agent["tools"][0]
    configs = [*toolset["configs"], {"name": "glob", "enabled": False}]
    return setting.with_agent(tools=[{**toolset, "configs": configs}]).with_turn(0, setting.turns[0][0])


def _env(setting: Setting, **names: str) -> Setting:
    return setting.with_config(env={**setting.config["env"], **names})


def _toolset(setting: Setting, **members: object) -> JsonObject:
    return {**setting.agent["tools"][0], **members}


def _write(text: str) -> JsonObject:
    return {"name": "write", "input": {"file_path": "/workspace/summary.txt", "content": text}}


def _at(name: str) -> int:
    """Return the number of the answer that has a call; the first has two."""
    return max(0, NAMES.index(name) - 1)


_REFUSED = {"networking": {"type": "limited", "allowed_hosts": ["example.com"]}}
_DENIES = {"permissions": {"deny": [{"tool": "bash", "input": {"command": {"matches": "^report "}}}]}}

KINDS = (
    # --- what a session begins with
    Kind("file content", lambda it: it.with_file("notes.txt", "one\nthree\n"), ("header", "observations"),
         "file it began with differs: notes.txt", ("look", "observations")),
    Kind("file mode", lambda it: it.with_file("run.sh", "#!/bin/sh\n", 0o644), ("header", "observations"),
         "file it began with differs: run.sh mode 755 > 644", ("look", "observations")),
    Kind("file missing", lambda it: it.with_file("run.sh", None), ("header", "observations"),
         "file it began with differs: run.sh only in A", ("look", "observations")),
    Kind("file renamed", lambda it: it.with_file("run.sh", None).with_file("go.sh", "#!/bin/sh\n", 0o755),
         ("header", "observations"), "file it began with differs: go.sh only in B", ("look", "observations")),
    Kind("message", lambda it: it.but(message="Look into it again."), ("header",),
         "message 1 differs: Look into it. > Look into it again."),
    Kind("system prompt", lambda it: it.with_agent(system="You look into everything."), ("header",),
         "agent differs: system You look into things. > You look into everything."),
    Kind("model", lambda it: it.with_agent(model="claude-sonnet-5"), ("header",), "agent differs: model"),
    Kind("tool disabled", _without_glob, ("header", "trajectory"), "agent differs: tools", ("glob", "trajectory")),
    Kind("permission rule", lambda it: it.with_agent(local=_DENIES),
         ("header", "observations", "files", "network"), "agent differs: local.permissions.deny", ("report", "network")),
    Kind("environment variable", lambda it: _env(it, MODE="fancy"), ("header", "observations"),
         "environment differs: config.env.MODE plain > fancy", ("clock", "observations")),
    Kind("time zone", lambda it: _env(it, TZ="JST-9"), ("header", "observations", "files", "outcome"),
         "environment differs: config.env.TZ UTC > JST-9", ("clock", "observations")),
    Kind("host refused", lambda it: it.with_config(**_REFUSED), ("header", "observations", "network"),
         "environment differs: config.networking", ("network", "observations")),
    Kind("memory limit", lambda it: it.with_config(resources={"memory": "200m"}), ("header", "observations"),
         "environment differs: config.resources.memory", ("memory", "observations")),
    Kind("limit on turns", lambda it: it.with_agent(local={"limits": {"max_turns": 4}}),
         ("header", "trajectory", "files", "network", "outcome"), "agent differs: local.limits.max_turns",
         ("network", "trajectory")),
    # --- what moved without anybody saying so
    Kind("package version", lambda it: it.but(tools=others(it.tools) | package("1.1.0", "+ 1")), ("observations",),
         "tabler", ("package", "observations")),
    Kind("package missing", lambda it: it.but(tools=others(it.tools)), ("observations",),
         "tabler", ("package", "observations")),
    Kind("command missing", lambda it: it.with_tool("bin/report", None), ("observations", "files"),
         "report", ("report", "observations")),
    Kind("command forbidden", lambda it: it.with_tool("bin/report", REPORT, 0o644), ("observations", "files"),
         "report", ("report", "observations")),
    Kind("output format", lambda it: it.with_tool("bin/report", REPORT.replace("lines: ", "line count = ")),
         ("observations",), "report notes.txt", ("report", "observations")),
    Kind("exit code", lambda it: it.with_tool("bin/report", REPORT + "exit 3\n"), ("observations",),
         "report notes.txt", ("report", "observations")),
    Kind("file that a tool leaves", lambda it: it.with_tool("bin/report", REPORT.replace("made by", "made with")),
         ("files",), "report notes.txt", ("report", "files")),
    Kind("clock", lambda it: it.with_tool("bin/now", "#!/bin/sh\ndate -d '+40 days'\n"), ("observations",),
         "now", ("clock", "observations")),
    # --- what people answered
    Kind("approval", lambda it: it.but(answer=("deny", "not that one")),
         ("observations", "files", "network", "outcome"), "answer to write differs after 7 same calls: allow > deny",
         ("write", "network")),
    # --- what the model did
    Kind("argument", lambda it: it.with_turn(_at("report"), bash("report run.sh", timeout_ms=20_000)),
         ("arguments",), "the agents part after 3 same calls: bash command differs", ("report", "arguments")),
    Kind("content written", lambda it: it.with_turn(_at("write"), _write("Three lines.\n")),
         ("arguments", "files", "outcome"), "the agents part after 7 same calls: write content differs",
         ("write", "arguments")),
    Kind("one more call", lambda it: it.with_more(_at("report"), bash("uname -s")),
         ("trajectory",), "the agents part after 3 same calls: B calls bash uname -s", ("report", "trajectory")),
    Kind("one call fewer", lambda it: it.with_turn(_at("memory")),
         ("trajectory",), "the agents part after 6 same calls: A calls bash", ("memory", "trajectory")),
    Kind("another tool", lambda it: it.with_turn(0, it.turns[0][0], {"name": "grep", "input": {"pattern": "t.*o"}}),
         ("trajectory",), "the agents part after 1 same call: A calls glob", ("glob", "trajectory")),
    # --- what is no difference
    Kind("other words", lambda it: it.but(thinking="Let me see."), (), "the same, but for"),
    Kind("final answer", lambda it: it.but(said="There were two lines."), (), "the words of the answer"),
    Kind("order of parallel calls", lambda it: it.with_turn(0, *reversed(it.turns[0])), (), "the same, but for"),
    Kind("a slower run", lambda it: it.but(typing_seconds=0.05).with_tool("bin/now", "#!/bin/sh\nsleep 0.5\ndate\n"),
         (), "the same, but for"),
    Kind("nothing but noise", lambda it: it, (), "the same, but for"),
)  # fmt: skip
