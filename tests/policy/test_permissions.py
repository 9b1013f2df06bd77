"""Which calls run, which ask, which are refused; and what no rule may be talked out of."""

import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentctl.canonical import JsonObject
from agentctl.definitions.agent import Agent, snapshot
from agentctl.definitions.local import PATHS
from agentctl.policy import permissions as module
from agentctl.policy.permissions import Decision, Rules, decide

WORKSPACE = "/workspace"


def rules(workspace: str = WORKSPACE, **permissions: Any) -> Rules:
    """Rules as an agent's file has them, through the definition and its snapshot."""
    agent = Agent.model_validate({"name": "x", "model": "m", "local": {"permissions": permissions}})
    return Rules.from_json(snapshot(agent)["local"]["permissions"], workspace)


def on(tool: str, **arguments: Any) -> JsonObject:
    return {"tool": tool, "input": arguments}


def bash(found: Rules, command: str, base: str = "always_ask") -> str:
    return decide(found, base, "bash", {"command": command}).permission


def path_is_denied(glob: str, path: str, tool: str = "read", workspace: str = WORKSPACE) -> bool:
    found = rules(workspace, deny=[on(tool, file_path=glob)])
    return decide(found, "always_allow", tool, {"file_path": path}).permission == "deny"


# --- order ---


@pytest.mark.parametrize(("base", "permission"), [("always_allow", "allow"), ("always_ask", "ask"), ("auto", "ask")])
def test_without_a_rule_the_policy_of_the_tool_decides(base: str, permission: str) -> None:
    assert decide(Rules(), base, "bash", {}) == Decision(permission)  # type: ignore[arg-type]
    assert decide(rules(deny=["read"]), base, "bash", {}).rule is None


def test_a_policy_that_nobody_knows_asks() -> None:
    assert decide(Rules(), "sometimes", "bash", {}) == Decision("ask")


def test_deny_wins_over_ask_and_allow_and_ask_over_allow_wherever_they_stand() -> None:
    every = {"allow": ["bash"], "ask": ["bash"], "deny": ["bash"]}
    assert decide(rules(**every), "always_allow", "bash", {}) == Decision("deny", "deny[0]")
    del every["deny"]
    assert decide(rules(**every), "always_allow", "bash", {}) == Decision("ask", "ask[0]")
    del every["ask"]
    assert decide(rules(**every), "always_ask", "bash", {}) == Decision("allow", "allow[0]")


def test_the_first_rule_that_fits_is_the_one_that_is_named() -> None:
    found = rules(ask=["read", "w*", "write"])
    assert decide(found, "always_allow", "write", {}) == Decision("ask", "ask[1]")


def test_a_tool_is_meant_by_its_name_to_the_letter() -> None:
    found = rules(deny=["bash"])
    assert decide(found, "always_ask", "Bash", {}).permission == "ask"
    assert decide(found, "always_ask", "bash2", {}).permission == "ask"
    assert decide(rules(deny=["*"]), "always_allow", "anything", {}).permission == "deny"


# --- commands ---

TRICKS = [
    "ls; id",
    "ls && id",
    "ls || id",
    "ls | sh",
    "ls & id",
    "ls $(id)",
    "ls `id`",
    "ls\nid",
    "ls > /etc/passwd",
    "ls <(id)",
    "ls -la",
    " ls",
    "ls ",
    "ls\t",
    "ls\\\n",
    "LS",
    "\\ls",
    "env ls",
    "xargs ls",
    "find . -exec ls ;",
    "git -c core.pager=id log",
    "awk 'BEGIN{system(\"ls\")}'",
    "ls" + " " * 20_000,
    "ls\0",
    "",
]


@pytest.mark.parametrize("command", TRICKS)
def test_allowing_ls_allows_nothing_but_ls(command: str) -> None:
    found = rules(allow=[on("bash", command="ls")])
    assert bash(found, "ls") == "allow"
    assert bash(found, command) == "ask"


def test_allowing_a_command_does_not_allow_a_call_without_one() -> None:
    found = rules(allow=[on("bash", command="ls")])
    assert decide(found, "always_ask", "bash", {"restart": True}).permission == "ask"
    assert decide(found, "always_ask", "bash", {"command": None}).permission == "ask"


def test_a_pattern_that_denies_is_found_anywhere_in_the_command() -> None:
    found = rules(deny=[on("bash", command={"matches": r"\bcurl\b"})], allow=["bash"])
    assert bash(found, "cd /tmp\ncurl example.com") == "deny"
    assert bash(found, "curly") == "allow"


