"""``agentctl fork``, from the outside: the same past, the same files, another future."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agentctl.errors import AgentctlError
from agentctl.events.agent import AgentToolResult
from agentctl.events.content import describe
from agentctl.events.local import LocalForked
from agentctl.launch.forking import ForkRequest, fork
from agentctl.paths import Home
from agentctl.session.log import Record
from agentctl.session.transcript import Transcript
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.events import read_events
from agentctl.store.rows import list_sessions
from tests.agents import CAREFUL
from tests.api_rules import beta_values, check_body
from tests.cli.program import Outcome, agentctl, begin, until
from tests.loopback_api import LoopbackApi, say, think

STEPS = """\
- thinking: First I look.
  tools:
    - {name: bash, input: {command: "echo one > a; mkdir d; echo x > d/e; rm start.txt"}}
    - {name: bash, input: {command: "cat given.txt; sleep 0.1"}}
- tools: [{name: bash, input: {command: "echo two >> a; rm -r d"}}]
- text: The first message is done.
"""

OTHER = """\
- text: never said
- thinking: Another thought.
  tools: [{name: bash, input: {command: "cat a; ls; cat d/e given.txt"}}]
- expect: {result_text: [one, given], is_error: false}
  text: The fork is done.
- text: And again.
- text: And once more.
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "workspace").mkdir(parents=True)
    (folder / "workspace/start.txt").write_text("begin\n")
    (folder / "workspace/given.txt").write_text("given\n")
    (folder / "agent.yaml").write_text(CAREFUL)
    (folder / "steps.yaml").write_text(STEPS)
    (folder / "other.yaml").write_text(OTHER)
    (folder / "environment.yaml").write_text("name: bw\nconfig: {type: bubblewrap}\n")
    return folder


def run(project: Path, script: str = "steps", *more: str | Path) -> str:
    done = agentctl(
        "run", project / "agent.yaml", "go", "-e", project / "environment.yaml", "-o", "json", "-q",
        "--model", f"script:{project / script}.yaml", *more,
    )  # fmt: skip
    assert done.code in (0, 3), done.err
    return str(done.json["session_id"])


def forks(project: Path, *words: str | Path, script: str = "other") -> Outcome:
    return agentctl("fork", *words, "--model", f"script:{project / script}.yaml")


def records(home: Home, session: str) -> list[Record]:
    with reading(home) as connection:
        return [*read_events(connection, Blobs(home.blobs), session)]


def types(home: Home, session: str) -> list[str]:
    return [record.event.type for record in records(home, session)]


def nth(home: Home, session: str, kind: str, number: int = 0) -> int:
    return [record.seq for record in records(home, session) if record.event.type == kind][number]


def results(home: Home, session: str) -> list[str]:
    return [
        describe(each.event.content or ()) for each in records(home, session) if each.event.type == "agent.tool_result"
    ]


