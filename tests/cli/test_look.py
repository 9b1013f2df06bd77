"""The commands that look, as processes without a terminal: what they print, and how they fail."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agentctl.events.session import SessionStatusRunning
from agentctl.ids import SystemClock
from agentctl.paths import Home
from agentctl.store.leases import Lease
from tests.cli.program import ROOT, agentctl
from tests.kit import QUESTION, Recorder, analysis, call, open_log, text

RESULT_MEMBERS = {
    "type", "schema", "session_id", "status", "stop_reason", "exit_code", "text", "usage", "cost", "events", "outputs",
    "error", "not_restored",
}  # fmt: skip


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with four sessions: done, waiting, killed, and one with the caller's own id that only begins."""
    home = Home(tmp_path_factory.mktemp("recorded") / "home")
    with open_log(home) as log:
        analysis(Recorder(log, home, "sesn_01kaf3m9x8rq2m4n6p8r0t2v4w"))
        waits = Recorder(log, home, "sesn_01kaf3m9y1waits", title="Deploy the site")
        waits.user("Deploy.")
        (push,) = waits.answer(text("I push."), call("bash", command="git push --force"), asks=["toolu_1"])
        waits.rest("requires_action", event_ids=[push.id])
        killed = Recorder(log, home, "sesn_01kaf3m9y1killed")
        killed.user("Build.")
        killed.run_tools(*killed.answer(call("bash", command="make")))
        Recorder(log, home, "own-id")
    return home.root


@pytest.fixture
def home(recorded: Path, own_home: Path) -> Home:
    """A copy of that store, for one test to do with as it likes."""
    shutil.copytree(recorded, own_home)
    return Home(own_home)


def test_ls_lists_the_newest_first_with_names_that_find_them(home: Home) -> None:
    done = agentctl("ls")
    head, *rows = done.out.splitlines()
    assert done.code == 0
    assert head.split() == ["SESSION", "AGE", "STATUS", "AGENT", "COST", "TIME", "MESSAGE"]
    assert [row.split()[0] for row in rows] == ["own-id", "01kaf3m9y1k", "01kaf3m9y1w", "01kaf3m9x"]
    assert [row.split()[2] for row in rows] == ["idle", "interrupted", "requires_action", "end_turn"]
    assert "$0.0449   46s  Which month was the wettest" in rows[3]
    assert rows[2].endswith("Deploy the site")
    for row in rows:
        assert agentctl("show", row.split()[0], "-o", "json").code == 0


def test_ls_lists_some_or_all(home: Home) -> None:
    done = agentctl("ls", "-n", "1")
    assert done.out.splitlines()[1].startswith("own-id")
    assert done.out.splitlines()[-1] == "… 3 older sessions: agentctl ls --all"
    assert len(agentctl("ls", "-n", "1", "--all").out.splitlines()) == 5


def test_ls_as_json(home: Home) -> None:
    body = agentctl("ls", "-o", "json").json
    assert (body["type"], body["schema"]) == ("sessions", "agentctl.ls/1")
    lines = agentctl("ls", "-o", "jsonl").lines
    assert {line.pop("schema") for line in lines} == {"agentctl.session/1"}
    assert {line.pop("type") for line in lines} == {"session"}
    assert lines == body["sessions"]
    newest, killed, waits, done = lines
    assert newest["stop_reason"] is None
    assert killed["status"] == "interrupted"
    assert waits["stop_reason"]["type"] == "requires_action"
    assert (done["cost"], done["active_seconds"]) == ({"amount": "0.04488", "currency": "USD"}, 46.19)
    assert done["first_message"] == QUESTION


