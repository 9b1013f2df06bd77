"""``agentctl diff`` as it is called: what it prints, what it exits with, what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agentctl.cli.rules import read_rules
from agentctl.errors import DefinitionError
from agentctl.paths import Home
from agentctl.render.diff.schema import diff_schema
from tests.cli.program import Outcome, agentctl
from tests.compare.days import MONDAY, TUESDAY
from tests.compare.kit import Plan, bash, events_of
from tests.kit import FixedClock, open_log

RULES = "- {name: pandas, pattern: 'pandas \\d\\S+', replace: pandas X, tools: [bash]}\n"
CRAWLING = MONDAY.but(seconds=30.0, created={"environment_hash": "sha256:" + "b3" * 32})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days, two groups of six runs, and a run of something else, in one store."""
    place = tmp_path_factory.mktemp("home")
    plans = {"monday": MONDAY, "tuesday": TUESDAY, "again": MONDAY.but(said="It is 240.")}
    plans |= {f"fast-{number}": MONDAY.but(seconds=1.0 + number / 10, message="Be fast.") for number in range(6)}
    plans |= {f"slow-{number}": CRAWLING.but(message="Be fast.", stop_reason="budget_reached") for number in range(6)}
    with open_log(Home(place)) as log:
        for number, (name, plan) in enumerate(plans.items()):
            clock = FixedClock()
            clock.pass_by(3600.0 * number)
            log.append(f"sesn_{name}", events_of(plan, f"sesn_{name}", clock))
    return place


def diff(home: Path, *arguments: str | Path) -> Outcome:
    return agentctl("diff", *arguments, AGENTCTL_HOME=str(home))


def test_the_cause_stands_first_and_the_exit_code_says_that_they_differ(home: Path) -> None:
    done = diff(home, "monday", "tuesday")
    assert done.code == 1
    assert done.out.splitlines()[0].startswith("environment differs: image digest")
    assert done.err == ""


def test_sessions_that_do_the_same_are_the_same_whatever_they_say(home: Path) -> None:
    done = diff(home, "monday", "again")
    assert done.code == 0
    assert done.out.startswith("the same, but for the words of the answer\n")
    assert diff(home, "monday", "monday").out.startswith("the same\n")


@pytest.mark.parametrize("other", ["monday", "tuesday", "slow-1"])
def test_the_object_is_what_its_schema_says(home: Path, other: str) -> None:
    done = diff(home, "monday", other, "-o", "json")
    Draft202012Validator(diff_schema()).validate(done.json)
    assert done.json["exit_code"] == done.code


def test_the_schema_is_printed() -> None:
    printed = json.loads(agentctl("schema", "diff").out)
    assert printed == diff_schema()
    Draft202012Validator.check_schema(printed)


def test_a_pointer_of_the_object_leads_to_the_value_in_the_event(home: Path) -> None:
    body = diff(home, "monday", "tuesday", "-o", "json").json
    events = agentctl("events", "tuesday", "-o", "jsonl", AGENTCTL_HOME=str(home)).lines
    layers = {layer["name"]: layer["differences"] for layer in body["layers"]}
    for name in ("header", "arguments"):
        (difference,) = layers[name]
        value = events[difference["b"]["event"] - 1]
        for step in difference["b"]["pointer"].split("/")[1:]:
            value = value[int(step)] if isinstance(value, list) else value[step]
        assert value == difference["b"]["value"]


@pytest.mark.parametrize(
    ("demand", "code"),
    [("cost>+10%", 1), ("cost>+20%,calls>+1", 0), ("seconds>+60,files", 1)],
)
def test_only_what_is_demanded_fails(home: Path, demand: str, code: int) -> None:
    done = diff(home, "monday", "tuesday", "--fail-on", demand)
    assert done.code == code
    assert ("failed: " in done.out) == bool(code)


def test_a_layer_that_fails_is_told_with_how_much_of_it_differs(home: Path) -> None:
    done = diff(home, "monday", "tuesday", "--fail-on", "files,observations", "--stat")
    assert "failed: files (1 difference)\nfailed: observations (2 differences)" in done.out


def test_layers_are_shown_alone(home: Path) -> None:
    done = diff(home, "monday", "tuesday", "--layer", "outcome,files")
    assert done.code == 1
    assert "observations" not in done.out
    assert diff(home, "monday", "tuesday", "--layer", "metrics").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["monday"], "diff takes two sessions or more"),
        (["monday", "nobody"], "there is no session nobody"),
        (["monday", "tuesday", "--layer", "fils"], "--layer: there is no layer 'fils'"),
        (["monday", "tuesday", "--fail-on", "cots>+1"], "did you mean cost?"),
        (["monday", "tuesday", "--markdown", "-o", "json"], "--markdown is text"),
        (["monday", "tuesday", "again", "--stat"], "--markdown, --stat, --text and --all are for two sessions"),
        (["fast-1", "fast-2", "--runs", "3"], "there are no two sides"),
        (["monday", "tuesday", "--rules", "nowhere.yaml"], "nowhere.yaml: there is no such file"),
    ],
)
def test_what_makes_no_sense_is_refused(home: Path, arguments: list[str], message: str) -> None:
    done = diff(home, *arguments)
    assert done.code == 2
    assert message in done.err