@pytest.mark.bubblewrap
def test_a_session_is_forked_in_its_middle_with_its_files(project: Path, home: Home) -> None:
    parent = run(project, "steps", "--workspace", project / "workspace")
    before = records(home, parent)
    at = nth(home, parent, "local.tool_facts", 1)  # both calls of the first answer have ended

    done = forks(project, parent, "--at", str(at), "look again")

    assert (done.code, done.out) == (0, "The fork is done.\n"), done.err
    shown = agentctl("show", "@", "-o", "json").json
    child = str(shown["result"]["session_id"])
    assert (shown["result"]["usage"]["requests"], shown["result"]["usage"]["tool_calls"]) == (2, 1)
    assert records(home, parent) == before
    assert records(home, child)[:at] == before[:at]
    [seen] = results(home, child)[2:]
    assert seen.startswith("[This conversation was forked from another one here, and goes on in a new sandbox.")
    assert "running processes and the state of the shell are gone" in seen
    assert [*seen.split("\n")[-6:]] == ["one", "a", "d", "given.txt", "x", "given"]
    assert f"forked {child} from {parent} after #{at}" in done.err
    assert "as they were after" in done.err
    assert "not restored: running processes" in done.err

    assert shown["forked_from"] == {"session_id": parent, "at": at, "at_hash": before[at - 1].hash}
    assert f"from #{at} of {parent}" in agentctl("show", child).out
    assert f"from #{at} of {parent}" in agentctl("replay", child).out

    again = agentctl("fork", child, "more", "-o", "json")  # a fork of a fork, at its end
    assert (again.code, again.json["text"]) == (0, "And again."), again.err
    tree = agentctl("ls", "--tree").out.splitlines()
    assert [line.split()[0][0] for line in tree[1:]] == [parent.removeprefix("sesn_")[0], "#", "#"]
    assert [len(line) - len(line.lstrip()) for line in tree[1:]] == [0, 2, 4]
    listed = {each["session_id"]: each["parent"] for each in agentctl("ls", "-o", "json").json["sessions"]}
    assert listed == {
        parent: None,
        child: {"session_id": parent, "at": at},
        again.json["session_id"]: {"session_id": child, "at": len(records(home, child))},
    }
    said = agentctl("send", again.json["session_id"], "still there?", "-o", "json")
    assert said.json["text"] == "And once more."


@pytest.mark.bubblewrap
def test_what_a_fork_does_not_have_is_in_its_object_in_its_record_and_on_standard_error(
    project: Path, home: Home
) -> None:
    (project / "large.yaml").write_text(
        "- tools: [{name: bash, input: {command: 'echo a > a; truncate -s 200M large'}}]\n"
        "- text: Made.\n- text: More.\n"
    )
    parent = run(project, "large")

    made = agentctl("fork", parent, "--no-run", "-o", "json")
    ran = agentctl("fork", parent, "more", "-o", "json")
    before = agentctl("fork", parent, "--at", "2", "--no-run", "-o", "json")
    told = agentctl("fork", parent, "--no-run")
    lines = [agentctl("fork", parent, *words, "-o", "jsonl").out.splitlines() for words in (["more"], ["--no-run"])]

    lost = made.json["not_restored"]
    assert [each["kind"] for each in lost] == ["large_files", "elsewhere", "processes"]
    assert lost[0]["paths"] == ["/workspace/large"]
    assert ran.json["not_restored"] == lost
    assert before.json["not_restored"] == []
    assert forked_event(home, made.json["session_id"]).not_restored == lost
    for each in lost:
        assert f"not restored: {each['line']}" in told.err
    assert agentctl("replay", parent, "-o", "json").json["not_restored"] == []
    types_of = [[json.loads(line)["type"] for line in printed] for printed in lines]
    assert types_of[0][:3] == ["local.forked", "user.message", "session.status_running"]
    assert types_of[1] == ["local.forked", "forked"]


@pytest.mark.bubblewrap
def test_a_fork_before_the_sandbox_began_has_the_files_as_they_were_uploaded(project: Path, home: Home) -> None:
    parent = run(project, "steps", "--workspace", project / "workspace")
    (project / "workspace/given.txt").write_text("changed since\n")

    done = agentctl("fork", parent, "--at", str(nth(home, parent, "local.model_response")), "--session", "child")

    assert (done.code, done.out) == (0, "The first message is done.\n"), done.err
    at = nth(home, parent, "span.model_request_end")
    assert f"the fork begins after #{at}" in done.err
    assert "not restored" not in done.err  # there was no sandbox yet
    assert results(home, "child")[1] == "given"
    assert types(home, "child").count("local.files_uploaded") == 1
    assert (
        agentctl("show", "child", "-o", "json").json["result"]["usage"]["requests"] == 2
    )  # the first was the parent's