def test_an_empty_store_is_no_failure_for_ls(own_home: Path) -> None:
    for _ in range(2):
        assert agentctl("ls").out == "there are no sessions yet; start one with: agentctl run AGENT MESSAGE\n"
        assert agentctl("ls", "-o", "json").json == {
            "type": "sessions",
            "schema": "agentctl.ls/1",
            "sessions": [],
            "damaged": [],
        }
        assert agentctl("ls", "-o", "jsonl").out == ""
        with open_log(Home(own_home)):
            pass  # now there is a database, and still no session


def test_only_a_session_whose_lease_is_held_is_running(home: Home) -> None:
    assert agentctl("show", "@~1", "-o", "json").json["status"] == "interrupted"
    with Lease(home, "sesn_01kaf3m9y1killed"):
        body = agentctl("show", "@~1", "-o", "json").json
        assert body["status"] == body["result"]["status"] == "running"
        assert body["result"]["exit_code"] is None
        assert agentctl("ls", "-o", "jsonl").lines[1]["status"] == "running"
        assert agentctl("replay", "@~1").out.splitlines()[-1] == "· the session is still running"


def test_show_fits_one_screen(home: Home) -> None:
    done = agentctl("show", "@~3", COLUMNS="80")
    lines = done.out.splitlines()
    assert len(lines) <= 23
    assert max(map(len, lines)) < 80
    assert lines[2] == "  █████████████████▓▓▓▓▓▓▓▓▓  █ model 30s  ▓ tools 16s"
    assert "  limits      40 turns a message" in lines
    assert [line for line in lines if line.startswith("  missing     files: the record does not say what files")]
    created = [line for line in lines if line.startswith("  created     2026-11-20 09:00:00 UTC, ")]
    assert ["54 events" in line for line in created] == [True]
    assert lines[0] == "sesn_01kaf3m9x8rq2m4n6p8r0t2v4w"
    assert lines[1] == "── done (end_turn, exit 0) · $0.0449 · 6 turns · 6 calls · 46s"
    assert "  agent       data-analyst · sha256:a1a1a1a1a1a1" in lines
    assert "  sandbox     docker · debian:bookworm-slim · sha256:c3c3c3c3c3c3" in lines
    assert "  tokens      27.7k in (87% from the cache) · 1.1k out" in lines
    assert "  cost        $0.0449 · on the hosted service $0.0459" in lines
    assert "  outputs     report.md 960 B · chart.png 36 kB · analysis.py 14 B" in lines
    assert "  bash   3 calls  1 failed   16s" in lines


def test_show_says_what_a_session_waits_for(home: Home) -> None:
    done = agentctl("show", "@~2", COLUMNS="80")
    assert "Deploy the site" in done.out
    assert "── waits for a decision (requires_action, exit 3)" in done.out
    assert "● bash  git push --force" in done.out
    waiting = agentctl("show", "@~2", "-o", "json").json["waiting"]
    assert [(call["name"], call["input"]) for call in waiting] == [("bash", {"command": "git push --force"})]


def test_show_as_json(home: Home) -> None:
    body = agentctl("show", "@~3", "-o", "json").json
    assert (body["type"], body["schema"]) == ("session", "agentctl.show/1")
    assert set(body["result"]) == RESULT_MEMBERS
    assert body["result"]["schema"] == "agentctl.result/1"
    assert body["result"]["text"].endswith("analysis.py.")
    assert body["result"]["exit_code"] == 0
    assert body["model"] == {"asked": "claude-opus-5-5", "answering": ["claude-opus-5-5"]}
    assert body["agent"] == {"name": "data-analyst", "hash": "sha256:" + "a1" * 32}
    assert body["sandbox"]["container_id"] == "f00d"
    assert {"name": "bash", "calls": 3, "failed": 1, "seconds": 16.44} in body["tools"]
    assert body["cache_share"] == 0.8658
    assert body["time"] == {"model": 29.7, "tools": 16.48, "retry": 0.0, "person": 0.0, "other": 0.01}
    cost = {"amount": "0.04488", "currency": "USD"}
    assert body["models"] == [{"name": "claude-opus-5-5", "answers": 6, "cost": cost}]
    assert not body["complete"]["files"]["complete"]
    # What the tokens cost, and 46.19 seconds at $0.08 an hour.
    assert body["hosted_cost"] == {"amount": "0.045906", "currency": "USD"}
    assert [file["path"] for file in body["outputs"]] == body["result"]["outputs"]


