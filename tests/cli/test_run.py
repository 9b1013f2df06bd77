"""``agentctl run``, from the outside: definitions and a script in, a session, an exit code and a result out."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agentctl.definitions.agent import snapshot
from agentctl.definitions.environment import Environment
from agentctl.definitions.load import load_agent
from agentctl.events.content import text_block
from agentctl.events.local import LocalSessionCreated
from agentctl.launch.request import RunRequest, input_of, recorded_input
from tests.cli.program import ROOT, Outcome, agentctl, begin, until
from tests.loopback_api import Failure, LoopbackApi, call, refuse, say, think

AGENT = """\
name: tester
model: claude-opus-5-5
system: You test.
tools:
  - type: agent_toolset_20260401
    configs:
      - {name: write, permission_policy: {type: always_ask}}
      - {name: glob, enabled: false}
"""

HELLO = """\
- tools: [{name: bash, input: {command: "echo hello; echo made > /proc/self/cwd/x; cat x"}}]
- expect: {result_text: hello, is_error: false}
  text: All is well.
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "agent.yaml").write_text(AGENT)
    (folder / "hello.yaml").write_text(HELLO)
    return folder


def script(project: Path, text: str) -> str:
    (project / "script.yaml").write_text(text)
    return f"script:{project / 'script.yaml'}"


def run(project: Path, *more: str | Path, model: str | None = None, message: str = "go", **environ: str) -> Outcome:
    chosen = model or f"script:{project / 'hello.yaml'}"
    return agentctl("run", project / "agent.yaml", message, "--sandbox", "none", "--model", chosen, *more, **environ)


def test_a_session_runs_to_its_end_and_says_so_in_one_json_object(project: Path) -> None:
    done = run(project, "-o", "json", "--title", "A title")
    assert done.code == 0, done.err
    result = done.json
    assert result["text"] == "All is well."
    assert result["stop_reason"] == {"type": "end_turn"}
    assert (result["type"], result["schema"], result["exit_code"]) == ("result", "agentctl.result/1", 0)
    assert result["usage"]["requests"] == 2
    assert result["usage"]["tool_calls"] == 1
    assert result["cost"] == {"amount": "0", "currency": "USD"}  # a script costs nothing
    assert result["error"] is None
    assert set(result) == {
        "type",
        "schema",
        "session_id",
        "status",
        "stop_reason",
        "exit_code",
        "text",
        "usage",
        "cost",
        "events",
        "outputs",
        "error",
        "not_restored",
    }
    assert len(done.out.splitlines()) == 1


def test_every_event_is_a_line_while_it_happens_and_the_result_is_the_last(project: Path) -> None:
    lines = run(project, "-o", "jsonl").lines
    assert [line["type"] for line in lines] == [
        "local.session_created", "user.message", "session.status_running", "local.input_processed",
        "span.model_request_start", "local.model_response", "agent.tool_use", "span.model_request_end",
        "local.sandbox_started", "local.tool_started", "agent.tool_result", "local.tool_facts", "local.files_changed",
        "span.model_request_start", "local.model_response", "agent.message", "span.model_request_end",
        "session.usage", "session.status_idle", "result",
    ]  # fmt: skip
    assert lines[-1]["events"] == len(lines) - 1


def test_without_a_terminal_standard_output_holds_the_answer_and_nothing_else(project: Path) -> None:
    done = run(project)
    assert done.out == "All is well.\n"
    assert "hello" in done.err
    assert "\x1b" not in done.err
    assert run(project, "-q").err == ""


def test_the_record_holds_everything_that_the_session_depended_on(project: Path) -> None:
    header = run(project, "-o", "jsonl").lines[0]
    assert header["agent"]["name"] == "tester"
    assert header["agent_hash"].startswith("sha256:")
    assert header["environment_hash"].startswith("sha256:")
    assert header["model"].startswith("script:")
    assert header["agentctl_version"]
    assert [tool["name"] for tool in header["request"]["tools"]] == ["bash", "read", "write", "edit", "grep"]
    assert "You test." in header["request"]["system"]


def test_a_message_comes_from_a_file_or_from_standard_input(project: Path) -> None:
    asks = script(project, "- {expect: {user_text: wörds}, text: ok}")
    (project / "message.txt").write_text("wörds in a file")
    base = ("run", project / "agent.yaml", "--sandbox", "none", "--model", asks, "-q")
    assert agentctl(*base, "-f", project / "message.txt").code == 0
    assert agentctl(*base, "-", stdin="wörds on standard input").code == 0
    assert agentctl(*base, "-f", "-", stdin="wörds on standard input").code == 0


