"""Checks of stored sessions: each can pass, fail and, where the record lacks what decides it, say so."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from agentctl.checks.base import Verdict
from agentctl.checks.checking import Checked, Checking, bisected
from agentctl.checks.definition import Call, Checks, checks_schema, load_checks
from agentctl.checks.junit import junit_xml
from agentctl.checks.names import ToolNames
from agentctl.checks.patterns import fits, fits_host, fits_path
from agentctl.errors import DefinitionError, UsageError
from agentctl.events.base import UnknownEvent
from agentctl.events.local import (
    LocalEgress,
    LocalEgressStarted,
    LocalFilesChanged,
    LocalModelResponse,
    LocalSandboxStarted,
)
from agentctl.paths import Home
from agentctl.redaction import Redactor
from agentctl.session.log import Record
from tests.cli.program import agentctl
from tests.kit import Recorder, analysis, call, open_log
from tests.patch.recorded import FilesRecorder
from tests.patch.trees import Node

FACTS = {"scheme": "https", "duration_seconds": 0.1, "bytes_sent": 1, "bytes_received": 1}
SECRET = "hunter2-but-long-enough"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    home = Home(tmp_path_factory.mktemp("checked") / "home")
    with open_log(home) as log:
        recorder = FilesRecorder(log, home)
        recorder.begin({"a.py": Node(b"1")})
        recorder.act("make", {"a.py": Node(b"2"), "src/b.py": Node(b"3")})
        recorder.add(LocalEgressStarted, host="api.example.com", port=443, scheme="https")
        recorder.add(LocalEgress, host="api.example.com", port=443, allowed=True, **FACTS)
        recorder.add(LocalEgress, host="evil.example.net", port=443, allowed=False, reason="no", **FACTS)
        analysis(recorder)
        return recorder.records()


def checked(records: list[Record], redactor: Redactor | None = None, **checks: Any) -> Checked:
    (only,) = checked_all(records, redactor, **checks)
    return only


def checked_all(records: list[Record], redactor: Redactor | None = None, **checks: Any) -> list[Checked]:
    checking = Checking(Checks.model_validate(checks), redactor or Redactor())
    for record in records:
        checking.add(record)
    return checking.verdicts()


def seq_of(records: list[Record], holds: Callable[[Any], bool]) -> int:
    return next(record.seq for record in records if holds(record.event))


PASSES: list[dict[str, Any]] = [
    {"must_call": ["bash"]},
    {"must_call": [{"tool": "bash", "input": {"command": "python3 analysis.py*"}, "at_least": 2, "at_most": 2}]},
    {"must_call": [{"tool": "b*", "result": "*Traceback*"}]},
    {"must_call": [{"tool": "web_fetch", "at_most": 0}]},
    {"must_not_call": ["web_fetch"]},
    {"must_not_call": [{"tool": "bash", "input": {"command": "*rm -rf*"}}]},
    {"must_not_call": [{"tool": "bash", "input": {"no_such_argument": "*"}}]},
    {"order": ["glob", "write", {"tool": "bash", "input": {"command": "python3*"}}, "edit"]},
    {"paths": {"only": ["*.py", "src/**"]}},
    {"paths": {"never": ["**/.env", "/etc/**"]}},
    {"hosts": {"only": ["*.example.com"], "never": ["evil.example.net"]}},
    {"limits": {"cost": "1.00"}},
    {"limits": {"turns": 7}},
    {"limits": {"seconds": "10m"}},
    {"limits": {"failed_calls": 1}},
    {"status": "idle"},
    {"stop_reason": "end_turn"},
    {"text": [{"contains": "March 2014"}]},
    {"text": [{"lacks": "look at the data"}]},
    {"text": [{"where": "any", "contains": "look at the data"}]},
    {"text": [{"matches": r"\d+\.\d mm"}]},
    {"no_secrets": True},
    {"outputs": ["report.md"]},
    {"outputs": ["*.png"]},
]

FAILS: list[tuple[dict[str, Any], str]] = [
    ({"must_call": ["web_fetch"]}, "no such call"),
    ({"must_call": [{"tool": "write", "at_least": 2}]}, "1 of 2"),
    ({"must_call": [{"tool": "bash", "at_most": 1}]}, "at most 1"),
    ({"must_not_call": [{"tool": "bash", "input": {"command": "*analysis.py"}}]}, "there is such a call"),
    ({"order": ["edit", "write"]}, "write is missing behind"),
    ({"paths": {"only": ["src/**"]}}, "/workspace/a.py is none"),
    ({"paths": {"never": ["src/*.py"]}}, "/workspace/src/b.py is one of"),
    ({"hosts": {"only": []}}, "api.example.com is none"),
    ({"hosts": {"never": ["*.EXAMPLE.com"]}}, "api.example.com is one of"),
    ({"limits": {"cost": "0.02"}}, "it is 0.05"),
    ({"limits": {"calls": 6}}, "it is 7"),
    ({"limits": {"output_tokens": 5}}, "it is 1260"),
    ({"limits": {"input_tokens": 5}}, "it is"),
    ({"status": "terminated"}, "it is idle"),
    ({"stop_reason": "refusal"}, "it is end_turn"),
    ({"text": [{"contains": "April"}]}, "it was not said"),
    ({"text": [{"where": "any", "lacks": "look at the data"}]}, "it was said"),
    ({"outputs": ["*.gif"]}, "there is no such file"),
]


@pytest.mark.parametrize("checks", PASSES, ids=str)
def test_a_check_that_holds_passes(recorded: list[Record], checks: dict[str, Any]) -> None:
    assert checked(recorded, **checks).verdict.status == "pass"


@pytest.mark.parametrize(("checks", "why"), FAILS, ids=str)
def test_a_check_that_does_not_hold_fails_and_says_why(
    recorded: list[Record], checks: dict[str, Any], why: str
) -> None:
    found = checked(recorded, **checks).verdict
    assert found.status == "fail"
    assert why in found.why


def test_the_event_that_decided_it_is_named(recorded: list[Record]) -> None:
    edit = seq_of(recorded, lambda event: getattr(event, "name", "") == "edit")
    changed = seq_of(recorded, lambda event: isinstance(event, LocalFilesChanged))
    asked = seq_of(recorded, lambda event: isinstance(event, LocalEgressStarted))
    assert checked(recorded, must_not_call=["edit"]).verdict.event == edit
    assert checked(recorded, must_call=["edit"]).verdict.event == edit
    assert checked(recorded, paths={"only": []}).verdict.event == changed
    assert checked(recorded, hosts={"only": []}).verdict.event == asked


def test_a_secret_is_found_wherever_it_stands_and_is_not_told(home_with_secrets: list[Record]) -> None:
    known = checked(home_with_secrets, Redactor({SECRET: "TOKEN"}), no_secrets=True).verdict
    assert (known.status, known.why) == ("fail", "the secret TOKEN is in it")
    shaped = checked(home_with_secrets, no_secrets=True).verdict
    assert (shaped.status, shaped.why) == ("fail", "what looks like a GitHub token is in it")
    assert known.event is not None
    assert shaped.event is not None
    assert known.event < shaped.event


@pytest.fixture
def home_with_secrets(own_home: Path) -> list[Record]:
    with open_log(Home(own_home)) as log:
        recorder = Recorder(log, Home(own_home))
        recorder.user("x" * 70_000 + f" {SECRET}")
        (asked,) = recorder.answer(call("bash", command="env"))
        recorder.result(asked, "GH=ghp_" + "a1B2" * 9, exit_code=0)
        return recorder.records()


def test_what_the_record_lacks_is_not_known(own_home: Path) -> None:
    with open_log(Home(own_home)) as log:
        recorder = Recorder(log, Home(own_home), sandbox={"kind": "none"}, model="free", request={"model": "free"})
        recorder.add(LocalSandboxStarted, facts={})
        recorder.user("go")
        records = recorder.records()
        every = checked_all(records, paths={"only": []}, hosts={"only": []}, outcome="satisfied")
        recorder.add(LocalFilesChanged, changes=[], cut="and 10 more")
        cut = checked(recorder.records(), paths={"only": []})
        recorder.add(LocalFilesChanged, changes=[{"path": "/workspace/x", "kind": "file", "change": "deleted"}])
        failed = checked(recorder.records(), paths={"only": []})
    assert [each.verdict.status for each in every] == ["unknown"] * 3
    assert (cut.verdict.status, failed.verdict.status) == ("unknown", "fail")
    assert "10 more" in cut.verdict.why


def test_a_call_of_an_mcp_server_is_a_call_with_its_result(own_home: Path) -> None:
    with open_log(Home(own_home)) as log:
        recorder = Recorder(log, Home(own_home))
        use = {"type": "agent.mcp_tool_use", "id": "sevt_u", "name": "lookup", "input": {"key": "a"}}
        said = [{"type": "text", "text": "found it"}]
        result = {"type": "agent.mcp_tool_result", "id": "sevt_r", "mcp_tool_use_id": "sevt_u", "content": said}
        recorder.session.append(UnknownEvent(id="sevt_u", body=use), UnknownEvent(id="sevt_r", body=result))
        records = recorder.records()
    call = {"tool": "lookup", "input": {"key": "a"}}
    assert checked(records, must_call=[{**call, "result": "*found*"}]).verdict.status == "pass"
    assert checked(records, must_not_call=[{**call, "result": "*found*"}]).verdict.status == "fail"
    assert checked(records, must_not_call=[{**call, "result": "*lost*"}]).verdict.status == "pass"


def test_an_outcome_and_a_cost_that_nobody_knows(own_home: Path) -> None:
    with open_log(Home(own_home)) as log:
        recorder = Recorder(log, Home(own_home), model="gpt-x", request={"model": "gpt-x"})
        body = {"type": "span.outcome_evaluation_end", "id": "sevt_o", "result": "satisfied"}
        recorder.session.append(UnknownEvent(id="sevt_o", body=body))
        start = {"model_request_start_id": "x", "model": "gpt-x", "tool_uses": []}
        recorder.add(LocalModelResponse, raw='{"model": "gpt-x", "content": [], "usage": {"input_tokens": 5}}', **start)
        records = recorder.records()
    assert checked(records, outcome="satisfied").verdict.status == "pass"
    assert checked(records, outcome="failed").verdict.why == "it was judged satisfied"
    assert checked(records, limits={"cost": "1"}).verdict.status == "unknown"


def test_bisect_names_the_first_event_after_which_a_check_fails_for_good(recorded: list[Record]) -> None:
    checks = Checks.model_validate(
        {
            "must_not_call": ["edit"],
            "must_call": ["web_fetch"],
            "stop_reason": "end_turn",
            "text": [{"where": "any", "lacks": "sums by month"}],
            "limits": {"failed_calls": 0, "turns": 99},
        }
    )
    found = {each.name.partition(":")[0]: each for each in bisected(checks, Redactor(), recorded)}
    edit = seq_of(recorded, lambda event: getattr(event, "name", "") == "edit")
    assert (found["must_not_call[0]"].since, found["must_not_call[0]"].passed_once) == (edit, True)
    assert (found["must_call[0]"].since, found["must_call[0]"].passed_once) == (1, False)
    assert found["stop_reason"].since is None
    assert found["limits.turns"].since is None
    for each in found.values():
        # The answer is that of checking every beginning by itself.
        stands = (
            [
                next(
                    one.verdict.status for one in bisected(checks, Redactor(), recorded[:end]) if one.name == each.name
                )
                for end in (each.since - 1, each.since, len(recorded))
            ]
            if each.since and each.passed_once
            else []
        )
        assert stands in ([], ["pass", "fail", "fail"])


def test_patterns() -> None:
    assert fits("*rm -rf*", "sudo\nrm -rf /")
    assert not fits("rm", "rmdir")
    assert fits("a[b]?", "a[b]?")
    assert fits_path("src/**", "/workspace/src/a/b.py")
    assert fits_path("**/.env", "/workspace/.env")
    assert fits_path("**/.env", "/workspace/deep/in/.env")
    assert not fits_path("**/.env", "/workspace/x.env")
    assert fits_path("*.py", "/workspace/a.py")
    assert not fits_path("*.py", "/workspace/src/a.py")
    assert not fits_path("src/**", "/mnt/session/outputs/src/a")
    assert fits_path("/mnt/**", "/mnt/session/outputs/a")
    assert fits_host("*.x.org", "A.x.org.")
    assert not fits_host("*.x.org", "x.org")
    assert not fits_host("x.org", "ax.org")
    assert fits_host("*", "anything")


@pytest.mark.parametrize(
    "host", ["*", "example.com", "*.example.com.", "localhost", "127.0.0.1", "::1", "xn--mnchen-3ya.de", "a_b.c"]
)
def test_a_host_is_a_name_an_address_or_all_below_a_name(host: str) -> None:
    assert Checks.model_validate({"hosts": {"never": [host]}}).hosts


@pytest.mark.parametrize("path", ["src/**", "**", "*", "/etc/**", ".env", "..env", "**/.env", "a.", "a..b/c", "*~"])
def test_a_path_is_what_it_says(path: str) -> None:
    assert Checks.model_validate({"paths": {"never": [path]}}).paths


def test_stars_take_no_longer_where_a_long_text_does_not_fit() -> None:
    text = "error line failed " * 20_000
    assert not fits("*error*line*failed*error*line*never*", text)
    assert fits("error*line*failed ", text)
    assert fits("a*a", "aa")
    assert not fits("a*a", "a")
    assert fits("**x**", "x")


def test_an_expression_that_never_ends_is_given_up(recorded: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentctl.patience.SECONDS", 0.05)
    with pytest.raises(UsageError, match=re.escape("(.*a|.*t)*$")):
        checked(recorded, text=[{"where": "any", "matches": r"^(.|\n)*(.*a|.*t)*$never"}])


@pytest.mark.parametrize(
    ("tokens", "limits", "told"),
    [
        ("1" + "0" * 40, {"input_tokens": 5}, "1" + "0" * 40),
        ("1000", {"input_tokens": 5}, "1000"),
        ("12345678901234567890123456789012", {"cost": "0.5"}, "[0-9]{25,28}(.[0-9]{1,6})?"),
        ("123456789012345678901234567890", {"cost": "0.5"}, "[0-9]{23,26}(.[0-9]{1,6})?"),
    ],
)
def test_numbers_that_a_transcript_claims_are_told_however_large(
    own_home: Path, tokens: str, limits: dict[str, object], told: str
) -> None:
    with open_log(Home(own_home)) as log:
        model = "claude-opus-5-5"
        recorder = Recorder(log, Home(own_home), model=model, request={"model": model})
        raw = f'{{"model": "{model}", "content": [], "usage": {{"input_tokens": {tokens}, "output_tokens": 7}}}}'
        recorder.add(LocalModelResponse, raw=raw, model_request_start_id="x", model=model, tool_uses=[])
        found = checked(recorder.records(), limits=limits).verdict
    assert found.status == "fail"
    assert re.fullmatch(f"it is {told}", found.why)


WRONG = {
    "must_cal: [x]\n": (1, "did you mean must_call?"),
    "limits: {cost: 2}\n": (1, "limits.cost"),
    "text:\n  - {contains: a, lacks: b}\n": (2, "one of contains, lacks and matches"),
    "text:\n  - {matches: '('}\n": (2, "no regular expression"),
    "paths: {}\n": (1, "only"),
    "description: nothing\n": (1, "checks nothing"),
    "must_call:\n  - {tool: bash, imput: {}}\n": (2, "imput"),
    "a: &b [1]\nc: *b\n": (1, "anchors"),
    "limits: {}\nno_secrets: false\nmust_call: []\n": (1, "checks nothing"),
    "must_not_call: [{tool: bash, at_least: 3}]\n": (1, "at_least"),
    "order: [{tool: bash, at_most: 3}]\n": (1, "at_most"),
    "must_call: [{tool: bash, at_least: 3, at_most: 1}]\n": (1, "can never be"),
    "hosts: {never: ['https://example.com/']}\n": (1, "must be a host"),
    "hosts: {never: ['example.com:443']}\n": (1, "must be a host"),
    "hosts: {never: ['api-*.example.com']}\n": (1, "must be a host"),
    "paths: {never: [./src/**]}\n": (1, "would fit no file"),
    "paths: {never: [src/]}\n": (1, "would fit no file"),
    "paths: {never: [src/../.env]}\n": (1, "would fit no file"),
    "paths: {never: [~/.ssh/**]}\n": (1, "would fit no file"),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_file_that_is_wrong_is_refused_with_the_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "checks.yaml").write_text(text)
    with pytest.raises(DefinitionError) as refused:
        load_checks(tmp_path / "checks.yaml")
    line, told = WRONG[text]
    assert refused.value.line == line
    assert told in str(refused.value)


def test_the_report_for_ci_is_xml_whatever_a_session_holds() -> None:
    nasty = 'a"<&>]]>\x00\x1b[31m\ud800'
    every = [
        Checked(nasty, Verdict("fail", nasty, 3)),
        Checked("b", Verdict("pass")),
        Checked("c", Verdict("unknown", "no files")),
    ]
    root = ET.fromstring(junit_xml("sesn_1", every, allow_unknown=False))
    (suite,) = root
    assert dict(suite.attrib) | {"name": ""} == {
        "name": "", "tests": "3", "failures": "1", "errors": "1", "skipped": "0",
    }  # fmt: skip
    assert [[child.tag for child in case] for case in suite] == [["failure"], [], ["error"]]
    assert suite[0][0].text == "event #3"
    allowed = ET.fromstring(junit_xml("sesn_1", every, allow_unknown=True))
    assert [[child.tag for child in case] for case in allowed[0]] == [["failure"], [], ["skipped"]]


def test_the_schema_takes_what_the_loader_takes() -> None:
    schema = checks_schema()
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(Checks.model_fields)
    assert TypeAdapter(Checks).validate_python({"must_call": ["a"]}).must_call[0].tool == "a"


def test_a_status_that_only_others_know_counts_in_the_end(recorded: list[Record]) -> None:
    checks = Checks.model_validate({"status": "interrupted"})
    (without,) = bisected(checks, Redactor(), recorded[:5])
    (gone,) = bisected(checks, Redactor(), recorded[:5], status="interrupted")
    assert (without.verdict.status, without.since) == ("fail", 1)
    assert (gone.verdict.status, gone.since) == ("pass", None)


@pytest.mark.parametrize(
    ("tools", "told"),
    [
        (["bsah"], ["must_not_call: no tool is called bsah; did you mean bash?"]),
        (["mak_it", "xyzzy", "xyzzy"], [
            "must_not_call: no tool is called mak_it; did you mean make_it?", "must_not_call: no tool is called xyzzy",
        ]),
        (["Bash", "web_search", "web_*", "*", "make_it", "called", "other"], []),
    ],
)  # fmt: skip
def test_a_tool_that_must_not_be_called_and_that_there_is_not_is_told(
    own_home: Path, tools: list[str], told: list[str]
) -> None:
    home = Home(own_home)
    calls = Checks.model_validate({"must_not_call": tools}).must_not_call
    with open_log(home) as log:
        began = {"request": {"model": "m", "tools": [{"name": "make_it"}, {"type": "other"}]}}
        recorder = Recorder(log, home, "asked", **began)
        recorder.user("go")
        recorder.answer(call("called"), call("other"))
        foreign = Recorder(log, home, "foreign", imported={"program": "claude-code"})
        assert remarks(recorder, calls) == told
        assert remarks(foreign, calls) == []


def remarks(recorder: Recorder, calls: Sequence[Call]) -> list[str]:
    names = ToolNames()
    for record in recorder.records():
        names.add(record)
    return names.remarks(calls)


def test_and_a_check_says_so_and_passes_all_the_same(own_home: Path, tmp_path: Path) -> None:
    with open_log(Home(own_home)) as log:
        Recorder(log, Home(own_home), "asked").user("go")
    file = tmp_path / "checks.yaml"
    file.write_text("must_not_call: [bsah]\n", encoding="utf-8")
    done = agentctl("check", "asked", str(file), "-o", "json")
    assert (done.code, done.json["passed"]) == (0, True)
    assert f"{file}: must_not_call: no tool is called bsah; did you mean bash?\n" in done.err
    assert agentctl("bisect", "asked", file).err == done.err