def test_wherever_a_session_is_forked_its_log_can_be_gone_on_from(project: Path, home: Home) -> None:
    done = agentctl("run", project / "agent.yaml", "go", "--sandbox", "none", "-q",
                    "--model", f"script:{project / 'steps.yaml'}", "-o", "json")  # fmt: skip
    parent = str(done.json["session_id"])
    past = records(home, parent)
    points = set()

    for record in past:
        lines: list[str] = []
        made = fork(ForkRequest(parent, record.seq, "another word"), home, lines.append, is_run=False)
        points.add(made.at)
        assert made.at >= record.seq
        assert any("one with what follows" in line for line in lines) == (made.at > record.seq)
        own = records(home, made.session_id)
        transcript = Transcript()
        for each in own:
            transcript.add(each.event)
        asked = [
            use["event_id"] for each in own if each.event.type == "local.model_response" for use in each.event.tool_uses
        ]
        known = [each.event.id for each in own if each.event.type == "agent.tool_use"]
        assert asked == known  # no answer without all of its calls
        answered = [each.event.tool_use_id for each in own if isinstance(each.event, AgentToolResult)]
        facts = [each.event.tool_use_id for each in own if each.event.type == "local.tool_facts"]
        assert answered == facts
        assert made.has_work

    assert len(points) > 10
    answer = nth(home, parent, "local.model_response")
    assert points.isdisjoint(range(answer, nth(home, parent, "span.model_request_end")))


def test_another_agent_begins_with_another_head_and_forgets_what_was_thought(project: Path, home: Home) -> None:
    done = agentctl("run", project / "agent.yaml", "go", "--sandbox", "none", "-q", "--max-turns", "40",
                    "--model", f"script:{project / 'steps.yaml'}", "-o", "json")  # fmt: skip
    parent = str(done.json["session_id"])
    stricter = CAREFUL.replace("You test.", "You test twice.").replace("tester", "stricter")
    (project / "stricter.yaml").write_text(stricter)

    same = agentctl("fork", parent, "--no-run", "-o", "json", "--title", "as it was").json["session_id"]
    other = agentctl("fork", parent, "--no-run", "-o", "json", "--agent", project / "stricter.yaml",
                     "--max-turns", "3").json["session_id"]  # fmt: skip

    def thoughts(session: str) -> list[str]:
        transcript = Transcript()
        for record in records(home, session):
            transcript.add(record.event)
        blocks = [block for message in transcript.settled() for block in message["content"]]
        return [block["thinking"] for block in blocks if block["type"] == "thinking"]

    [plain, changed] = [forked_event(home, session) for session in (same, other)]
    assert (plain.request, plain.agent, plain.model, plain.title) == (None, None, None, "as it was")
    assert thoughts(same) == ["First I look."]
    assert changed.request is not None
    assert "You test twice." in changed.request["system"]
    assert changed.model is None  # the script that was named goes on: nobody asked for a model that costs
    assert changed.limits["max_turns"] == 3
    assert thoughts(other) == []
    assert agentctl("show", other, "-o", "json").json["agent"]["name"] == "stricter"
    assert [row["agent"] for row in agentctl("ls", "-o", "json").json["sessions"]] == ["stricter", "tester", "tester"]


def test_a_fork_with_another_model_asks_it_for_what_the_api_takes(project: Path) -> None:
    thought = think("First I look.", {"type": "tool_use", "name": "bash", "input": {"command": "echo hi"}})
    with LoopbackApi([thought, say("First.")]) as api:
        run_it = agentctl("run", project / "agent.yaml", "go", "--sandbox", "none", "-o", "json",
                          ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY=api.key)  # fmt: skip
        assert run_it.code == 0, run_it.err
    with LoopbackApi([say("Another one.")], strict=False) as api:  # it has not heard what came before
        done = agentctl("fork", "@", "and you?", "--model", "claude-sonnet-5-5", "-o", "json",
                        ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY=api.key)  # fmt: skip
        [asked] = api.requests
    assert list(check_body(asked.body, beta_values(asked.headers))) == []
    assert (asked.body["model"], "thinking" in str(asked.body["messages"])) == ("claude-sonnet-5-5", False)
    assert (done.code, done.json["text"]) == (0, "Another one."), done.err
    assert 0 < float(done.json["cost"]["amount"]) != float(run_it.json["cost"]["amount"])
    assert done.json["usage"]["requests"] == 1