def test_calls_that_cannot_be_run_get_an_error_result_and_the_session_goes_on(project: Path) -> None:
    wrong = script(
        project,
        """\
- tools:
    - {name: bash, input: {comand: ls}}
    - {name: read, input: {file_path: /etc/hostname, view_range: [1]}}
    - {name: bash, input: {command: "echo fine"}}
- expect: {tool_results: 3, result_text: ["did you mean 'command'", "must have 2 items", "fine"]}
  text: I see.
""",
    )
    done = run(project, "-o", "jsonl", model=wrong)
    assert done.code == 0, done.err
    results = [line for line in done.lines if line["type"] == "agent.tool_result"]
    uses = [line for line in done.lines if line["type"] == "agent.tool_use"]
    assert sorted(result["is_error"] for result in results) == [False, True, True]
    assert [use["evaluated_permission"] for use in uses] == ["deny", "deny", "allow"]
    assert "evaluation" not in uses[0]
    started = [line["tool_use_ids"] for line in done.lines if line["type"] == "local.tool_started"]
    assert started == [[uses[2]["id"]]]


def test_an_answer_that_was_cut_runs_nothing(project: Path) -> None:
    cut = script(
        project,
        """\
- {tools: [{name: bash, input: {command: "touch ran"}}], stop_reason: max_tokens}
- {expect: {result_text: limit of length, is_error: true}, tools: [{name: bash, input: {command: "ls"}}]}
- {expect: {result_text: no output}, text: Nothing ran.}
""",
    )
    done = run(project, "-o", "json", model=cut)
    assert (done.code, done.json["text"]) == (0, "Nothing ran."), done.err


ASKS = """\
- tools: [{name: write, input: {file_path: a.txt, content: x}}, {name: bash, input: {command: "echo second"}}]
- {expect: {result_text: [RESULT, second]}, text: Done.}
"""


def test_a_call_that_asks_ends_the_run_with_exit_3_when_nobody_is_there(project: Path) -> None:
    done = run(project, "-o", "json", model=script(project, ASKS))
    assert done.code == 3
    assert done.json["stop_reason"]["type"] == "requires_action"
    assert len(done.json["stop_reason"]["event_ids"]) == 1
    assert done.json["status"] == "idle"


@pytest.mark.parametrize(("answer", "result"), [("allow", "wrote 1 bytes"), ("deny", "has been denied")])
def test_a_script_can_answer_calls_that_ask(project: Path, answer: str, result: str) -> None:
    done = run(project, "-o", "json", "--approve", answer, model=script(project, ASKS.replace("RESULT", result)))
    assert done.code == 0, done.err


def test_a_limit_of_turns_ends_the_run_with_exit_4(project: Path) -> None:
    done = run(project, "-o", "json", "--max-turns", "1")
    assert done.code == 4
    assert done.json["stop_reason"] == {"type": "budget_reached"}


def test_a_refusal_ends_the_run_with_exit_10(project: Path) -> None:
    done = run(project, "-o", "json", model=script(project, "- {text: No., stop_reason: refusal}"))
    assert (done.code, done.json["text"]) == (10, "")


def test_a_run_that_leaves_its_script_fails_loudly_with_exit_6(project: Path) -> None:
    done = run(project, "-o", "json", model=script(project, "- {expect: {user_text: stop}, text: ok}"))
    assert done.code == 6
    assert "stop" in done.json["error"]["message"]
    assert done.json["session_id"]
    assert "agentctl" in run(project, model=script(project, "- {expect: {user_text: stop}, text: ok}")).err