def test_own_rules_say_what_is_noise(home: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    done = diff(home, "monday", "tuesday", "--layer", "observations", "--rules", rules, "-o", "json")
    (layer,) = done.json["layers"]
    assert layer["alike"]["rules"] == {"pandas": 1}
    assert len(layer["differences"]) == 1


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("{}\n", "1:1", "must be a list of rules"),
        ("- {name: a}\n", "1:3", "[0].pattern: is missing"),
        ("- {name: a, pattern: '('}\n", "1:22", "[0].pattern: is no regular expression"),
        ("- {name: a, pattern: 'a{99999999999}'}\n", "1:22", "[0].pattern: is no regular expression"),
        ("- {name: a, pattern: b, replace: '\\1'}\n", "1:34", "[0].replace: does not fit the pattern"),
        ("- {name: a, pattern: b, tool: [x]}\n", "1:25", "[0].tool: is not a known key; did you mean tools?"),
        ("- {name: a, pattern: b, tools: x}\n", "1:32", "[0].tools: must be a list"),
        ("- 7\n", "1:3", "[0]: must be a rule"),
    ],
)
def test_a_rule_that_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, place: str, message: str) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(text)
    with pytest.raises(DefinitionError) as refused:
        read_rules(rules)
    assert str(refused.value).startswith(f"{rules}:{place}: {message}")


def test_more_than_two_sessions_are_summed_up(home: Path) -> None:
    done = diff(home, "monday", "again", "tuesday")
    assert done.code == 1
    assert "3 runs" in done.out
    assert "at call 1 (observations)" in done.out
    assert diff(home, "monday", "again", "again").code == 0


def test_enough_runs_on_both_sides_allow_a_word(home: Path) -> None:
    done = diff(home, "fast-0", "slow-0", "--runs", "6", "-o", "json")
    body = done.json
    seconds = next(metric for metric in body["metrics"] if metric["name"] == "seconds")
    assert (seconds["a"]["n"], seconds["b"]["n"], seconds["apart"]) == (6, 6, True)
    assert body["ended"]["regression"] is True
    assert (done.code, body["differing"]) == (1, ["outcome"])
    assert "a regression: came to their end: 6 of 6 in A, 0 of 6 in B (p = 0.002" in body["summary"]


def test_below_the_number_no_word_of_regression_is_said(home: Path) -> None:
    done = diff(home, "fast-0", "slow-0", "--runs", "4")
    assert "regression" not in done.out
    assert "n = 4 and 4: too few to tell a change from chance; 5 runs a side are needed" in done.out
    failing = diff(home, "fast-0", "slow-0", "--runs", "4", "--fail-on", "seconds>+50%")
    assert failing.code == 1
    assert "failed: seconds>+50%" in failing.out


def test_a_pull_request_gets_markdown(home: Path) -> None:
    done = diff(home, "monday", "tuesday", "--markdown", "--fail-on", "cost>+1%")
    assert done.code == 1
    assert done.out.startswith("### environment differs")
    assert "- failed: cost\\>\\+1%" in done.out


@pytest.mark.parametrize("change", ["nothing", "the data", "the package"])
def test_real_runs_differ_in_what_was_changed(change: str, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    environ: dict[str, Any] = {"AGENTCTL_HOME": str(tmp_path / "home")}
    (tmp_path / "agent.yaml").write_text("name: a\nmodel: claude-opus-5-5\ntools: [{type: agent_toolset_20260401}]\n")
    (tmp_path / "script.yaml").write_text(
        "- tools: [{name: bash, input: {command: 'date; sort data.csv; echo pid $$; mktemp'}}]\n"
        "- tools: [{name: bash, input: {command: 'python3 tool.py data.csv > sum.txt; cat sum.txt'}}]\n"
        "- text: Done.\n"
    )
    for number in range(2):
        moved = number and change
        (workspace / "data.csv").write_text("3\n9\n" if moved == "the data" else "3\n2\n")
        tool = "print(2 * sum(map(int, open('data.csv'))))" if moved == "the package" else "print(sum([3, 2]))"
        (workspace / "tool.py").write_text(tool)
        done = agentctl(
            *("run", tmp_path / "agent.yaml", "Add it up.", "--sandbox", "none", "--workspace", workspace),
            *("--model", f"script:{tmp_path / 'script.yaml'}", "-q", "--session", f"run-{number}"),
            **environ,
        )
        assert done.code == 0, done.err
    done = agentctl("diff", "run-0", "run-1", "-o", "json", **environ)
    body = done.json
    names = [layer["name"] for layer in body["layers"] if layer["differs"]]
    if change == "nothing":
        assert (done.code, names) == (0, []), [layer for layer in body["layers"] if layer["differs"]]
        (rules,) = [layer["alike"]["rules"] for layer in body["layers"] if layer["name"] == "observations"]
        assert "process ids" in rules
        assert set(rules) <= {"dates and times", "temporary paths", "process ids", "sandbox folders"}
        return
    file = "data.csv" if change == "the data" else "tool.py"
    assert body["summary"].startswith(f"input file differs: {file} ")
    first = {"the data": ("observations", 1), "the package": ("observations", 2)}[change]
    assert (body["first"]["layer"], body["first"]["call"]) == first
    assert done.code == 1


def test_long_sessions_are_compared_call_by_call(tmp_path: Path) -> None:
    calls = [(bash(f"pytest -k case_{number}", f"ok {number}\n1 passed in 0.{number}s"),) for number in range(1200)]
    one = Plan(tuple(calls))
    other = Plan(tuple(calls[:400] + calls[420:900] + [(bash("make", f"{n}"),) for n in range(50)] + calls[900:]))
    with open_log(Home(tmp_path)) as log:
        for name, plan in (("one", one), ("other", other)):
            log.append(f"sesn_{name}", events_of(plan, f"sesn_{name}"))
    done = diff(tmp_path, "one", "other", "--stat")
    assert done.code == 1
    assert "20 calls only in A, 50 calls only in B" in done.out
