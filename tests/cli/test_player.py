"""``agentctl replay`` on a terminal: a player with keys, which leaves the terminal as it was."""

import shutil
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentctl.paths import Home
from agentctl.store.leases import Lease
from tests.cli.played import OWN_SEQUENCES, Played, in_a_shell, played, tell
from tests.cli.program import ROOT
from tests.cli.test_look_terminal import recorded_hostile  # noqa: F401 - a fixture
from tests.kit import Recorder, analysis, call, open_log, text
from tests.render.stage import FORBIDDEN
from tests.render.test_player import long_session


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the data analyst's session (54 events), then one with an approval, then a long one."""
    home = Home(tmp_path_factory.mktemp("recorded") / "home")
    with open_log(home) as log:
        long_session(log, home, "sesn_long", 3_000)
        asks = Recorder(log, home, "sesn_asks")
        asks.user("Deploy.")
        (push,) = asks.answer(text("I push."), call("bash", command="git push"), asks=["toolu_1"])
        asks.rest("requires_action", event_ids=[push.id])
        analysis(Recorder(log, home))
    return home.root


@pytest.fixture
def home(recorded: Path, own_home: Path) -> Home:
    shutil.copytree(recorded, own_home)
    return Home(own_home)


@pytest.fixture
def paused(home: Home) -> Iterator[Played]:
    with played("@", "--step") as player:
        player.wait(lambda shown: shown.at == 1, "the first event")
        yield player


def test_a_step_forward_and_back_is_one_event(paused: Played) -> None:
    assert paused.rows[-1].startswith("■ #1/54 · 0.0s/46s · $0 · no files · 1x · ? keys  ━──")
    assert paused.rows[-2] == "#1 local.session_created  data-analyst, claude-opus-5-5, docker"
    paused.goes_to(2, "right")
    assert paused.rows[-2].startswith("#2 user.message  Which month was the wettest")
    paused.goes_to(4, ".", ".")
    before = paused.text
    paused.goes_to(7, "right", "right", "right")
    paused.goes_to(4, "left", "left", "left")
    assert paused.text == before
    paused.goes_to(1, "left", "left", "left")
    paused.press("left")
    paused.wait(lambda shown: "this is the beginning" in shown.rows[-1])


def test_keys_go_to_errors_and_to_the_ends_and_to_what_is_searched(paused: Played) -> None:
    paused.goes_to(32, "e")
    assert paused.rows[-2] == "#32 local.tool_facts [error]  exit 1, 1.9s"
    assert "  │ AttributeError: Can only use .dt accessor with datetimelike values" in paused.rows
    assert paused.rows[-1].startswith("■ #32/54 · 20s/46s · $0.0224 · no files")
    paused.press("e")
    paused.wait(lambda shown: "no error after this" in shown.rows[-1])
    paused.goes_to(54, "G")
    paused.goes_to(32, "E")
    paused.goes_to(1, "g")
    paused.press("/", *"WROTE chart")
    paused.wait(lambda shown: shown.rows[-1] == "/WROTE chart_")
    paused.goes_to(46, "enter")
    assert paused.rows[-2] == "#46 agent.tool_result  wrote chart.png"
    assert "  │ wrote chart.png" in paused.rows
    paused.press("n")
    paused.wait(lambda shown: "no “WROTE chart” after this" in shown.rows[-1])
    paused.press("?")
    paused.wait(lambda shown: " e E    next, previous error" in shown.rows)
    paused.press("x")
    paused.wait(lambda shown: shown.rows[-2].startswith("#46"))


def test_enter_shows_all_of_it_and_arrows_scroll(paused: Played) -> None:
    paused.goes_to(17, *["right"] * 16)
    paused.wait(lambda shown: "  │ … 28 more lines" in shown.rows)
    paused.press("enter")
    paused.wait(lambda shown: "  │ 1462 seattle-weather.csv" in shown.rows and "all of it" in shown.rows[-1])
    assert not [row for row in paused.rows if "more lines" in row]
    paused.press("pageup", "up")
    paused.wait(lambda shown: "11 rows up" in shown.rows[-1])
    paused.press("enter")
    paused.wait(lambda shown: "  │ … 28 more lines" in shown.rows)