def test_a_pattern_that_finds_no_end_denies_or_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentctl.patience.SECONDS", 0.05)
    slow = on("bash", command={"matches": r"(a+)+$"})
    assert bash(rules(deny=[slow]), "a" * 50 + "!", base="always_allow") == "deny"
    assert bash(rules(ask=[slow]), "a" * 50 + "!", base="always_allow") == "ask"


def test_a_pattern_that_asks_leaves_the_rest_to_run() -> None:
    found = rules(ask=[on("bash", command={"matches": r"(?i)\brm\b"})])
    assert bash(found, "RM -r x", base="always_allow") == "ask"
    assert bash(found, "ls", base="always_allow") == "allow"


# --- paths ---


@pytest.mark.parametrize(
    "path",
    [
        "secrets/key",
        "./secrets/key",
        "secrets//key",
        "secrets/./key",
        "src/../secrets/key",
        "../workspace/secrets/key",
        "/workspace/secrets/key",
        "//workspace///secrets/key",
        "/../workspace/secrets/key",
        "/etc/../workspace/./secrets/key",
        "secrets/a/b/c",
        "secrets/",
        "secrets",
        "secrets/x/..",
        "secrets/\n",
    ],
)
def test_a_folder_is_denied_however_its_path_is_written(path: str) -> None:
    assert path_is_denied("secrets/**", path)


@pytest.mark.parametrize("path", ["secret/key", "secrets2/key", "src/secrets/key", "/secrets/key", "secrets/../a", ""])
def test_what_lies_beside_a_denied_folder_is_not_denied(path: str) -> None:
    assert not path_is_denied("secrets/**", path)


def test_a_path_that_leads_out_of_an_allowed_folder_is_not_allowed() -> None:
    found = rules(allow=[on("write", file_path="src/**")])
    for path, permission in (
        ("src/a/b.py", "allow"),
        ("src/../x", "ask"),
        ("src/../../etc/x", "ask"),
        ("/src/x", "ask"),
    ):
        assert decide(found, "always_ask", "write", {"file_path": path}).permission == permission


@pytest.mark.parametrize(
    ("glob", "fits", "fits_not"),
    [
        ("*.py", ["a.py", ".py", "a.b.py"], ["a.pyc", "src/a.py", "/a.py", "a.PY"]),
        ("**/*.py", ["a.py", "src/a.py", "a/b/c/d.py"], ["a.txt", "/etc/a.py", "a.py/b"]),
        ("src/**/test_?.py", ["src/test_a.py", "src/x/y/test_b.py"], ["src/test_ab.py", "test_a.py", "src/test_/.py"]),
        ("**/.env", [".env", "a/.env"], ["a/.env2", ".environment", "/.env"]),
        ("/**/.env", ["/.env", ".env", "/a/b/.env"], ["/a/env"]),
        ("/etc/**", ["/etc", "/etc/x", "../etc/x"], ["etc/x", "/etcetera"]),
        ("a/**/b/**/c", ["a/b/c", "a/x/b/y/z/c", "a/b/b/c/c"], ["a/c", "a/b", "b/c"]),
        ("app/[id].tsx", ["app/[id].tsx"], ["app/i.tsx", "app/d.tsx"]),
        ("a.b+c(d)", ["a.b+c(d)"], ["aXb+c(d)", "a.bbc(d)"]),
        ("./a//b", ["a/b"], ["b"]),
        (".", ["", ".", "/workspace"], ["a"]),
        ("**", ["", "a", "a/b"], ["/etc", "..", "/workspace2"]),
        ("/**", ["/", "/etc", "a"], []),
        ("*", ["a"], ["", "a/b"]),
    ],
)
def test_globs_are_about_whole_paths(glob: str, fits: list[str], fits_not: list[str]) -> None:
    for path in fits:
        assert path_is_denied(glob, path), path
    for path in fits_not:
        assert not path_is_denied(glob, path), path


def test_a_search_without_a_path_is_a_search_of_the_workspace() -> None:
    found = rules(allow=[on("grep", path=".")], deny=[on("glob", path="src/**")])
    assert decide(found, "always_ask", "grep", {"pattern": "x"}).permission == "allow"
    assert decide(found, "always_ask", "grep", {"pattern": "x", "path": None}).permission == "allow"
    assert decide(found, "always_ask", "grep", {"pattern": "x", "path": "src"}).permission == "ask"
    assert decide(found, "always_allow", "glob", {"pattern": "x"}).permission == "allow"


def test_a_rule_on_paths_of_every_tool_is_about_the_tools_that_have_one() -> None:
    found = rules(deny=[on("*", file_path="**"), on("*", path="**")])
    assert decide(found, "always_allow", "edit", {"file_path": "a"}).permission == "deny"
    assert decide(found, "always_allow", "grep", {"pattern": "a"}).permission == "deny"
    assert decide(found, "always_allow", "bash", {"command": "cat a"}).permission == "allow"


