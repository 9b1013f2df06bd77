"""The kinds of change: what is changed, and what has to be said of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from agentctl.canonical import JsonObject
from tests.mutations.bench import Setting, bash
from tests.mutations.setting import NAMES, REPORT, others, package

Change = Callable[[Setting], Setting]


Moved = Literal["environment", "model"]


@dataclass(frozen=True)
class Kind:
    """One thing that is changed.

    ``layers`` are those that differ, these and no other, and the heading of ``diff`` contains ``heading``.
    ``first`` is the call where the two part and the layer in which; None where none does. ``moved`` is the
    side that ``rerun`` finds to have moved, where the change is there when a session is done again, and
    ``cause`` what it says of it; where the results of a call differ, ``diff`` says the same.
    """

    name: str
    change: Change
    layers: tuple[str, ...]
    heading: str
    first: tuple[str, str] | None = None
    cause: str = ""
    moved: Moved | None = None


def _without_glob(setting: Setting) -> Setting:
    toolset = setting.agent["tools"][0]
    configs = [*toolset["configs"], {"name": "glob", "enabled": False}]
    return setting.with_agent(tools=[{**toolset, "configs": configs}]).with_turn(0, setting.turns[0][0])


def _env(setting: Setting, **names: str) -> Setting:
    return setting.with_config(env={**setting.config["env"], **names})


def _write(text: str) -> JsonObject:
    return {"name": "write", "input": {"file_path": "/workspace/summary.txt", "content": text}}


def _at(name: str) -> int:
    """Return the number of the answer that has a call; the first has two."""
    return max(0, NAMES.index(name) - 1)


_REFUSED = {"networking": {"type": "limited", "allowed_hosts": ["example.com"]}}
_DENIES = {"permissions": {"deny": [{"tool": "bash", "input": {"command": {"matches": "^report "}}}]}}

BEGINS = (
    Kind("file content", lambda it: it.with_file("notes.txt", "one\nthree\n"), ("header", "observations"),
         "input file differs: notes.txt other contents", ("look", "observations"), "“two” -> “three”"),
    Kind("file mode", lambda it: it.with_file("run.sh", "#!/bin/sh\n", 0o644), ("header", "observations"),
         "input file differs: run.sh mode 755 -> 644", ("look", "observations"), "“755 run.sh” -> “644 run.sh”"),
    Kind("file missing", lambda it: it.with_file("run.sh", None), ("header", "observations"),
         "input file differs: run.sh only in A", ("look", "observations"), "“755 run.sh” -> nothing"),
    Kind("file renamed", lambda it: it.with_file("run.sh", None).with_file("go.sh", "#!/bin/sh\n", 0o755),
         ("header", "observations"), "input file moved: run.sh -> go.sh", ("look", "observations"), "go.sh"),
    Kind("message", lambda it: it.but(message="Look into it again."), ("header",),
         "message differs: Look into it. -> Look into it again."),
    Kind("system prompt", lambda it: it.with_agent(system="You look into everything."), ("header",),
         "agent differs: system You look into things. -> You look into everything."),
    Kind("model", lambda it: it.with_agent(model="claude-sonnet-5"), ("header",),
         "agent differs: model.id claude-opus-5-5 -> claude-sonnet-5"),
    Kind("tool disabled", _without_glob, ("header", "trajectory"), "agent differs: tools.0.configs.glob only in B",
         ("glob", "trajectory"), "the model does not ask for it", "model"),
    Kind("permission rule", lambda it: it.with_agent(local=_DENIES), ("header", "observations", "files", "network"),
         "agent differs: local.permissions.deny.0 only in B", ("report", "network")),
    Kind("limit on turns", lambda it: it.with_agent(local={"limits": {"max_turns": 4}}),
         ("header", "trajectory", "files", "network", "outcome"), "agent differs: local.limits.max_turns",
         ("network", "trajectory")),
    Kind("environment variable", lambda it: _env(it, MODE="fancy"), ("header", "observations"),
         "environment differs: config.env.MODE plain -> fancy", ("clock", "observations"),
         "“mode plain” -> “mode fancy”", "environment"),
    Kind("time zone", lambda it: _env(it, TZ="JST-9"), ("header", "observations", "files", "outcome"),
         "environment differs: config.env.TZ UTC -> JST-9", ("clock", "observations"), "JST", "environment"),
    Kind("host refused", lambda it: it.with_config(**_REFUSED), ("header", "observations", "network"),
         "environment differs: config.networking.allowed_hosts.0", ("network", "observations"),
         "network denied: curl", "environment"),
    Kind("memory limit", lambda it: it.with_config(resources={"memory": "200m"}), ("header", "observations"),
         "environment differs: config.resources.memory only in B: 209715200", ("memory", "observations"),
         "not enough memory: MemoryError", "environment"),
)  # fmt: skip
"""What is in the definitions, the files or the message, and so in the record."""

AROUND = (
    Kind("package version", lambda it: it.but(tools=others(it.tools) | package("1.1.0", "+ 1")), ("observations",),
         "the same call gave something else after 2 same calls", ("package", "observations"),
         "tabler 1.0.0 -> 1.1.0", "environment"),
    Kind("package missing", lambda it: it.but(tools=others(it.tools)), ("observations",),
         "the same call gave something else after 2 same calls", ("package", "observations"),
         "package missing: tabler", "environment"),
    Kind("command missing", lambda it: it.with_tool("bin/report", None), ("observations", "files"),
         "the same call gave something else after 3 same calls: bash report notes.txt", ("report", "observations"),
         "command missing: report", "environment"),
    Kind("command forbidden", lambda it: it.with_tool("bin/report", REPORT, 0o644), ("observations", "files"),
         "the same call gave something else after 3 same calls: bash report notes.txt", ("report", "observations"),
         "/tools/bin/report: Permission denied", "environment"),
    Kind("output format", lambda it: it.with_tool("bin/report", REPORT.replace("lines: ", "line count = ")),
         ("observations",), "the same call gave something else after 3 same calls: bash report notes.txt",
         ("report", "observations"), "output: “lines: 2” -> “line count = 2”", "environment"),
    Kind("exit code", lambda it: it.with_tool("bin/report", REPORT + "exit 3\n"), ("observations",),
         "the same call gave something else after 3 same calls: bash report notes.txt", ("report", "observations"),
         "exit code 0 -> 3", "environment"),
    Kind("a tool that hangs", lambda it: it.with_tool("bin/report", "#!/bin/sh\nsleep 60\n"),
         ("observations", "files"), "the same call gave something else after 3 same calls: bash report notes.txt",
         ("report", "observations"), "it took too long: 3 s", "environment"),
    Kind("file that a tool leaves", lambda it: it.with_tool("bin/report", REPORT.replace("made by", "made with")),
         ("files",), "the same call left other files after 3 same calls: bash report notes.txt", ("report", "files"),
         "it leaves another made.txt", "environment"),
    Kind("clock", lambda it: it.with_tool("bin/now", "#!/bin/sh\ndate -d '+40 days'\n"), ("observations",),
         "the same call gave something else after 4 same calls: bash now", ("clock", "observations"), "UTC",
         "environment"),
)  # fmt: skip
"""What moved without any definition saying so."""

DONE = (
    Kind("approval", lambda it: it.but(answer=("deny", "not that one")),
         ("observations", "files", "network", "outcome"), "answer to write differs after 7 same calls: allow -> deny",
         ("write", "network")),
    Kind("argument", lambda it: it.with_turn(_at("report"), bash("report run.sh", timeout_ms=3_000)),
         ("arguments",), "the agents part after 3 same calls: bash is given another command",
         ("report", "arguments"), "the model asks for bash {\"command\":\"report run.sh\"", "model"),
    Kind("content written", lambda it: it.with_turn(_at("write"), _write("Three lines.\n")),
         ("arguments", "files", "outcome"), "the agents part after 7 same calls: write is given another content",
         ("write", "arguments"), "the model asks for write {\"content\":\"Three lines.", "model"),
    Kind("one more call", lambda it: it.with_more(_at("report"), bash("uname -s")), ("trajectory",),
         "the agents part after 3 same calls: B calls bash uname -s", ("report", "trajectory"),
         "the model asks for bash {\"command\":\"uname -s\"}", "model"),
    Kind("one more call in one answer", lambda it: it.with_turn(0, *it.turns[0], bash("uname -s")), ("trajectory",),
         "the agents part after 2 same calls: B calls bash uname -s", ("package", "trajectory"),
         "the model also asks for bash {\"command\":\"uname -s\"}", "model"),
    Kind("one call fewer", lambda it: it.with_turn(_at("memory")), ("trajectory",),
         "the agents part after 6 same calls: A calls bash", ("memory", "trajectory"),
         "the model asks for write", "model"),
    Kind("another tool", lambda it: it.with_turn(0, it.turns[0][0], {"name": "grep", "input": {"pattern": "t.*o"}}),
         ("trajectory",), "the agents part after 1 same call: A calls glob", ("glob", "trajectory"),
         "the model asks for grep {\"pattern\":\"t.*o\"}", "model"),
)  # fmt: skip
"""What people answered, and what the model did."""

SAME = (
    Kind("thoughts", lambda it: it.but(thinking="Let me see."), (), "the same, but for dates and times"),
    Kind("final answer", lambda it: it.but(said="There were two lines."), (), "the words of the answer"),
    Kind("order of parallel calls", lambda it: it.with_turn(0, *reversed(it.turns[0])), (), "the same, but for dates"),
    Kind("a slower run", lambda it: it.but(typing_seconds=0.05).with_tool("bin/now", "#!/bin/sh\nsleep 0.4\ndate\n"),
         (), "the same, but for dates"),
    Kind("nothing but noise", lambda it: it, (), "the same, but for dates and times, temporary paths, ids"),
)  # fmt: skip
"""What is no difference."""

KINDS = (*BEGINS, *AROUND, *DONE, *SAME)