def test_a_missing_key_is_one_line_exit_6_and_no_session(project: Path, own_home: Path) -> None:
    done = agentctl("run", project / "agent.yaml", "go", "--sandbox", "none")
    assert done.code == 6
    assert "ANTHROPIC_API_KEY" in done.err
    assert len(done.err.strip().splitlines()) == 2
    assert not own_home.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"agent": "name: x\nmodle: y"}, "model"),
        ({"agent": "name: [x"}, "agent.yaml:1:"),
        ({"message": " "}, "empty"),
        ({"more": ("--session", "../../x")}, "--session"),
        ({"more": ("--workspace", "/does/not/exist")}, "no such directory"),
        ({"more": ("--file", "/does/not/exist:/x")}, "no such file"),
        ({"more": ("--timeout", "soon")}, "--timeout soon"),
        ({"more": ("-e", "/does/not/exist.yaml")}, "/does/not/exist.yaml"),
        ({"model": "script:/does/not/exist.yaml"}, "/does/not/exist.yaml"),
        ({"more": ("-f", "x")}, "once"),
    ],
)
def test_wrong_input_is_one_line_exit_2_and_nothing_is_made(
    project: Path, own_home: Path, change: dict, said: str
) -> None:
    if "agent" in change:
        (project / "agent.yaml").write_text(change["agent"])
    for form in ("text", "json"):
        done = run(
            project, *change.get("more", ()), "-o", form, model=change.get("model"), message=change.get("message", "go")
        )
        assert done.code == 2, done.err
        assert said in done.err
        assert len(done.err.strip().splitlines()) <= 3
        if form == "json":
            assert done.json["exit_code"] == 2
            assert done.json["error"]["type"].endswith("_error")
            assert done.json["session_id"] is None
    assert not own_home.exists()


@pytest.mark.parametrize("field", ["mcp", "web_search", "self_hosted"])
def test_what_this_version_cannot_run_is_refused_before_anything_is_made(
    project: Path, own_home: Path, field: str
) -> None:
    environment = project / "environment.yaml"
    environment.write_text("name: e\nconfig: {type: bubblewrap}\n")
    if field == "mcp":
        servers = "mcp_servers: [{type: url, name: s, url: https://example.com/mcp}]\n"
        (project / "agent.yaml").write_text(
            "name: x\nmodel: m\n" + servers + "tools: [{type: mcp_toolset, mcp_server_name: s}]\n"
        )
    elif field == "web_search":
        search = "tools: [{type: agent_toolset_20260401, configs: [{name: web_search, enabled: true}]}]\n"
        (project / "agent.yaml").write_text("name: x\nmodel: m\n" + search)
    else:
        environment.write_text("name: e\nconfig: {type: self_hosted}\n")
    model = f"script:{project / 'hello.yaml'}"
    done = agentctl("run", project / "agent.yaml", "go", "-e", environment, "--model", model)
    assert done.code == 2
    assert "cannot" in done.err or "has no sandbox" in done.err
    assert not own_home.exists()


@pytest.mark.parametrize("kind", ["limited", "learn"])
def test_networking_that_no_sandbox_at_all_could_hold_is_refused(project: Path, own_home: Path, kind: str) -> None:
    environment = project / "environment.yaml"
    environment.write_text(f"name: e\nconfig: {{type: bubblewrap, networking: {{type: {kind}}}}}\n")
    done = run(project, "-e", environment, "--sandbox", "none")
    assert done.code == 2
    assert f"networking: {kind}, which a sandbox of kind none cannot hold" in done.err
    assert not own_home.exists()


def test_an_unreachable_daemon_is_exit_7_and_no_session(project: Path, own_home: Path) -> None:
    model = f"script:{project / 'hello.yaml'}"
    began = time.monotonic()
    done = agentctl(
        "run", project / "agent.yaml", "go", "--model", model, "-o", "json", DOCKER_HOST="unix:///nonexistent.sock"
    )
    assert done.code == 7
    assert time.monotonic() - began < 60
    assert done.json["error"]["type"] == "sandbox_error"
    assert done.json["error"]["hint"]
    assert not (own_home / "agentctl.db").exists()