def test_events_in_lines(home: Home) -> None:
    lines = agentctl("events", "@~3", COLUMNS="100").out.splitlines()
    assert len(lines) == 54
    assert lines[0] == "   #1    +0.00s  local.session_created     data-analyst, claude-opus-5-5, docker"
    assert lines[8].startswith("   #9    +6.21s  agent.tool_use            bash: head -40 seattle-weather.csv; wc")
    assert lines[-1] == "  #54   +46.19s  session.status_idle       end_turn"
    assert max(map(len, lines)) < 100


def test_events_as_the_api_has_them(home: Home) -> None:
    lines = agentctl("events", "@~3", "-o", "jsonl").lines
    message, taken_up = lines[1], lines[3]
    assert message["type"] == "user.message"
    assert taken_up["event_ids"] == [message["id"]]
    assert message["processed_at"] == taken_up["processed_at"]
    body = agentctl("events", "@~3", "-o", "json").json
    assert (body["type"], body["schema"]) == ("events", "agentctl.events/1")
    assert body["session_id"] == "sesn_01kaf3m9x8rq2m4n6p8r0t2v4w"
    assert body["events"] == lines


def test_a_message_that_nobody_took_up_has_no_time(home: Home) -> None:
    with open_log(home) as log:
        recorder = Recorder(log, home, "sesn_queued")
        recorder.add(SessionStatusRunning)
        recorder.user("one")
        recorder.session.append(recorder.make(type(recorder.records()[2].event), content=[], processed_at=None))
    assert [line["processed_at"] for line in agentctl("events", "@", "-o", "jsonl").lines][-1] is None


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (["--type", "agent.message"], [8, 20, 50]),
        (["--type", "agent.message,session.*"], [3, 8, 20, 50, 53, 54]),
        (["--from", "51"], [51, 52, 53, 54]),
        (["--until", "#2"], [1, 2]),
        (["--from", "9", "--until", "9"], [9]),
        (["--from", "50", "--type", "agent.*"], [50]),
        (["--type", "local.interrupted"], []),
    ],
)
def test_events_are_chosen_by_type_and_number(home: Home, options: list[str], numbers: list[int]) -> None:
    done = agentctl("events", "@~3", *options)
    assert done.code == 0
    assert [int(line.split()[0][1:]) for line in done.out.splitlines()] == numbers


def test_events_are_named_by_their_id_too(home: Home) -> None:
    lines = agentctl("events", "@~3", "-o", "jsonl").lines
    assert agentctl("events", "@~3", "--from", lines[51]["id"], "-o", "jsonl").lines == lines[51:]


def test_events_are_followed_until_the_session_rests(home: Home) -> None:
    with open_log(home) as log, Lease(home, "sesn_live"):
        recorder = Recorder(log, home, "sesn_live")
        recorder.user("Go")
        command = [sys.executable, "-m", "agentctl", "events", "sesn_live", "--follow", "-o", "jsonl"]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as follower:
            assert follower.stdout is not None
            seen = [json.loads(follower.stdout.readline())["type"] for _ in range(4)]
            recorder.answer(text("Hello"))
            began = time.monotonic()
            seen += [json.loads(follower.stdout.readline())["type"] for _ in range(4)]
            assert time.monotonic() - began < 30
            assert follower.poll() is None
            recorder.rest()
            seen += [json.loads(line)["type"] for line in follower.stdout]
            assert follower.wait(60) == 0
    assert seen == [line["type"] for line in agentctl("events", "@", "-o", "jsonl").lines]
    assert seen[-1] == "session.status_idle"