def test_enter_shows_what_a_call_asks_for_beside_what_came_of_it(paused: Played) -> None:
    paused.goes_to(21, *["right"] * 20)
    paused.wait(lambda shown: any(row.startswith("▶ write  /workspace/analysis.py  41 lines") for row in shown.rows))
    assert not [row for row in paused.rows if row.startswith("  ┊ ")]
    paused.press("enter")
    paused.wait(lambda shown: len([row for row in shown.rows if row.startswith("  ┊ ")]) > 10)


def test_it_plays_at_the_recorded_pace_and_pauses(home: Home) -> None:
    with played("@") as player:
        player.wait(lambda shown: "The user wants the wettest" in shown.text and shown.at == 5, "what is typed")
        player.press("+", "+", "+")
        player.wait(lambda shown: shown.at > 20)
        player.press(" ")
        player.wait(lambda shown: shown.rows[-1].startswith("■"))
        player.press("+", "+", " ")
        player.wait(lambda shown: "32x" in shown.rows[-1] or shown.at == 54)
        player.wait(lambda shown: shown.at == 54 and shown.rows[-1].startswith("■"), "the end")
        player.press("q")
        player.end()
        assert player.child.exitstatus == 0


def test_approvals_are_found_and_shown_as_waiting(home: Home) -> None:
    with played("@~1", "--step") as player:
        player.wait(lambda shown: shown.at == 1)
        player.goes_to(8, "a")
        assert "[approval]" in player.rows[-2]
        assert [row for row in player.rows if row.startswith("▶ bash  git push") and row.endswith("needs permission")]
        player.goes_to(11, "a")
        assert [row for row in player.rows if row.startswith("● bash  git push") and row.endswith("needs permission")]


@pytest.mark.parametrize(("columns", "rows"), [(20, 5), (40, 10), (60, 24), (80, 24), (120, 30), (200, 60)])
def test_it_fits_every_terminal(home: Home, columns: int, rows: int) -> None:
    with played("@", "--step", columns=columns, rows=rows) as player:
        player.wait(lambda shown: shown.at == 1)
        player.goes_to(32, "e")
        assert "exit 1" in player.text
        snapshot = ROOT / "tests" / "render" / "player" / f"{columns}x{rows}.txt"
        assert player.text.rstrip() + "\n" == snapshot.read_text(encoding="utf-8")


def test_a_terminal_that_is_resized_is_followed(paused: Played) -> None:
    paused.goes_to(32, "e")
    paused.resize(40, 10)
    paused.wait(lambda shown: shown.rows[-1].startswith("■ #32/54") and len(shown.rows) == 10)
    paused.wait(lambda shown: "│ exit 1 · 1.9s" in shown.text)
    assert max(map(len, paused.rows)) < 40


def test_from_until_and_only_choose_what_is_shown(home: Home) -> None:
    with played("@", "--step", "--from", "28", "--until", "40", "--only", "agent.*") as player:
        player.wait(lambda shown: shown.at == 28)
        assert player.rows[-1].startswith("■ #28/40")
        player.goes_to(31, "right")
        player.goes_to(36, "right", "right")
        player.goes_to(39, "G")
        player.press("right")
        player.wait(lambda shown: "this is the end" in shown.rows[-1])


def test_a_long_record_is_stepped_back_from_its_end_at_once(home: Home) -> None:
    with played("@~2", "--step") as player:
        player.goes_to(3_000, "G")
        player.goes_to(2_980, *["left"] * 20)
        assert player.rows[0]