def test_a_store_that_cannot_be_written_is_exit_8_and_names_the_way_out(project: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(project, "-o", "json", AGENTCTL_HOME=str(tmp_path / "file" / "home"))
    assert done.code == 8
    assert "AGENTCTL_HOME" in done.err


def test_the_same_id_and_input_again_reports_the_same_session_and_starts_no_other(project: Path) -> None:
    first = run(project, "--session", "mine", "-o", "json")
    before = agentctl("events", "mine", "-o", "jsonl").out
    again = run(project, "--session", "mine", "-o", "json")
    assert (again.code, again.json) == (0, first.json), again.err
    assert run(project, "--session", "mine").out == "All is well.\n"
    assert agentctl("events", "mine", "-o", "jsonl").out == before
    assert run(project, "--session", "mine", "--title", "Another").code == 0  # a title changes nothing that was done
    limited = ("--session", "limited", "--max-turns", "1", "-o", "json")
    assert [run(project, *limited).code, run(project, *limited).code] == [4, 4]


def test_the_same_id_with_another_input_is_refused_and_the_session_is_untouched(project: Path) -> None:
    assert run(project, "--session", "mine", "-q").code == 0
    before = agentctl("events", "mine", "-o", "jsonl").out
    (project / "other.yaml").write_text(HELLO)
    (project / "environment.yaml").write_text("name: e\nconfig: {type: docker, env: {A: b}}\n")
    for change in (
        {"message": "something else"},
        {"model": f"script:{project / 'other.yaml'}"},
        {"more": ("--workspace", project)},
        {"more": ("--file", project / "hello.yaml")},
        {"more": ("-e", project / "environment.yaml")},
        {"more": ("--sandbox", "bubblewrap")},
        {"more": ("--max-turns", "7")},
    ):
        more = change.pop("more", ())
        again = run(project, "--session", "mine", *more, **change)
        assert again.code == 2, change
        assert "already" in again.err
    (project / "agent.yaml").write_text(AGENT + "description: another\n")
    assert run(project, "--session", "mine").code == 2
    assert agentctl("events", "mine", "-o", "jsonl").out == before


def test_a_session_that_an_older_version_began_is_still_the_same_input(project: Path) -> None:
    agent = load_agent(project / "agent.yaml")
    environment = Environment(name="e", config={"type": "docker"})
    request = RunRequest(agent, environment, "go")
    fewer = snapshot(agent)
    del fewer["local"]["keep"]
    created = LocalSessionCreated(
        id="sevt_1", session_id="one", agentctl_version="0", agent=fewer, agent_hash="sha256:of fewer fields",
        environment=snapshot(environment), environment_hash="sha256:too", model="claude-opus-5-5", request={},
        sandbox={"kind": "docker"}, uploads=[], limits={},
    )  # fmt: skip
    assert input_of(request) == (*recorded_input(created), [text_block("go")])


def test_the_same_id_again_while_it_runs_is_exit_9_and_after_a_kill_points_to_resume(project: Path) -> None:
    slow = script(project, "- tools: [{name: bash, input: {command: 'sleep 98765'}}]\n- {text: never}")
    process = begin(
        "run", project / "agent.yaml", "go", "--sandbox", "none", "--model", slow, "-o", "jsonl", "--session", "twice"
    )
    until(process, "local.tool_started")
    busy = run(project, "--session", "twice", model=slow)
    assert (busy.code, str(process.pid) in busy.err) == (9, True), busy.err
    assert run(project, "--session", "twice", model=slow, message="another").code == 2
    process.kill()
    process.communicate(timeout=60)
    left = run(project, "--session", "twice", "-o", "json", model=slow)
    assert left.code == left.json["exit_code"] == 2
    assert "agentctl resume twice" in left.err
    assert left.json["session_id"] == "twice"


def test_the_same_id_and_input_started_many_times_at_once_is_one_session(project: Path) -> None:
    command = [
        "run", project / "agent.yaml", "go", "--sandbox", "none", "--model", f"script:{project / 'hello.yaml'}",
        "--session", "one", "-q",
    ]  # fmt: skip
    processes = [begin(*command, stderr=subprocess.PIPE) for _ in range(6)]
    ended = [(process.communicate(timeout=60), process.returncode) for process in processes]
    assert {code for _, code in ended} <= {0, 9}, ended
    assert {out for (out, _), code in ended if code == 0} == {"All is well.\n"}
    assert agentctl("ls", "-o", "json").json["sessions"][0]["session_id"] == "one"
    kinds = [line["type"] for line in agentctl("events", "one", "-o", "jsonl").lines]
    assert kinds.count("local.session_created") == kinds.count("session.status_idle") == 1


def test_nobody_reading_does_not_stop_a_session(project: Path) -> None:
    process = begin(
        "run", project / "agent.yaml", "go", "--sandbox", "none", "--model", f"script:{project / 'hello.yaml'}",
        "-o", "jsonl", "--session", "piped", stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 0, errors
    assert "Traceback" not in errors
    last = json.loads(agentctl("events", "piped", "-o", "jsonl").out.splitlines()[-1])
    assert last["type"] == "session.status_idle"


def test_a_closed_standard_output_is_no_failure(project: Path) -> None:
    model = f"script:{project}/hello.yaml"
    command = f"exec {sys.executable} -m agentctl run {project}/agent.yaml go --sandbox none --model {model} >&-"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


NAP = f"sleep 98765.{os.getpid()}"
"""A command that takes long and that the tests of no other process run."""


def begun(project: Path, *more: str) -> subprocess.Popen[str]:
    """Start a run, and return when its call is under way."""
    slow = script(project, f"- tools: [{{name: bash, input: {{command: '{NAP}'}}}}]\n- {{text: Gone on.}}")
    command = ["run", str(project / "agent.yaml"), "go", "--sandbox", "none", "--model", slow, "-o", "jsonl", *more]
    process = begin(*command, stderr=subprocess.PIPE)
    until(process, "local.tool_started")
    return process


def signalled(project: Path, number: int) -> tuple[int, list[dict]]:
    """Send a signal to a run while a call is under way; return its exit code and its lines."""
    process = begun(project)
    time.sleep(0.3)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert not subprocess.run(["pgrep", "-f", NAP], capture_output=True, check=False).stdout
    return process.returncode, [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_with_its_code_and_leaves_a_record_and_no_process(project: Path, number: int) -> None:
    code, lines = signalled(project, number)
    assert code == 128 + number
    assert lines[-2]["type"] == "local.interrupted"
    assert lines[-1]["exit_code"] == 128 + number
    assert lines[-1]["status"] == "interrupted"


def test_control_c_stops_the_turn_answers_what_is_open_and_rests(project: Path) -> None:
    code, lines = signalled(project, signal.SIGINT)
    assert code == 130
    kinds = [line["type"] for line in lines]
    assert {"user.interrupt", "local.interrupted"} <= set(kinds)
    assert kinds[-3:] == ["session.usage", "session.status_idle", "result"]
    assert (lines[-1]["exit_code"], lines[-1]["status"]) == (130, "idle")
    assert kinds.count("agent.tool_result") == 1


def test_another_shell_stops_the_turn_and_the_session_can_go_on(project: Path) -> None:
    process = begun(project, "--session", "stopped")
    assert agentctl("interrupt", "stopped", "-o", "json").json["was_running"] is True
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["stop_reason"] == {"type": "end_turn"}
    assert agentctl("interrupt", "stopped", "-o", "json").json["was_running"] is False
    again = agentctl("resume", "stopped", "-o", "json")
    assert (again.code, again.json["text"]) == (0, "Gone on."), again.err


def test_nothing_of_the_person_s_environment_reaches_the_sandbox(project: Path) -> None:
    leaks = script(project, "- tools: [{name: bash, input: {command: 'env; cat /proc/$PPID/environ'}}]\n- {text: ok}")
    done = run(project, "-o", "jsonl", model=leaks, ANTHROPIC_API_KEY="sk-ant-canary", OTHER_SECRET="canary-2")
    assert done.code == 0, done.err
    assert "canary" not in done.out


def test_a_session_against_a_strict_api_obeys_its_rules_and_repeats_what_it_was_told(project: Path) -> None:
    turns = [
        think("I look around.", *(b for c in ("echo one", "pwd") for b in call("bash", {"command": c}).content)),
        think("", *say("One thing more.").content, *call("read", {"file_path": "/etc/hostname"}).content),
        say("All is well."),
    ]
    with LoopbackApi(turns) as api:
        done = agentctl(
            "run", project / "agent.yaml", "go", "--sandbox", "none", "-o", "json",
            ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY=api.key,
        )  # fmt: skip
        assert done.code == 0, done.err
        assert api.violations == []
    assert done.json["text"] == "All is well."
    assert done.json["usage"]["requests"] == 3
    assert float(done.json["cost"]["amount"]) > 0


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (refuse(429, "rate_limit_error", error_code="enforced_spend_limit_reached"), "spend"),
        (refuse(401, "authentication_error"), "ANTHROPIC_API_KEY"),
        (refuse(400, "invalid_request_error", "bad thing"), "bad thing"),
    ],
)
def test_a_failure_of_the_api_is_recorded_and_ends_with_exit_6(project: Path, failure: Failure, said: str) -> None:
    with LoopbackApi([failure]) as api:
        done = agentctl(
            "run", project / "agent.yaml", "go", "--sandbox", "none", "-o", "jsonl",
            ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY=api.key,
        )  # fmt: skip
        assert api.key not in done.out + done.err
    assert done.code == 6
    kinds = [line["type"] for line in done.lines]
    assert kinds[-5:] == ["span.model_request_end", "session.error", "session.usage", "session.status_idle", "result"]
    error = next(line["error"] for line in done.lines if line["type"] == "session.error")
    assert said in json.dumps(error)
    assert error["retry_status"] == {"type": "exhausted"}


def test_an_overloaded_api_is_asked_again_and_each_attempt_is_in_the_record(project: Path) -> None:
    with LoopbackApi([refuse(529, "overloaded_error"), refuse(500, "api_error"), say("There you are.")]) as api:
        done = agentctl(
            "run", project / "agent.yaml", "go", "--sandbox", "none", "-o", "jsonl",
            ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY=api.key,
        )  # fmt: skip
        assert api.violations == []
    assert done.code == 0, done.err
    assert done.json["text"] == "There you are."
    kinds = [line["type"] for line in done.lines]
    assert kinds.count("span.model_request_start") == kinds.count("span.model_request_end") == 3
    assert kinds.count("session.status_rescheduled") == 2
    errors = [line["error"] for line in done.lines if line["type"] == "session.error"]
    assert [error["type"] for error in errors] == ["model_overloaded_error", "model_request_failed_error"]
    assert {error["retry_status"]["type"] for error in errors} == {"retrying"}


def test_rules_of_the_agent_decide_before_its_policies(project: Path) -> None:
    (project / "agent.yaml").write_text(
        AGENT
        + """local:
  permissions:
    deny: [{tool: bash, input: {command: {matches: "rm "}}}]
    allow: [{tool: write, input: {file_path: "notes/**"}}]
"""
    )
    rules = script(
        project,
        """- tools:
    - {name: bash, input: {command: "rm -rf x"}}
    - {name: write, input: {file_path: notes/a.txt, content: x}}
    - {name: write, input: {file_path: notes/../b.txt, content: x}}
- {text: never}
""",
    )
    done = run(project, "-o", "jsonl", model=rules)
    assert done.code == 3, done.err
    uses = [line["evaluated_permission"] for line in done.lines if line["type"] == "agent.tool_use"]
    assert uses == ["deny", "allow", "ask"]
    results = [line["content"][0]["text"] for line in done.lines if line["type"] == "agent.tool_result"]
    assert any("denied by a rule (deny[0])" in text for text in results)


def test_going_in_circles_is_told_once_and_then_ends_with_exit_5(project: Path) -> None:
    circle = script(project, "- tools: [{name: bash, input: {command: 'echo same'}}]\n" * 12)
    done = run(project, "-o", "jsonl", model=circle)
    assert done.code == 5, done.err
    kinds = [line["type"] for line in done.lines]
    assert kinds.count("local.stuck_warned") == 1
    assert kinds.count("local.stuck") == 1
    assert kinds.count("agent.tool_use") == 8
    assert done.json["error"]["type"] == "stuck"


def test_a_session_that_met_a_limit_goes_on_with_a_higher_one(project: Path) -> None:
    first = run(project, "-o", "json", "--max-turns", "1", "--session", "limited")
    assert first.code == 4
    assert agentctl("resume", "limited", "-o", "json").code == 4
    again = agentctl("resume", "limited", "--max-turns", "5", "-o", "json")
    assert (again.code, again.json["text"]) == (0, "All is well."), again.err


def test_a_message_goes_to_a_session_that_rests(project: Path) -> None:
    both = script(project, "- {text: One.}\n- {expect: {user_text: and then}, text: Two.}")
    assert run(project, "--session", "talk", "-q", model=both).out == "One.\n"
    assert agentctl("send", "talk", "and then?", "-q").out == "Two.\n"
    assert [line["type"] for line in agentctl("events", "talk", "-o", "jsonl").lines].count("user.message") == 2


def test_a_question_is_answered_from_another_shell_and_the_session_goes_on(project: Path) -> None:
    done = run(project, "-o", "json", "--session", "asks", model=script(project, ASKS.replace("RESULT", "wrote 1")))
    assert done.code == 3
    (waiting,) = done.json["stop_reason"]["event_ids"]
    wrong = agentctl("approve", "asks", "sevt_other")
    assert wrong.code == 2
    assert waiting in wrong.err
    assert agentctl("approve", "asks", waiting, "-o", "json").json["tool_use_ids"] == [waiting]
    assert agentctl("deny", "asks", waiting).code == 2  # the first answer stands
    again = agentctl("resume", "asks", "-o", "json")
    assert again.code == 0, again.err
    assert agentctl("approve", "asks").code == 2  # nothing waits any more


def test_a_denial_with_a_reason_reaches_the_model(project: Path) -> None:
    denied = script(project, ASKS.replace("RESULT", '"has been denied: not today"'))
    assert run(project, "--session", "no", "-q", model=denied).code == 3
    assert agentctl("deny", "no", "-m", "not today").code == 0
    assert agentctl("resume", "no", "-q").code == 0