def test_another_workspace_is_the_place_that_paths_start_at_even_with_odd_signs_in_its_name() -> None:
    workspace = "/tmp/a*b[c]/workspace"
    assert path_is_denied("secrets/**", "secrets/x", workspace=workspace)
    assert path_is_denied("secrets/**", f"{workspace}/secrets/x", workspace=workspace)
    assert not path_is_denied("secrets/**", "/tmp/aXbc/workspace/secrets/x", workspace=workspace)
    assert not path_is_denied("secrets/**", "/workspace/secrets/x", workspace=workspace)


def test_every_argument_that_is_written_must_fit() -> None:
    found = rules(allow=[on("write", file_path="notes.md", content="ok")])
    assert decide(found, "always_ask", "write", {"file_path": "notes.md", "content": "ok"}).permission == "allow"
    assert decide(found, "always_ask", "write", {"file_path": "notes.md", "content": "no"}).permission == "ask"
    assert decide(found, "always_ask", "write", {"file_path": "x.md", "content": "ok"}).permission == "ask"


@pytest.mark.parametrize("value", [5, True, ["secrets/key"], {"a": "b"}])
def test_an_argument_that_is_no_text_is_not_allowed(value: object) -> None:
    found = rules(allow=[on("read", file_path="**"), on("bash", command="5")])
    assert decide(found, "always_ask", "read", {"file_path": value}).permission == "ask"
    assert decide(found, "always_ask", "bash", {"command": value}).permission == "ask"


def test_a_path_made_to_be_slow_is_answered_at_once() -> None:
    found = rules(deny=[on("read", file_path="**/a/**/a/**/a/**/b*b*b*b*b*c")])
    path = "a/" * 20_000 + "b" * 200
    assert decide(found, "always_allow", "read", {"file_path": path}).permission == "allow"


def test_the_arguments_that_are_paths_are_those_of_the_definition() -> None:
    assert module._PATHS == PATHS


# --- for any rules and any call ---

NAMES = st.text(string.ascii_lowercase + ".-[]+", min_size=1, max_size=4).filter(lambda name: name not in (".", ".."))
PATHS_OF_CALLS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
COMMANDS = st.text(min_size=1, max_size=20)


@st.composite
def some_rules(draw: st.DrawFn, *, allowing: bool) -> list[JsonObject]:
    texts = COMMANDS if allowing else COMMANDS | st.just({"matches": "[a-m]"})
    found = st.one_of(
        st.sampled_from(["*", "bash", "r*", "write"]).map(on),
        texts.map(lambda text: on("bash", command=text)),
        st.sampled_from(["**", "a/**", "*", "/etc/**"]).map(lambda glob: on("*", file_path=glob)),
    )
    return draw(st.lists(found, max_size=4))


def with_detours(draw: st.DrawFn, path: str) -> str:
    """The same path, written in a roundabout way."""
    steps = [draw(st.sampled_from(["", "./", "x/../", "/", "a/b/../../"])) + step for step in path.split("/")]
    return draw(st.sampled_from(["", "./", "/workspace/", "//workspace/./", "../workspace/"])) + "/".join(steps).lstrip(
        "/"
    )


@settings(deadline=None)
@given(st.data(), PATHS_OF_CALLS, st.sampled_from(["always_allow", "always_ask", "auto"]))
def test_a_denied_path_is_never_anything_else_whatever_other_rules_there_are(
    data: st.DataObject, path: str, base: str
) -> None:
    denied = data.draw(st.sampled_from([path, path.rpartition("/")[0] + "/**" if "/" in path else "**", "**"]))
    found = rules(
        deny=[*data.draw(some_rules(allowing=False)), on("*", file_path=denied)],
        ask=data.draw(some_rules(allowing=False)),
        allow=data.draw(some_rules(allowing=True)),
    )
    written = with_detours(data.draw, path)
    assert decide(found, base, "read", {"file_path": written}).permission == "deny", written


@settings(deadline=None)
@given(st.data(), COMMANDS, COMMANDS)
def test_only_a_command_that_is_allowed_to_the_letter_runs(data: st.DataObject, allowed: str, command: str) -> None:
    found = rules(
        deny=[on("bash", command=text) for text in data.draw(st.lists(COMMANDS, max_size=3))],
        allow=[on("bash", command=allowed)],
    )
    decision = decide(found, "always_ask", "bash", {"command": command})
    assert (decision.permission == "allow") <= (command == allowed)
