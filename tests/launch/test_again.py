"""Sessions done again, at the edges: credentials, calls that miss the record, custom tools, lost sandboxes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from agentctl.errors import UsageError
from agentctl.events.base import Event
from agentctl.events.content import describe, text_block
from agentctl.events.make import Maker
from agentctl.events.user import UserCustomToolResult
from agentctl.ids import SystemClock
from agentctl.launch.again.request import RerunRequest
from agentctl.launch.again.rerunning import Rerun, rerun
from agentctl.launch.telling import tell
from agentctl.paths import Home
from agentctl.session.log import Record
from agentctl.session.state import SessionState
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.events import read_events
from agentctl.vault.store import add_credential, create_vault
from tests.agents import CAREFUL
from tests.cli.program import ROOT, Outcome, agentctl
from tests.network.kit import site
from tests.network.upstream import TlsConnection, upstream

BUBBLEWRAP = "name: bw\nconfig: {type: bubblewrap}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "agent.yaml").write_text(CAREFUL)
    (folder / "environment.yaml").write_text(BUBBLEWRAP)
    return folder


def run(project: Path, script: str, *more: str | Path, **environ: str) -> str:
    (project / "script.yaml").write_text(script)
    done = agentctl(
        "run", project / "agent.yaml", "go", "-e", project / "environment.yaml", "-o", "json", "-q",
        "--model", f"script:{project / 'script.yaml'}", *more, **environ,
    )  # fmt: skip
    assert done.code in (0, 3), (done.out, done.err)
    return str(done.json["session_id"])


def again(home: Home, session: str, live: Any = None, **more: Any) -> Rerun:
    return rerun(RerunRequest(session, live, **more), home, [], lambda _line: None)


def records(home: Home, session: str | None) -> list[Record]:
    assert session is not None
    with reading(home) as connection:
        return [*read_events(connection, Blobs(home.blobs), session)]


def results(home: Home, session: str | None) -> list[str]:
    events = [record.event for record in records(home, session)]
    return [describe(event.content or ()) for event in events if event.type == "agent.tool_result"]


def members(done: Outcome) -> tuple[int, str]:
    return done.code, str(done.json["verdict"])


SECRET = "s3cr3t-" + "A7f9Kq2ZpW" * 3
ASK = 'curl -sS -H \\"Authorization: Bearer $TOKEN\\" https://localhost:%d/; echo \\"with ${TOKEN:-no token}\\"'


@pytest.mark.bubblewrap
def test_credentials_are_used_again_only_where_a_vault_is_named_and_look_as_they_did(project: Path, home: Home) -> None:
    create_vault(home, "work", SystemClock())
    body = {"type": "environment_variable", "secret_name": "TOKEN", "secret_value": SECRET}
    limited = {"type": "limited", "allowed_hosts": ["localhost"]}
    add_credential(home, "work", body | {"networking": limited}, SystemClock())

    def reply(tls: TlsConnection, request: Any, _body: bytes) -> bool:
        known = f"Bearer {SECRET}" in request.head.all("authorization")
        said = b"welcome" if known else b"who are you"
        tls.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(said) + said, 5)
        return True

    with upstream("localhost") as server:
        server.reply = reply
        (project / "environment.yaml").write_text(
            "name: e\nconfig:\n  type: bubblewrap\n"
            f"  networking: {{type: limited, private_hosts: ['localhost:{server.port}']}}\n"
        )
        (project / "upstream.pem").write_bytes(server.authority.pem)
        trust = {"SSL_CERT_FILE": str(project / "upstream.pem")}
        command = ASK % server.port
        script = f'- tools: [{{name: bash, input: {{command: "{command}"}}}}]\n- text: Done.\n'
        session = run(project, script, "--vault", "work", **trust)
        assert "welcome" in results(home, session)[0]
        asked = len(server.requests)

        def live(*words: str) -> Outcome:
            return agentctl("rerun", session, "--live", "sandbox", "-o", "json", *words, **trust)

        sealed = live()
        assert len(server.requests) == asked
        bare = live("--network")
        given = live("--network", "--vault", "work")
        twice = agentctl("rerun", given.json["session_id"], "--live", "sandbox", "-o", "json", "--network",
                         "--vault", "work", **trust)  # fmt: skip
        unknown = live("--network", "--vault", "nobody")

    assert members(sealed) == (1, "diverged")
    assert members(bare) == (1, "diverged")
    assert "no token" in results(home, bare.json["session_id"])[0]
    assert members(given) == (0, "reproduced"), results(home, given.json["session_id"])
    assert members(twice) == (0, "reproduced")
    assert unknown.code == 2
    whole = [json.dumps(agentctl("events", each, "-o", "json").out) for each in (session, given.json["session_id"])]
    assert not any(SECRET in text for text in whole)


@pytest.mark.bubblewrap
def test_a_call_that_misses_the_record_reaches_the_network_only_where_that_is_asked_for(
    project: Path, home: Home
) -> None:
    steps = '- tools: [{name: bash, input: {command: "echo one > a"}}]\n- text: Done.\n'
    with site() as reached:
        (project / "environment.yaml").write_text(
            "name: e\nconfig:\n  type: bubblewrap\n"
            f"  networking: {{type: limited, private_hosts: ['127.0.0.1:{reached.port}']}}\n"
        )
        session = run(project, steps)
        ask = f'- tools: [{{name: bash, input: {{command: "cat a; curl -sS http://127.0.0.1:{reached.port}/"}}}}]\n'
        (project / "script.yaml").write_text(steps.replace("- text: Done.\n", ask + "- text: Done.\n"))

        denied = again(home, session, "model", on_miss_sandbox=True)
        allowed = again(home, session, "model", on_miss_sandbox=True, network=True)

    assert "is here" not in results(home, denied.session_id)[1]
    assert results(home, allowed.session_id)[1].startswith("one\nGET / is here")
    assert (denied.verdict, allowed.verdict) == ("diverged", "diverged")


@pytest.mark.bubblewrap
def test_every_event_of_a_rerun_is_a_line_while_it_happens_and_the_verdict_is_the_last(
    project: Path, home: Home
) -> None:
    session = run(project, '- tools: [{name: bash, input: {command: "echo one"}}]\n- text: Done.\n')

    for words in ((), ("--live", "sandbox"), ("--which-moved",)):
        done = agentctl("rerun", session, *words, "-o", "jsonl")
        *lines, last = [json.loads(line) for line in done.out.splitlines()]
        assert last["type"] == ("which_moved" if "--which-moved" in words else "rerun")
        made = [last["sandbox"], last["model"]] if "--which-moved" in words else [last]
        stored = [record.event.id for each in made for record in records(home, each["session_id"])]
        assert [line["id"] for line in lines] == stored


LOSES = """\
- tools: [{name: bash, input: {command: "echo one > a; cat a"}}]
- tools:
    - {name: bash, input: {command: "echo mid >> a; sleep 3; echo slept"}}
    - {name: read, input: {file_path: a}}
