"""Sessions done again, at the edges: credentials, calls that miss the record, custom tools, lost sandboxes."""

import json
from pathlib import Path
from typing import Any

import pytest

from agentctl.events.content import describe
from agentctl.ids import SystemClock
from agentctl.launch.again.request import RerunRequest
from agentctl.launch.again.rerunning import Rerun, rerun
from agentctl.paths import Home
from agentctl.session.log import Record
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.events import read_events
from agentctl.vault.store import add_credential, create_vault
from tests.cli.program import Outcome, agentctl
from tests.network.kit import site
from tests.network.upstream import TlsConnection, upstream

AGENT = """\
name: tester
model: claude-opus-5-5
system: You test.
tools:
  - type: agent_toolset_20260401
    configs: [{name: write, permission_policy: {type: always_ask}}]
"""
BUBBLEWRAP = "name: bw\nconfig: {type: bubblewrap}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "agent.yaml").write_text(AGENT)
    (folder / "environment.yaml").write_text(BUBBLEWRAP)
    return folder


@pytest.fixture
def home(own_home: Path) -> Home:
    return Home(own_home)


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