def forked_event(home: Home, session: str) -> Any:
    return next(record.event for record in records(home, session) if isinstance(record.event, LocalForked))


@pytest.mark.bubblewrap
def test_a_call_that_was_allowed_in_the_parent_is_asked_again_in_the_fork(project: Path, home: Home) -> None:
    (project / "asks.yaml").write_text(
        "- tools: [{name: write, input: {file_path: new.txt, content: text}}]\n- text: Written.\n- text: Then that.\n"
    )
    parent = run(project, "asks", "--approve", "allow")
    answered = nth(home, parent, "user.tool_confirmation")

    waits = agentctl("fork", parent, "--at", str(answered), "and then that", "-o", "json")

    assert waits.code == 3, waits.err
    child = waits.json["session_id"]
    assert waits.json["stop_reason"]["type"] == "requires_action"
    assert agentctl("deny", child).code == 0
    done = agentctl("resume", child, "-o", "json")
    assert (done.code, done.json["text"]) == (0, "Written.")
    texts = [each.event.content for each in records(home, child) if each.event.type == "agent.tool_result"]
    assert "denied" in describe(texts[0])


@pytest.mark.bubblewrap
def test_a_fork_that_was_killed_goes_on_with_its_files(project: Path, home: Home) -> None:
    parent = run(project)
    at = nth(home, parent, "local.tool_facts", 1)
    (project / "slow.yaml").write_text(
        "- text: never said\n- tools: [{name: bash, input: {command: 'cat a; sleep 30'}}]\n"
        "- tools: [{name: bash, input: {command: 'cat a d/e'}}]\n- text: Survived.\n"
    )
    process = begin(
        "fork", parent, "--at", str(at), "go on", "--session", "killed", "--model", f"script:{project / 'slow.yaml'}",
        "-o", "jsonl",
    )  # fmt: skip
    *_, started = until(process, "local.tool_started")
    assert started["tool_use_ids"]
    process.kill()
    process.wait()

    done = agentctl("resume", "killed", "-o", "json")

    assert (done.code, done.json["text"]) == (0, "Survived."), done.err
    assert results(home, "killed")[-1].endswith("\none\nx")


def test_the_same_fork_again_is_the_fork_that_is_there(project: Path, home: Home) -> None:
    (project / "words.yaml").write_text("- text: One.\n- text: Two.\n")
    run_it = ("run", project / "agent.yaml", "go", "--sandbox", "none", "-q", "-o", "json",
              "--model", f"script:{project / 'words.yaml'}")  # fmt: skip
    assert agentctl(*run_it, "--session", "parent").code == 0
    words = ("fork", "parent", "say more", "--session", "child", "-o", "json")
    first = agentctl(*words)
    assert (first.code, first.json["text"]) == (0, "Two."), first.err

    again = agentctl(*words)

    assert (again.code, again.json["text"], again.json["session_id"]) == (0, "Two.", "child")
    assert len(agentctl("ls", "-o", "json").json["sessions"]) == 2
    assert agentctl("fork", "parent", "something else", "--session", "child").code == 2
    assert agentctl("fork", "parent", "--at", "1", "say more", "--session", "child").code == 2
    assert agentctl(*run_it, "--session", "child").code == 2  # a fork begins with its parent's first event


