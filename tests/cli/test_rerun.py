"""``agentctl rerun``: the same again is the same, and what moved is named."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentctl.events.local import LocalSessionCreated
from agentctl.launch.again.request import RerunRequest
from agentctl.launch.again.rerunning import Rerun, rerun
from agentctl.paths import Home
from agentctl.session.usage import Usage
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.events import read_events
from tests.agents import CAREFUL
from tests.amount import amount
from tests.cli.program import agentctl, begin, until
from tests.kit import Recorder, analysis, open_log
from tests.loopback_api import LoopbackApi, call, say
from tests.network.kit import site

TALK = """\
- thinking: Noise first.
  tools:
    - {name: bash, input: {command: "date; echo $$; mktemp; echo started in 0.01s; sleep 0.02; cat given.txt"}}
    - {name: bash, input: {command: "echo one > a; python3 -c 'import time; print(time.time())'; ls -la"}}
- tools: [{name: bash, input: {command: "no-such-program; echo $?; false"}}, {name: read, input: {file_path: nothing}}]
- text: The first message is done.
- tools: [{name: write, input: {file_path: b, content: B}}, {name: write, input: {file_path: c, content: C}}]
- tools: [{name: bash, input: {command: "cat a b c; cp a /mnt/session/outputs/out.txt; ls"}}]
- text: The second message is done.
- tools: [{name: glob, input: {pattern: "*"}}]
- text: The third message is done.
"""


NOISE = """\
- tools:
    - {name: bash, input: {command: "date; date +%s.%N; mktemp -d; head -c 8 /dev/urandom | od -An -tx8 | tr -d ' '"}}
    - {name: bash, input: {command: "touch f; ls -l; stat f | tail -4; time true; echo took 0.$RANDOM seconds"}}
    - {name: bash, input: {command: "python3 -c 'import os, uuid; print(uuid.uuid4(), object())'"}}
- text: Done.
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "workspace").mkdir(parents=True)
    (folder / "workspace/given.txt").write_text("given\n")
    (folder / "agent.yaml").write_text(CAREFUL)
    (folder / "environment.yaml").write_text("name: bw\nconfig: {type: bubblewrap}\n")
    return folder


def run(project: Path, script: str, *more: str | Path) -> str:
    (project / "script.yaml").write_text(script)
    done = agentctl(
        "run", project / "agent.yaml", "go", "-e", project / "environment.yaml", "-o", "json", "-q",
        "--model", f"script:{project / 'script.yaml'}", *more,
    )  # fmt: skip
    assert done.code in (0, 3), (done.out, done.err)
    return str(done.json["session_id"])


def again(home: Home, session: str, live: Any = None, **more: Any) -> Rerun:
    return rerun(RerunRequest(session, live, **more), home, [], lambda _line: None)


def the_causes(done: Rerun) -> list[tuple[str, int | None]]:
    return [(each.cause.kind, each.follows) for each in done.findings.divergences]


def sequence(home: Home, session: str, name: str, number: int = 0) -> int:
    with reading(home) as connection:
        records = read_events(connection, Blobs(home.blobs), session)
        return [record.seq for record in records if record.event.type == name][number]


@pytest.mark.bubblewrap
def test_what_is_unchanged_reproduces_every_time(project: Path, home: Home) -> None:
    session = run(project, TALK, "--workspace", project / "workspace")
    assert agentctl("send", session, "and now write", "-q").code == 3
    waiting = agentctl("show", session, "-o", "json").json["waiting"]
    agentctl("approve", session, waiting[0]["tool_use_id"])
    agentctl("deny", session, waiting[1]["tool_use_id"], "-m", "not that one")
    assert agentctl("resume", session, "-q").code == 0
    assert agentctl("send", session, "and look", "-q", "--max-turns", "7").code == 0
    (project / "workspace/given.txt").write_text("the person's own folder is not looked at\n")

    noise = run(project, NOISE)

    live = [again(home, session, "sandbox"), *(again(home, noise, "sandbox") for _ in range(amount(3, 9)))]

    assert {done.verdict for done in live} == {"reproduced-normalised"}, [done.findings.first for done in live]
    assert "dates and times" in live[0].findings.rules
    assert {"dates and times", "temporary paths", "durations"} <= set(live[1].findings.rules)
    assert live[0].findings.compared == 8
    (project / "script.yaml").write_text(TALK)
    recorded, model = again(home, session), again(home, session, "model")
    assert (recorded.verdict, recorded.findings.first) == ("reproduced", None)
    assert (model.verdict, model.findings.compared) == ("reproduced", 8)
    header = agentctl("show", str(live[0].session_id), "-o", "json").json
    assert header["rerun_of"]["session_id"] == session
    assert header["rerun_of"]["live"] == "sandbox"
    assert header["title"] == f"rerun of {session}"
    assert header["result"]["text"] == "The third message is done."
    assert header["result"]["outputs"] == ["out.txt"]
    refused = agentctl("resume", str(live[0].session_id))
    assert (refused.code, "is a rerun" in refused.err) == (2, True)