def test_following_a_session_whose_process_is_gone_ends(home: Home) -> None:
    done = agentctl("events", "@~1", "--follow", "-o", "jsonl")
    assert done.code == 0
    assert len(done.lines) == 10


def test_replay_without_a_terminal_waits_for_nothing_and_tells_all(home: Home) -> None:
    done = agentctl("replay", "@~3", COLUMNS="80")
    assert done.code == 0
    assert done.out == (ROOT / "tests" / "render" / "analysis.txt").read_text(encoding="utf-8")
    assert done.err == ""


def test_replay_as_json_lines_is_the_record_and_its_result(home: Home) -> None:  # O4
    lines = agentctl("replay", "@~3", "-o", "jsonl").lines
    *played, result = lines
    assert len(played) == 54
    assert set(result) == RESULT_MEMBERS
    assert result == agentctl("show", "@~3", "-o", "json").json["result"]
    assert agentctl("replay", "@~3", "-o", "json").lines == [result]


def test_replay_of_a_part(home: Home) -> None:
    out = agentctl("replay", "@~3", "--from", "28", "--until", "32", COLUMNS="80").out
    assert [line[:20].rstrip() for line in out.splitlines() if line] == [
        "data-analyst · claud", "● bash  python3 anal", "  │ Traceback (most", "  │ … 3 more lines",
        "  │     return objec", "  │ AttributeError:", "  │ exit code 1",
    ]  # fmt: skip
    out = agentctl("replay", "@~3", "--only", "agent.message,user.*", COLUMNS="80").out
    assert out.startswith("› Which month")
    assert "●" not in out
    assert "──" not in out
    *played, result = agentctl("replay", "@~3", "--only", "agent.*", "--until", "20", "-o", "jsonl").lines
    assert {body["type"].partition(".")[0] for body in played} == {"agent"}
    assert result["events"] == 20
    assert result["exit_code"] is None


def test_replay_takes_the_time_it_is_told_to(home: Home) -> None:
    began = time.monotonic()
    assert agentctl("replay", "@~3", "--speed", "5", "--idle-limit", "5", "--until", "20", "-o", "jsonl").code == 0
    assert time.monotonic() - began > 2  # 10.3 of the 15 seconds are played
    began = time.monotonic()
    assert agentctl("replay", "@~3", "--speed", "1000", "--idle-limit", "900", "-o", "jsonl").code == 0
    assert time.monotonic() - began < 40  # of the 46 that are recorded


def test_replay_ends_with_what_was_played_when_it_is_interrupted(home: Home) -> None:
    command = [sys.executable, "-m", "agentctl", "replay", "@~3", "--speed", "0.1", "-o", "jsonl"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ) as player:
        assert player.stdout is not None
        assert player.stderr is not None
        first = json.loads(player.stdout.readline())
        player.send_signal(2)
        lines = player.stdout.read().splitlines()
        assert player.wait(60) == 130
        assert player.stderr.read() == ""
    assert first["type"] == "local.session_created"
    assert json.loads(lines[-1])["type"] == "result"


def test_outputs_are_listed_and_fetched(home: Home, tmp_path: Path) -> None:
    listed = agentctl("outputs", "@~3")
    assert [line.split()[0] for line in listed.out.splitlines()] == ["report.md", "chart.png", "analysis.py"]
    done = agentctl("outputs", "@~3", "report.md", "chart.png", "-d", tmp_path / "out")
    assert done.code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["chart.png", "report.md"]
    assert (tmp_path / "out" / "report.md").read_bytes() == b"# Wettest month\n" * 60
    again = agentctl("outputs", "@~3", "-d", tmp_path / "out")
    assert again.code == 2
    assert "is there already" in again.err
    assert "--force" in again.err
    body = agentctl("outputs", "@~3", "-d", tmp_path / "out", "--force", "-o", "json").json
    assert (body["type"], body["schema"]) == ("outputs", "agentctl.outputs/1")
    assert {(file["path"], file["written"]) for file in body["files"]} == {
        ("report.md", True), ("chart.png", True), ("analysis.py", True),
    }  # fmt: skip


