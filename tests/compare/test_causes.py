"""Why the same call gave something else: only as much as what it said can show."""

import pytest

from agentctl.compare.calls import Call, Observation
from agentctl.compare.causes import CauseKind, MovedPackage, cause_of


def seen(command: str, text: str, exit_code: int) -> Call:
    blocks = [{"type": "text", "text": text}]
    observation = Observation(blocks, facts={"exit_code": exit_code}, at="2026-11-20T09:00:00Z")
    return Call(1, "sevt_1", "", 1, "bash", {"command": command}, observation=observation)


@pytest.mark.parametrize(
    ("command", "before", "after", "kind", "line"),
    [
        ("sum", "total 240.0", "total 250.1", "output_differs", "output: “total 240.0” -> “total 250.1”"),
        ("sum", "mean 2.5 of 4", "mean 3.5 of 5", "output_differs", "output: “mean 2.5 of 4” -> “mean 3.5 of 5”"),
        ("pip list", "pandas 3.0", "pandas 3.1", "version_moved", "pandas 3.0 -> 3.1"),
        ("jq --version", "jq-1.6", "jq-1.7.1", "version_moved", "jq 1.6 -> 1.7.1"),
        ("show", "numpy 2.4.0 here", "numpy 2.4.1 here", "version_moved", "numpy 2.4.0 -> 2.4.1"),
        ("python3 -c 'm.version(\"x-y\")'", "1.0", "1.1", "version_moved", "x-y 1.0 -> 1.1"),
        ("python3 -c 'x.__version__'", "1.0 [1]", "1.1 [2]", "version_moved", "x 1.0 -> 1.1"),
        ("run", "ok", "RuntimeError: std::bad_alloc", "memory", "not enough memory: RuntimeError: std::bad_alloc"),
        (
            "date; echo $MODE",
            "Fri Nov 20 09:00:00 UTC 2026\nplain",
            "Fri Nov 20 09:00:01 UTC 2026\nfancy",
            "output_differs",
            "output: “plain” -> “fancy”",
        ),
    ],
)
def test_the_cause_is_the_likeliest_that_both_results_show(
    command: str, before: str, after: str, kind: CauseKind, line: str
) -> None:
    cause = cause_of(seen(command, before, 0), seen(command, after, 0), {})
    assert (cause.kind, cause.line) == (kind, line)


@pytest.mark.parametrize(("before", "after"), [("(no output)", "[exit code 3]"), ("done", "done\n[exit code 3]")])
def test_another_exit_code_is_named_as_one(before: str, after: str) -> None:
    cause = cause_of(seen("run", before, 0), seen("run", after, 3), {})
    assert (cause.kind, cause.line) == ("exit_code", "exit code 0 -> 3")


@pytest.mark.parametrize(
    ("text", "is_named"),
    [
        ("import six", True),
        ("six==1.16.0", True),
        ("jq: six-1.16.0.tar.gz", True),
        ("Successfully installed SIX", True),
        ("six-extra 1.0", False),
        ("pytest-six 1.0", False),
        ("sixty", False),
    ],
)
def test_a_package_that_moved_is_the_cause_where_it_is_named(text: str, is_named: bool) -> None:
    moved = MovedPackage("pip", "six", None, "1.17.0")
    other = MovedPackage("pip", "another", "1.0", "1.1")
    cause = cause_of(seen("show", text, 0), seen("show", f"{text} now", 0), {}, [other, moved])
    assert (cause.subject == "six") == is_named
    if is_named:
        assert cause.line == "pip package six none -> 1.17.0"


def test_a_package_is_named_as_programs_write_it_too() -> None:
    assert MovedPackage("pip", "Typing-Extensions", "1", "2").is_named_in("from typing_extensions import x")