TOOLS = """\
- tools: [{name: bash, input: {command: "/tools/greet world"}}]
- tools: [{name: bash, input: {command: "PYTHONPATH=/tools/lib python3 -B -c 'import lib1; print(lib1.__version__)'"}}]
- tools: [{name: bash, input: {command: "cat /tools/table.csv > table.csv; wc -l table.csv"}}]
- tools: [{name: bash, input: {command: "sort table.csv | head -2"}}]
- text: Done.
"""


@pytest.fixture
def tools(project: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        yield tools_in(Path(name), project)


def tools_in(folder: Path, project: Path) -> Path:
    folder.chmod(0o755)
    (folder / "lib").mkdir(parents=True)
    (folder / "greet").write_text('#!/bin/sh\necho "hello $1"\n')
    (folder / "greet").chmod(0o755)
    (folder / "lib/lib1.py").write_text('__version__ = "1.0.3"\n')
    (folder / "table.csv").write_text("b,2\na,1\nc,3\n")
    (project / "environment.yaml").write_text(
        f"name: bw\nconfig:\n  type: bubblewrap\n  mounts: [{{source: {folder}, target: /tools}}]\n"
    )
    return folder


@pytest.mark.bubblewrap
def test_what_moved_is_named_with_its_first_event_and_what_follows_is_folded_under_it(
    project: Path, home: Home, tools: Path
) -> None:
    session = run(project, TOOLS)
    calls = [sequence(home, session, "agent.tool_use", number) for number in range(4)]
    assert again(home, session, "sandbox").verdict == "reproduced"

    def moved(path: str, content: str | None, mode: int = 0o755) -> Rerun:
        file = tools / path
        before, was = file.read_text(), file.stat().st_mode
        if content is None:
            file.unlink()
        else:
            file.write_text(content)
            file.chmod(mode)
        try:
            return again(home, session, "sandbox")
        finally:
            file.write_text(before)
            file.chmod(was)

    missing = moved("greet", None)
    assert (missing.verdict, missing.findings.first.seq) == ("diverged", calls[0])  # type: ignore[union-attr]
    assert the_causes(missing)[0][0] in ("command_missing", "file_missing")
    forbidden = moved("greet", "#!/bin/sh\n", 0o644)
    assert the_causes(forbidden) == [("permission", None)]
    version = moved("lib/lib1.py", '__version__ = "1.1.0"\n')
    [found] = version.findings.divergences
    assert (found.seq, found.step, found.cause.line) == (calls[1], "effects", "lib1 1.0.3 -> 1.1.0")
    module = moved("lib/lib1.py", None)
    assert module.findings.first.cause.line == "package missing: lib1"  # type: ignore[union-attr]
    table = moved("table.csv", "b,2\na,7\nc,3\nd,4\n")
    assert [(each.seq, each.cause.kind, each.follows) for each in table.findings.divergences] == [
        (calls[2], "output_differs", None),
        (calls[3], "earlier_difference", calls[2]),
    ]
    assert agentctl("rerun", session, "--live", "sandbox", "-q").code == 0


@pytest.mark.bubblewrap
def test_a_network_that_is_not_asked_for_is_denied_and_with_it_the_same_is_reached(project: Path, home: Home) -> None:
    with site() as reached:
        (project / "environment.yaml").write_text(
            "name: e\nconfig:\n  type: bubblewrap\n"
            f"  networking: {{type: limited, private_hosts: ['127.0.0.1:{reached.port}']}}\n"
        )
        ask = f"curl -sS http://127.0.0.1:{reached.port}/"
        session = run(project, f'- tools: [{{name: bash, input: {{command: "{ask}"}}}}]\n- text: Done.\n')

        denied, allowed = again(home, session, "sandbox"), again(home, session, "sandbox", network=True)

    assert (denied.verdict, the_causes(denied)) == ("diverged", [("network_denied", None)])
    assert allowed.verdict == "reproduced"


STEPS = """\
- tools: [{name: bash, input: {command: "echo one | tee a"}}]
- tools: [{name: bash, input: {command: "cat a"}}]
- text: Done.
"""


@pytest.mark.bubblewrap
def test_another_model_is_named_by_its_first_call_and_a_call_that_was_not_recorded_stops_it(
    project: Path, home: Home
) -> None:
    session = run(project, STEPS)
    second = sequence(home, session, "agent.tool_use", 1)
    (project / "script.yaml").write_text(STEPS.replace("Done.", "Done, in other words."))
    said = again(home, session, "model")
    assert (said.verdict, said.findings.rules) == ("reproduced-normalised", ("words",))
    (project / "script.yaml").write_text(STEPS.replace("cat a", "wc -c a; ls"))

    stopped = agentctl("rerun", session, "--live", "model", "-o", "json")
    went_on = again(home, session, "model", on_miss_sandbox=True)
    both = agentctl("rerun", session, "--which-moved")

    assert (stopped.code, stopped.json["verdict"], stopped.json["at"]) == (1, "diverged", second)
    assert agentctl("show", stopped.json["session_id"], "-o", "json").json["result"]["exit_code"] == 7
    result = agentctl("show", str(went_on.session_id), "-o", "json").json["result"]
    assert (went_on.verdict, result["text"]) == ("diverged", "Done.")
    with reading(home) as connection:
        records = [*read_events(connection, Blobs(home.blobs), str(went_on.session_id))]
    [_, seen] = [each.event.content[0]["text"] for each in records if each.event.type == "agent.tool_result"]
    assert seen == "4 a\na"  # the fresh sandbox began with the files that the record had by then
    assert both.code == 1
    assert both.out.splitlines()[0].startswith("model moved: the model asks for bash ")
    assert "environment: reproduced" in both.out


@pytest.mark.bubblewrap
def test_only_as_much_is_done_again_as_is_asked_for_and_can_be(project: Path, home: Home) -> None:
    session = run(project, STEPS)
    last = sequence(home, session, "local.files_changed")

    part = again(home, session, "sandbox", until=last)

    assert (part.verdict, part.findings.compared) == ("reproduced", 1)
    assert again(home, session, until=last).verdict == "reproduced"
    assert again(home, session, "model", until=last).verdict == "reproduced"
    for words, line in (
        (("--model", "script:x.yaml"), "--live model"),
        (("--network",), "fresh sandbox"),
        (("--live", "sandbox", "--vault", "v"), "--network"),
        (("--which-moved", "--live", "model"), "both ways"),
        (("--until", "1"), "nothing to rerun"),
    ):
        refused = agentctl("rerun", session, *words)
        assert (refused.code, line in refused.err) == (2, True), refused.err


def test_a_sandbox_without_isolation_is_not_made_again(project: Path, home: Home) -> None:
    session = run(project, STEPS, "--sandbox", "none")

    done = agentctl("rerun", session, "--live", "sandbox", "-o", "json")

    assert (done.code, done.json["verdict"]) == (7, "environment-mismatch")
    assert set(done.json) == RERUN_MEMBERS
    assert again(home, session).verdict == "reproduced"


RERUN_MEMBERS = {
    "type", "schema", "session_id", "rerun_of", "live", "verdict", "exit_code", "mismatch", "notes", "at",
    "compared", "steps", "rules", "missing", "differences",
}  # fmt: skip


@pytest.mark.bubblewrap
def test_a_fork_and_a_session_that_was_killed_are_done_again_as_far_as_they_can_be(project: Path, home: Home) -> None:
    session = run(
        project, STEPS + "- tools: [{name: bash, input: {command: 'cat a; echo more >> a'}}]\n- text: More.\n"
    )
    at = sequence(home, session, "local.files_changed")
    done = agentctl("fork", session, "--at", str(at), "go on", "-o", "json")
    assert done.code == 0, done.err

    for live in (None, "sandbox", "model"):
        assert again(home, done.json["session_id"], live).verdict == "reproduced", live
    killed(project, "slow", "- tools: [{name: bash, input: {command: 'echo begun; sleep 4'}}]\n- text: Gone on.\n")
    assert agentctl("resume", "slow", "-q").out == "Gone on.\n"
    verdicts = {live: again(home, "slow", live).verdict for live in (None, "sandbox", "model")}
    assert verdicts == {None: "reproduced", "sandbox": "incomplete-recording", "model": "reproduced"}
    forked_again = agentctl("fork", str(again(home, session, None).session_id), "and now", "-o", "json",
                            "--model", f"script:{project / 'script.yaml'}")  # fmt: skip
    assert (forked_again.code, forked_again.json["text"]) == (0, "More."), forked_again.err


def killed(project: Path, session: str, script: str) -> None:
    (project / "slow.yaml").write_text(script)
    run = begin(
        "run", project / "agent.yaml", "go", "-e", project / "environment.yaml", "--session", session,
        "--model", f"script:{project / 'slow.yaml'}", "-o", "jsonl",
    )  # fmt: skip
    until(run, "local.tool_started")
    run.kill()
    run.wait()


@pytest.mark.bubblewrap
def test_a_model_that_costs_is_not_asked_unless_it_can_be_and_what_is_recorded_costs_nothing(project: Path) -> None:
    with LoopbackApi([call("bash", {"command": "echo hi"}), say("Said.")]) as api:
        key = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": api.key}
        done = agentctl("run", project / "agent.yaml", "go", "-e", project / "environment.yaml", "-o", "json", **key)
        assert float(done.json["cost"]["amount"]) > 0, done.err
        asked = len(api.requests)
        both = agentctl("rerun", "@", "-o", "json", **key)
        assert (both.code, both.json["verdict"], len(api.requests)) == (0, "reproduced", asked)
    shown = agentctl("show", "@", "-o", "json").json
    assert shown["result"]["cost"] == {"amount": "0", "currency": "USD"}
    assert agentctl("ls", "-o", "json").json["sessions"][0]["cost"] == {"amount": "0", "currency": "USD"}
    alone = agentctl("rerun", done.json["session_id"], "--which-moved")
    assert alone.code == 1
    assert alone.out.startswith("the model was not asked: ")
    assert "environment: reproduced" in alone.out


ASKING = """\
- tools: [{name: bash, input: {command: "echo one"}}]
- tools: [{name: write, input: {file_path: b, content: B}}]
- text: Done.
"""


def test_an_answer_to_a_call_that_another_model_never_made_is_not_missed(project: Path, home: Home) -> None:
    session = run(project, ASKING, "--sandbox", "none")
    agentctl("approve", session)
    assert agentctl("resume", session, "-q").code == 0
    (project / "script.yaml").write_text(ASKING.replace("echo one", "echo two"))

    done = again(home, session, "model")

    assert (done.verdict, done.notes) == ("diverged", ())


def test_a_rerun_from_the_record_costs_nothing(home: Home) -> None:
    with open_log(home) as log:
        recorder = Recorder(log, home)
        analysis(recorder)
        events = [record.event for record in recorder.records()]
    paid, free = Usage(), Usage()
    for event in events:
        paid = paid.after(event)
        members = {"rerun_of": {"session_id": "x", "live": "sandbox"}} if isinstance(event, LocalSessionCreated) else {}
        free = free.after(with_members(event, **members))
    assert paid.spent
    assert (free.spent, free.cost) == (0, paid.cost)
    assert free.local()["cost"] == "0"


def with_members(event: Any, **members: Any) -> Any:
    return replace(event, **members) if members else event


PACKAGE = """\
name: boxed
config:
  type: docker
  setup: |
    : %(own)s
    at=$(python3 -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
    mkdir -p $at/tabler-%(version)s.dist-info
    echo 'def widths(row): return [len(cell) %(more)s for cell in row]' > $at/tabler.py
    printf 'Name: tabler\\nVersion: %(version)s\\n' > $at/tabler-%(version)s.dist-info/METADATA
"""


@pytest.mark.docker
def test_a_package_that_moved_is_named_in_the_first_lines_of_which_moved(project: Path, home: Home) -> None:
    (project / "environment.yaml").write_text(PACKAGE % {"version": "1.0", "more": "", "own": project})
    (project / "moved.yaml").write_text(PACKAGE % {"version": "1.1", "more": "+ 2", "own": project})
    session = run(
        project,
        "- tools: [{name: bash, input: {command: 'python3 -B -c \"import tabler; print(tabler.widths([str(7)]))\"'}}]\n"
        "- text: Done.\n",
    )
    assert again(home, session, "sandbox").verdict == "reproduced"

    moved = agentctl("rerun", session, "--which-moved", "-e", project / "moved.yaml", "-q")

    assert moved.code == 1, moved.err
    first = moved.out.splitlines()[:5]
    assert (
        first[0] == f"environment moved: pip package tabler 1.0 -> 1.1 (#{sequence(home, session, 'agent.tool_use')})"
    )
    assert "model: reproduced" in moved.out
    remove_image(home, session)
    gone = agentctl("rerun", session, "--live", "sandbox", "-o", "json")
    assert (gone.code, gone.json["verdict"], gone.json["session_id"]) == (7, "environment-mismatch", None)
    elsewhere = agentctl("rerun", session, "--live", "sandbox", "-e", project / "moved.yaml", "-o", "json")
    assert elsewhere.json["differences"][0]["cause"]["line"] == "pip package tabler 1.0 -> 1.1"
    assert "--accept-image takes an image made anew" in agentctl("rerun", session, "--live", "sandbox", "-q").out
    anew = agentctl("rerun", session, "--live", "sandbox", "--accept-image", "-o", "json")
    assert (anew.code, anew.json["verdict"]) == (0, "reproduced"), anew.out
    assert [note.split(":")[0] for note in anew.json["notes"]] == ["the image is another one"]
    still = agentctl("rerun", session, "--live", "sandbox", "-q")
    assert (still.code, "was made later" in still.out) == (7, True)  # it was taken once, and is asked for each time
    agentctl("env", "rm", "boxed")


def remove_image(home: Home, session: str) -> None:
    shown = agentctl("show", session, "-o", "json").json
    assert agentctl("env", "rm", shown["sandbox"]["image_tag"]).code == 0