ENDS = {"q": 0, "\x03": 130, "\x1c": 131, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.mark.parametrize("end", ENDS, ids=repr)
def test_the_terminal_is_as_it_was_however_it_ends(home: Home, end: str | signal.Signals) -> None:
    with in_a_shell("@", then=":") as player:
        player.wait(lambda shown: shown.at > 0)
        assert not player.child.getecho()
        if isinstance(end, str):
            player.press(end)
        else:
            tell(player, end)
        shown = player.end()
    assert f"code={ENDS[end]}" in shown
    assert " echo " in shown
    assert " icanon " in shown


def test_a_stop_gives_the_terminal_back_and_going_on_takes_it_again(home: Home) -> None:
    with in_a_shell("@", "--step", then="stty -a; echo stopped; fg; echo ended=$?") as player:
        player.goes_to(32, "e")
        player.press("\x1a")
        player.wait(lambda shown: " icanon " in shown.written and "stopped" in shown.written)
        player.wait(lambda shown: shown.at == 32, "the same screen again")
        player.goes_to(33, "right")
        player.press("q")
        shown = player.end()
    assert "ended=0" in shown
    assert " echo " in shown


def test_a_session_that_runs_is_followed_until_it_rests(own_home: Path) -> None:
    home = Home(own_home)
    with open_log(home) as log, Lease(home, "sesn_runs"):
        runs = Recorder(log, home, "sesn_runs")
        runs.user("Wait for it.")
        (waits,) = runs.answer(text("I wait."), call("bash", command="sleep 100"))
        runs.run_tools(waits)
        with played("@", "--speed", "1000") as player:
            player.wait(lambda shown: shown.at == len(runs.records()), "its last event")
            assert " · running · " in player.rows[-1]
            assert [row.split("  ")[:2] for row in player.rows if "sleep 100" in row] == [["▶ bash", "sleep 100"]]
            runs.result(waits, "woken up")
            player.wait(lambda shown: "  │ woken up" in shown.rows and shown.at == len(runs.records()))
            at = player.at
            player.press(" ")
            player.wait(lambda shown: shown.rows[-1].startswith("■"), "a pause")
            runs.answer(text("All done."))
            player.wait(lambda shown: f"#{at}/{len(runs.records())} " in shown.rows[-1], "more, and the same place")
            player.press(" ")
            player.wait(lambda shown: "  All done." in shown.rows)
            runs.rest()
            player.wait(lambda shown: shown.rows[-1].startswith("■") and "── done" in shown.text, "the end")
            assert player.at == len(runs.records())
            assert "running" not in player.rows[-1]


def test_nothing_hostile_reaches_the_terminal(recorded_hostile: Path, own_home: Path) -> None:  # noqa: F811
    shutil.copytree(recorded_hostile, own_home)
    with played("@", "--step", "--full", rows=60) as player:
        player.wait(lambda shown: shown.at == 1)
        for seq in range(2, 30):
            player.goes_to(seq, "right")
        player.press("q")
        player.end()
        assert player.child.exitstatus == 0
    assert FORBIDDEN.findall(OWN_SEQUENCES.sub("", player.written).replace("\r\n", "\n")) == []
    assert "[red]m[/red]" in player.written


def test_a_damaged_record_is_played_up_to_the_damage(home: Home) -> None:
    connection = sqlite3.connect(home.database)
    connection.execute("DROP TRIGGER events_no_update")
    connection.execute(
        "UPDATE events SET body = replace(body, 'python3', 'python4') WHERE seq = 28 AND session = "
        "(SELECT key FROM sessions WHERE id = 'sesn_01kaf3m9x8rq2m4n6p8r0t2v4w')"
    )
    connection.commit()
    connection.close()
    with played("@", "--step") as player:
        player.wait(lambda shown: shown.at == 1)
        player.goes_to(27, "G")
        player.press("q")
        shown = player.end()
        assert player.child.exitstatus == 8
    assert "event #28 of" in shown