- tools: [{name: bash, input: {command: "cat a"}}]
- text: Done.
"""


@pytest.mark.bubblewrap
def test_where_the_record_lost_its_sandbox_a_rerun_loses_it_too_and_goes_on_with_the_same_files(
    project: Path, home: Home
) -> None:
    run_until(project, LOSES, 2, kill_sandbox, "run", "lost")
    types = [record.event.type for record in records(home, "lost")]
    assert types.count("local.sandbox_lost") == 1
    assert results(home, "lost")[-1].endswith("\none")  # what the lost call wrote is gone

    (project / "script.yaml").write_text(LOSES)
    recorded, model = again(home, "lost"), again(home, "lost", "model")
    fresh = again(home, "lost", "sandbox")

    assert (recorded.verdict, model.verdict) == ("reproduced", "reproduced"), recorded.findings.first
    assert fresh.verdict == "incomplete-recording", fresh.findings.first
    assert "the sandbox was lost" in fresh.findings.missing[-1]
    assert results(home, fresh.session_id) == results(home, "lost")
    assert fresh.findings.compared == 3 - len([line for line in fresh.findings.missing if "call of read" in line])


@pytest.mark.bubblewrap
def test_a_sandbox_that_is_lost_in_the_rerun_itself_is_the_cause_that_is_named(project: Path, home: Home) -> None:
    session = run(project, LOSES)

    last = run_until(project, LOSES, 2, kill_sandbox, "rerun", session)

    first, *later = last["differences"]
    assert (last["verdict"], first["cause"]["kind"]) == ("diverged", "sandbox_lost")
    assert {each["follows"] for each in later} <= {first["seq"]}


@pytest.mark.bubblewrap
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_rerun_that_is_stopped_has_no_verdict(project: Path, home: Home, number: int, code: int) -> None:
    session = run(project, LOSES)

    last = run_until(project, LOSES, 2, lambda process: os.kill(process, number), "rerun", session)

    assert (last["type"], last["exit_code"], last["error"]["type"]) == ("result", code, "rerun_stopped_error")
    stopped = agentctl("ls", "-o", "json").json["sessions"][0]
    assert stopped["status"] == "interrupted"
    assert stopped["session_id"] in last["error"]["hint"]


@pytest.mark.bubblewrap
def test_a_call_that_a_person_broke_off_is_not_begun_again_also_where_it_was_the_first(
    project: Path, home: Home
) -> None:
    run_until(project, LOSES, 1, lambda _: agentctl("interrupt", "first"), "run", "first", slow="sleep 60; ")
    asked = next(record.seq for record in records(home, "first") if record.event.type == "local.tool_started")
    run_until(project, "", 1, lambda _: agentctl("interrupt", "fork"), "fork", "first", "--at", str(asked))

    for session in ("first", "fork"):
        assert again(home, session).verdict == "reproduced"
        with pytest.raises(UsageError, match="a person broke off #7, the first call of"):
            again(home, session, "sandbox")


@pytest.mark.bubblewrap
def test_a_call_of_which_nobody_knows_what_came_is_not_made_again(project: Path, home: Home) -> None:
    run_until(project, LOSES, 1, lambda process: os.kill(process, signal.SIGKILL), "run", "killed", slow="sleep 60; ")

    done = again(home, "killed", "sandbox")

    assert (done.verdict, done.findings.compared) == ("incomplete-recording", 0)
    assert "what came of this call of bash is not recorded" in done.findings.missing[0]
    assert again(home, "killed").verdict == "reproduced"


def test_a_session_is_done_again_up_to_any_of_its_events(project: Path, home: Home) -> None:
    session = run(
        project,
        "- tools: [{name: bash, input: {command: 'echo a > a'}}, {name: bash, input: {command: 'echo b > b'}}]\n"
        "- tools: [{name: write, input: {file_path: w, content: W}}]\n- text: Done.\n",
        "--sandbox", "none",
    )  # fmt: skip
    agentctl("approve", session)
    assert agentctl("resume", session, "-q").code == 0
    past = records(home, session)
    first = next(each.seq for each in past if each.event.type == "local.model_response")

    for record in past:
        if record.seq < first:
            with pytest.raises(UsageError, match=f"holds no answer of the model up to #{record.seq}: there is nothing"):
                again(home, session, until=record.seq)
            continue
        for live in (None, "model") if record.seq % 4 == 0 else (None,):
            done = again(home, session, live, until=record.seq)
            assert done.verdict == "reproduced", (record.seq, live, done.findings.first)


@pytest.mark.bubblewrap
def test_a_fork_of_a_session_that_waits_is_done_again_with_its_answer_at_its_place(project: Path, home: Home) -> None:
    session = run(
        project,
        "- tools: [{name: bash, input: {command: 'echo a'}}]\n"
        "- tools:\n"
        "    - {name: write, input: {file_path: w, content: W}}\n"
        "    - {name: write, input: {file_path: v, content: V}}\n"
        "- text: Done.\n- text: More.\n",
    )
    assert agentctl("fork", session, "and more", "--session", "fork", "-q").code == 3
    waiting = agentctl("show", "fork", "-o", "json").json["waiting"]
    agentctl("approve", "fork", waiting[1]["tool_use_id"])
    assert agentctl("resume", "fork", "-q").code == 3
    agentctl("deny", "fork", waiting[0]["tool_use_id"], "-m", "no")
    assert agentctl("resume", "fork", "-q").code == 0

    for live in (None, "sandbox", "model"):
        done = again(home, "fork", live)
        assert (done.verdict, done.notes) == ("reproduced", ()), (live, done.findings.first)


def run_until(
    project: Path, script: str, number: int, act: Callable[[int], object], command: str, session: str, *more: str,
    slow: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Run a command in a process of its own, act on it in the middle of its tools' Nth step; return its last line."""
    if script:
        (project / "script.yaml").write_text(script.replace('command: "', f'command: "{slow}'))
    words: dict[str, list[str | Path]] = {
        "run": [project / "agent.yaml", "go", "-e", project / "environment.yaml", "--session", session,
                "--model", f"script:{project / 'script.yaml'}"],
        "rerun": [session, "--live", "sandbox"],
        "fork": [session, *more, "--session", "fork"],
    }  # fmt: skip
    line = [sys.executable, "-m", "agentctl", command, *words[command], "-o", "jsonl"]
    last = "{}"
    with subprocess.Popen(line, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True) as run:
        for last in run.stdout or ():
            number -= '"local.tool_started"' in last
            if number == 0 and '"local.tool_started"' in last:
                wait_for_a_nap(run.pid)
                act(run.pid)
    return dict(json.loads(last))