def test_what_cannot_be_forked_or_cannot_run_leaves_nothing(project: Path, home: Home) -> None:
    (project / "words.yaml").write_text("- text: One.\n")
    agentctl("run", project / "agent.yaml", "go", "--sandbox", "none", "-q", "--session", "parent",
             "--model", f"script:{project / 'words.yaml'}")  # fmt: skip
    for changes, line in (
        ({"parent": "nobody"}, "there is no session|has no events"),
        ({"model": "script:/nowhere.yaml"}, "no such file"),
        ({"model": "claude-opus-5-5"}, "key"),
        ({"session_id": "parent"}, "already"),
    ):
        with pytest.raises(AgentctlError, match=line):
            fork(ForkRequest(**({"parent": "parent", "message": "x"} | changes)), home, print)
    assert agentctl("fork", "parent", "--at", "99").code == 2
    with reading(home) as connection:
        assert [row.id for row in list_sessions(connection).rows] == ["parent"]


def test_a_fork_of_a_session_with_a_thousand_files_adds_less_than_a_hundredth(project: Path, home: Home) -> None:
    for number in range(1_000):
        path = project / "workspace" / f"{number % 20}" / f"file-{number}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"%d\n" % number * 500)
    (project / "ls.yaml").write_text("- tools: [{name: bash, input: {command: 'ls | wc -l'}}]\n- text: Counted.\n")
    done = agentctl("run", project / "agent.yaml", "go", "--sandbox", "none", "-q",
                    "--workspace", project / "workspace", "--model", f"script:{project / 'ls.yaml'}")  # fmt: skip
    assert done.code == 0, done.err
    before = stored(home)

    assert agentctl("fork", "@", "--no-run").code == 0

    assert agentctl("verify", "@", "-o", "json").json["anchor"]  # a fork may rest where it begins
    assert stored(home) - before < before / 100


def stored(home: Home) -> int:
    """Return the bytes that the store takes, once what was written last is in its place."""
    agentctl("ls")
    with closing(sqlite3.connect(home.database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return sum(path.stat().st_blocks * 512 for path in home.root.rglob("*") if path.is_file())


@pytest.mark.docker
def test_a_fork_begins_from_what_was_kept_before_it_and_never_from_what_was_kept_later(
    project: Path, home: Home
) -> None:
    (project / "environment.yaml").write_text("name: box\nconfig: {type: docker}\n")
    (project / "keeps.yaml").write_text(
        "- tools: [{name: bash, input: {command: 'echo early > ~/early; echo a > a'}}]\n- text: Kept.\n"
        "- tools: [{name: bash, input: {command: 'echo late > ~/late; echo b >> a'}}]\n- text: Kept again.\n"
        "- tools: [{name: bash, input: {command: 'cd; ls; cat /workspace/a'}}]\n- text: Seen.\n"
    )
    (project / "early.yaml").write_text(
        "- text: no\n- text: no\n- tools: [{name: bash, input: {command: 'cd; ls; cat /workspace/a'}}]\n- text: Seen.\n"
    )
    parent = run(project, "keeps")
    first = len(records(home, parent))
    assert agentctl("send", parent, "more", "-q").code == 0
    assert types(home, parent).count("local.checkpoint") == 2

    late = agentctl("fork", parent, "look", "--session", "late")
    early = forks(project, parent, "--at", str(first), "look", "--session", "early", script="early")

    seen = [results(home, session)[-1] for session in ("late", "early")]
    assert seen[0].endswith("early\nlate\na\nb"), late.err
    assert "other files are as they were kept" in late.err
    assert "late" not in seen[1].splitlines()
    assert seen[1].endswith("\na"), early.err
    has_kept = "other files are as they were kept" in early.err
    kinds = {each["kind"] for each in forked_event(home, "early").not_restored}
    assert kinds == ({"processes"} if has_kept else {"kept_state", "elsewhere", "processes"})
    assert {each["kind"] for each in forked_event(home, "late").not_restored} == {"processes"}
    assert ("early" in seen[1].splitlines()) == has_kept
    assert ("what was installed" in early.err) != has_kept
