"""``stats`` as a person and a script use it."""

import shutil
from pathlib import Path

import pytest

from agentctl.paths import Home
from tests.cli.program import agentctl
from tests.cli.store_page import described
from tests.kit import MODEL, FixedClock, Recorder, analysis, call, open_log, text


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sessions of one agent, and one of another on the next day, that was killed."""
    home = Home(tmp_path_factory.mktemp("counted") / "home")
    with open_log(home) as log:
        analysis(Recorder(log, home, "sesn_one"))
        analysis(Recorder(log, home, "sesn_two"))
        clock = FixedClock()
        clock.pass_by(86_400)
        other = Recorder(log, home, "sesn_other", clock, agent={"name": "oth\x1b[2Jer"})
        other.user("go")
        other.run_tools(*other.answer(text("I make it."), call("bash", command="make")))
    return home.root


@pytest.fixture
def home(recorded: Path, own_home: Path) -> Home:
    shutil.copytree(recorded, own_home)
    return Home(own_home)


def test_agents_by_what_they_cost(home: Home) -> None:
    head, first, second, total = agentctl("stats").out.splitlines()
    names = ["AGENT", "SESSIONS", "COST", "TIME", "CALLS", "FAILED", "REQUESTS", "IN", "CACHED", "OUT", "ENDS"]
    assert head.split() == names
    assert first.split() == [
        "data-analyst", "2", "$0.0898", "1m", "32s", "12", "2", "12", "55.4k", "87%", "2.2k", "end_turn", "2",
    ]  # fmt: skip
    assert second.startswith("oth\\x1b[2Jer")
    assert second.endswith("killed 1")
    assert total.split()[:3] == ["total", "3", "$0.0972"]
    narrow = agentctl("stats", COLUMNS="80").out.splitlines()
    assert "$0.0898" in narrow[1], "what it cost is seen on any terminal"
    assert max(map(len, narrow)) < 80


def test_an_agent_that_no_session_has_is_told(home: Home) -> None:
    done = agentctl("stats", "--agent", "data-analist")
    assert (done.code, done.out) == (0, "there is nothing to count\n")
    assert done.err == "no session is of an agent data-analist; did you mean data-analyst?\n"
    assert agentctl("stats", "--agent", "nope", "-o", "json").err == "no session is of an agent nope\n"
    assert agentctl("stats", "--agent", "data-analyst", "--since", "2030-01-01").err == ""


def test_one_kind_or_several(home: Home) -> None:
    days = agentctl("stats", "--by", "day").out.splitlines()
    assert [line.split()[0] for line in days] == ["DAY", "2026-11-20", "2026-11-21", "total"]
    both = agentctl("stats", "--by", "day", "--by", "model", "-o", "json").json
    assert [row["group"] for row in both["rows"]] == [
        {"day": "2026-11-20", "model": MODEL},
        {"day": "2026-11-21", "model": MODEL},
    ]
    assert agentctl("stats", "--by", "day,model", "-o", "json").json == both


def test_tools_have_calls_and_no_tokens(home: Home) -> None:
    head, *rows = agentctl("stats", "--by", "tool").out.splitlines()
    assert head.split() == ["TOOL", "SESSIONS", "CALLS", "FAILED", "IN", "TOOLS"]
    assert rows[0].split() == ["bash", "3", "7", "2", "33s"]
    assert rows[-1].split()[:3] == ["total", "3", "13"]
    (bash, *_) = agentctl("stats", "--by", "tool", "-o", "json").json["rows"]
    assert (bash["tool_calls"], bash["failed_tool_calls"], bash["requests"], bash["cost"]) == (7, 2, None, None)


def test_a_part_of_the_time(home: Home) -> None:
    def sessions(*options: str) -> int:
        return int(agentctl("stats", *options, "-o", "json").json["total"]["sessions"])

    assert sessions("--since", "2026-11-21") == 1
    assert sessions("--until", "2026-11-21", "--agent", "data-analyst") == 2
    assert agentctl("stats", "--since", "2030-01-01").out == "there is nothing to count\n"


def test_json_has_everything_and_jsonl_a_row_a_line(home: Home) -> None:
    body = agentctl("stats", "-o", "json").json
    assert (body["type"], body["schema"], body["by"], body["since"]) == ("stats", "agentctl.stats/1", ["agent"], None)
    row = body["rows"][0]
    described({**body, "rows": [row], "total": body["total"] | {"ends": row["ends"]}})
    assert row["cost"] == {"amount": "0.08976", "currency": "USD"}
    assert row["ends"] == {"end_turn": 2}
    assert (row["sessions"], row["active_seconds"], row["cache_share"]) == (2, 92.38, 0.8658)
    lines = agentctl("stats", "-o", "jsonl").lines
    assert lines[0] == {"type": "stats_row", "schema": "agentctl.stats_row/1", **row}
    assert len(lines) == 2


def test_what_makes_no_sense_is_refused(home: Home) -> None:
    for words in (
        ["--by", "colour"],
        ["--since", "yesterday"],
        ["--since", "0001-01-01T00:00+14:00"],
        ["--until", "9999-12-31T23:59-14:00"],
        ["--since", "99999999d"],
        ["--since", "2026-11-21", "--until", "2026-11-20"],
    ):
        assert agentctl("stats", *words).code == 2


def test_where_there_is_no_store_there_is_nothing(own_home: Path) -> None:
    assert agentctl("stats").out == "there is nothing to count\n"
    assert agentctl("stats", "-o", "json").json["total"]["sessions"] == 0
    assert not own_home.exists()