def wait_for_a_nap(process: int) -> None:
    """Wait until something that an agentctl has begun sleeps."""
    deadline = time.monotonic() + 20
    while not any(program.startswith(b"sleep\0") for program in programs_below(process)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def programs_below(process: int) -> Iterator[bytes]:
    """Yield the command line of each process below one."""
    for task in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(OSError):
            for child in (task / "children").read_text().split():
                yield Path(f"/proc/{child}/cmdline").read_bytes()
                yield from programs_below(int(child))


def kill_sandbox(process: int) -> None:
    """Kill the sandbox of an agentctl, from outside."""
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in (task / "children").read_text().split():
            if b"bwrap" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGKILL)


CUSTOM = """\
- tools:
    - {name: lookup, input: {q: one}}
    - {name: bash, input: {command: "sleep 0.3; echo hi > a; cat a"}}
    - {name: lookup, input: {q: two}}
    - {name: bash, input: {command: "echo first"}}
- tools: [{name: lookup, input: {q: three}}, {name: write, input: {file_path: b, content: B}}]
- text: Done.
"""


@pytest.mark.bubblewrap
def test_results_of_custom_tools_are_given_again_however_late_they_came_and_in_whatever_order(
    project: Path, home: Home
) -> None:
    lookup = (
        "  - {type: custom, name: lookup, description: Looks it up., input_schema: {type: object, properties: {}}}\n"
    )
    (project / "agent.yaml").write_text(CAREFUL + lookup)
    session = run(project, CUSTOM)

    def give(number: int, text: str) -> None:
        def choose(state: SessionState, make: Maker) -> Sequence[Event]:
            call = [call for call in state.calls if call.custom][number]
            return [
                make(UserCustomToolResult, custom_tool_use_id=call.id, content=[text_block(text)], processed_at=None)
            ]

        tell(session, home, choose)

    give(1, "two")
    assert agentctl("resume", session, "-q").code == 3
    give(0, "one")
    assert agentctl("resume", session, "-q").code == 3
    agentctl("approve", session)
    assert agentctl("resume", session, "-q").code == 3
    assert agentctl("send", session, "said before the last result", "-q").code == 3
    give(0, "three")
    assert agentctl("resume", session, "-q").out == "Done.\n"

    for live in (None, "sandbox", "model"):
        done = again(home, session, live)
        assert (done.verdict, done.notes) == ("reproduced", ()), (live, done.findings.first)
    (project / "script.yaml").write_text(CUSTOM.replace("q: three", "q: another"))
    moved = again(home, session, "model")
    first = next(each.seq for each in records(home, session) if getattr(each.event, "input", None) == {"q": "three"})
    assert (moved.verdict, moved.findings.first and moved.findings.first.seq) == ("diverged", first)