def test_one_output_is_written_to_standard_output_as_it_is(home: Home, tmp_path: Path) -> None:
    agentctl("outputs", "@~3", "-d", tmp_path / "out")
    done = agentctl("outputs", "@~3", "report.md", "-d", "-", cwd=tmp_path)
    assert (done.code, done.out) == (0, (tmp_path / "out" / "report.md").read_text(encoding="utf-8"))
    for words in ([], ["report.md", "chart.png"], ["report.md", "-o", "json"]):
        assert agentctl("outputs", "@~3", *words, "-d", "-", cwd=tmp_path).code == 2
    assert [path.name for path in tmp_path.iterdir() if path.name == "-"] == []


def test_a_folder_that_is_a_file_is_said_to_be_none(home: Home, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for command in (["outputs", "@~3"], ["export", "@~3"]):
        done = agentctl(*command, "-d", tmp_path / "file")
        assert (done.code, done.err.splitlines()[0].rpartition(": ")[2]) == (2, "Not a directory")


def test_a_session_without_outputs(home: Home, tmp_path: Path) -> None:
    done = agentctl("outputs", "@", "-d", tmp_path / "out")
    assert (done.code, done.out) == (0, "session own-id made no files\n")
    assert not (tmp_path / "out").exists()
    assert agentctl("outputs", "@", "-o", "json").json["files"] == []


LOOKING = [["show", "@"], ["events", "@"], ["replay", "@"], ["outputs", "@"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "nope"], "there is no session nope"),
        (["replay", "01kaf3m9"], "01kaf3m9 is the beginning of more than one session"),
        (["events", "@~99"], "there are not 100 sessions"),
        (["show", "../../etc/passwd"], "a session is named by"),
        (["show", "\x1b[2J"], "a session is named by"),
        (["events", "@", "--from", "9999"], "there is no event 9999 in session own-id"),
        (["replay", "@", "--until", "sevt_x"], "there is no event sevt_x in session own-id"),
        (["replay", "@~3", "--from", "9", "--until", "3"], "event #3 comes before event #9"),
        (["replay", "@", "--only", "agent.telepathy"], "there is no event of type agent.telepathy"),
        (["replay", "@", "--only", "*"], "* is no type of event"),
        (["events", "@", "--type", ","], "no type of event is named"),
        (["replay", "@", "--speed", "fast"], "--speed takes a number"),
        (["replay", "@", "--speed", "nan"], "--speed takes a number"),
        (["replay", "@", "--speed", "0"], "--speed takes a number"),
        (["replay", "@", "--idle-limit", "inf"], "--idle-limit takes a number"),
        (["outputs", "@", "report.md"], "the session made no file report.md"),
        (["ls", "-n", "0"], "0 is less than 1"),
        (["ls", "-n", "9" * 30], "is more than"),
        (["ls", "-o", "xml"], "'xml' is not one of"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(home: Home, arguments: list[str], message: str) -> None:
    done = agentctl(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert message in done.err
    assert "\x1b" not in done.err


def test_a_failure_is_also_the_last_line_of_json(home: Home) -> None:
    for output in ("json", "jsonl"):
        done = agentctl("replay", "nope", "-o", output)
        assert done.code == done.json["exit_code"] == 2
        assert set(done.json) == RESULT_MEMBERS
        assert done.json["error"]["message"] == "there is no session nope"
        assert done.json["error"]["hint"] == "see: agentctl ls"


@pytest.mark.parametrize("arguments", [["ls"], *LOOKING], ids=lambda arguments: arguments[0])
def test_a_store_that_cannot_be_read_is_said_so(home: Home, arguments: list[str]) -> None:
    connection = sqlite3.connect(home.database)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    done = agentctl(*arguments)
    assert done.code == 8
    assert "was written by a newer agentctl" in done.err
    for file in home.root.glob("agentctl.db*"):
        file.unlink()
    home.database.write_bytes(b"no database at all " * 100)
    done = agentctl(*arguments)
    assert done.code == 8
    assert "file is not a database" in done.err
    assert len(done.err.splitlines()) == 2


def test_an_event_that_is_damaged_is_said_so(home: Home) -> None:
    connection = sqlite3.connect(home.database)
    connection.execute("DROP TRIGGER events_no_update")
    connection.execute("UPDATE events SET body = '{' WHERE session = 1 AND seq = 20")
    connection.commit()
    connection.close()
    done = agentctl("replay", "@~3")
    assert done.code == 8
    assert "event #20 of sesn_01kaf3m9x8rq2m4n6p8r0t2v4w is damaged" in done.err
    assert "● glob" in done.out


def run_shell(script: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "A": f"{sys.executable} -m agentctl"}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", script], env=environ, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("arguments", [["ls"], *LOOKING], ids=lambda arguments: arguments[0])
def test_a_closed_or_full_standard_output_is_one_line(home: Home, arguments: list[str]) -> None:
    for output in ("text", "json"):
        done = run_shell(f"$A {' '.join(arguments)} -o {output} >&-")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines()[0] == "agentctl: standard output is closed"
    done = run_shell(f"$A {' '.join(arguments)} > /dev/full")
    assert done.returncode == 2
    assert done.stderr == "agentctl: cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize("arguments", ["events @~3 -o jsonl", "replay @~3", "events @~3", "ls -o jsonl"])
def test_a_reader_who_has_read_enough_is_no_failure(home: Home, arguments: str) -> None:
    done = run_shell(f"$A {arguments} | head -1")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


def test_a_hundred_thousand_bytes_are_written_to_a_reader_who_leaves(home: Home) -> None:
    with open_log(home) as log:
        recorder = Recorder(log, home, "sesn_long")
        for _ in range(40):
            recorder.user("x" * 9000)
    done = run_shell("$A events @ -o jsonl | head -c 100 | wc -c")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "100", "")


@pytest.mark.parametrize("columns", ["20", "40"])
def test_narrow_output_is_not_wider_than_it_may_be(home: Home, columns: str) -> None:
    for arguments in (["ls"], ["show", "@~3"], ["events", "@~3"], ["replay", "@~3"], ["outputs", "@~3"]):
        done = agentctl(*arguments, COLUMNS=columns)
        assert done.code == 0
        assert max(map(len, done.out.splitlines())) < int(columns)


@pytest.mark.parametrize("arguments", [["ls"], *LOOKING, ["ls", "--help"]], ids=" ".join)
def test_looking_loads_nothing_that_runs_and_nothing_slow(home: Home, arguments: list[str]) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['agentctl', *{arguments!r}]\n"
        "from agentctl.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ, check=True)
    loaded = set(done.stderr.split())
    slow = {"pydantic", "pydantic_core", "yaml", "docker", "anthropic", "sqlite_utils", "rich", "asyncio", "httpx2"}
    assert not {name.partition(".")[0] for name in loaded} & slow
    runs = ("agentctl.harness", "agentctl.sandbox", "agentctl.model", "agentctl.tools", "agentctl.launch")
    assert not [name for name in loaded if name.startswith(runs)]


def test_a_session_recorded_now_is_some_seconds_old(own_home: Path) -> None:
    with open_log(Home(own_home)) as log:
        recorder = Recorder(log, Home(own_home))
        recorder.make.clock = SystemClock()
        Recorder(log, Home(own_home), "sesn_now", clock=SystemClock())  # type: ignore[arg-type]
    assert agentctl("ls").out.splitlines()[1].split()[1] in {"now", "1s", "2s", "3s"}
