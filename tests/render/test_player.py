"""The player's states, its keys, the reel that it plays, and the moments that are looked for."""

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from agentctl.cli.keys import Keys
from agentctl.events.codec import decode, encode
from agentctl.events.local import LocalFilesChanged, LocalModelResponse, LocalSandboxLost, LocalToolFacts
from agentctl.events.session import SessionError, SessionStatusIdle
from agentctl.events.user import UserToolConfirmation
from agentctl.ids import moment, timestamp
from agentctl.paths import Home
from agentctl.render.lines import paint_all
from agentctl.render.look import Look
from agentctl.render.moments import Kind, Moments
from agentctl.render.plain import PlainRenderer
from agentctl.render.player import PlayerState, Seek
from agentctl.render.reel import Reel
from agentctl.session.log import EventLog, Record
from tests.kit import Recorder, analysis, call, open_log, text

LOOK = Look(columns=80, rows=24, wraps=True)


def long_session(log: EventLog, home: Home, name: str, events: int, at_once: int | None = None) -> None:
    """Record a session of exactly so many events: the data analyst's, again and again."""
    template = Recorder(log, home, f"template-{name}")
    analysis(template)
    first, *others = [encode(record.event) for record in template.records()]
    made = [{**first, "session_id": name}]
    for number in range(1 + events // (len(others) - 1)):
        for body in others:
            at = timestamp(moment(body["processed_at"]) + timedelta(minutes=number)) if body["processed_at"] else None
            copied = json.dumps({**body, "processed_at": at}).replace('"sevt_', f'"sevt_{number}_')
            if number == 0 or body["type"] != "local.sandbox_started":
                made.append(json.loads(copied))
    for start in range(0, events, at_once or events):
        log.append(name, [decode(body) for body in made[start : min(events, start + (at_once or events))]])


def state(**members: object) -> PlayerState:
    return PlayerState(**{"last": 54, "at": 10, "is_playing": False, **members})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "sought"),
    [
        ("right", Seek(10, is_step=True)),
        (".", Seek(10, is_step=True)),
        ("left", Seek(10, forward=False, is_step=True)),
        ("e", Seek(10, kinds=Kind.ERROR)),
        ("A", Seek(10, forward=False, kinds=Kind.APPROVAL)),
        ("f", Seek(10, kinds=Kind.FILES)),
        ("C", Seek(10, forward=False, kinds=Kind.COST)),
        ("]", Seek(10)),
        ("[", Seek(10, forward=False)),
        ("g", Seek(10, target=1)),
        ("G", Seek(10, target=54)),
    ],
)
def test_keys_say_where_to_go(key: str, sought: Seek) -> None:
    assert state(is_playing=True).key(key).seeking == sought
    assert not state(is_playing=True).key(key).is_playing


def test_what_is_found_is_gone_to_and_what_is_not_is_said() -> None:
    assert state().key("e").found(32).at == 32
    lost = state().key("E").found(None)
    assert (lost.at, lost.message, lost.seeking) == (10, "no error before this", None)
    assert lost.key("+").message == ""
    assert state().key("right").found(None).message == "this is the end"
    assert state().key("]").found(None).message == "no moment of any kind after this"
    assert state().begun(40).found(None).message == "none of the events that are asked for is here"


def test_speed_doubles_and_halves_within_bounds() -> None:
    assert state().key("+").speed == 2
    assert state(speed=1000.0).key("+").speed == 1000
    assert state(speed=0.01).key("-").speed == 0.01


def test_a_search_is_typed_corrected_and_left() -> None:
    now = state()
    for key in ("/", "q", "x", "backspace", " ", "é"):
        now = now.key(key)
    assert (now.mode, now.typed, now.is_over) == ("search", "q é", False)
    assert now.key("escape").mode == "look"
    found = now.key("enter")
    assert found.seeking == Seek(10, text="q é")
    again = found.found(12).key("N")
    assert again.seeking == Seek(12, forward=False, text="q é")
    assert state().key("n").message == "nothing was searched for yet: /"


def test_time_goes_by_in_waits_and_speed() -> None:
    waits = {10: (11, 2.0), 11: (12, 0.0), 12: (13, 5.0)}.get
    playing = state(is_playing=True)
    assert playing.passed(1.9, waits).at == 10
    later = playing.passed(1.9, waits).passed(0.2, waits)
    assert (later.at, round(later.waited, 6)) == (12, 0.1)
    assert state(is_playing=True, speed=4.0).passed(0.5, waits).at == 12
    assert playing.passed(100, waits).at == 13
    assert state().passed(100, waits).at == 10


def test_keys_are_read_in_whatever_pieces_they_come() -> None:
    keys = Keys()
    assert keys.take("a\x1b[C\x1bOD\x1b[5~é界".encode()) == ["a", "right", "left", "pageup", "é", "界"]
    split = "→\x1b[1;5C".encode()
    assert [key for byte in split for key in keys.take(bytes([byte]))] == ["→"]
    assert keys.take(b"\x1b") == []
    assert keys.is_begun
    assert keys.end() == ["escape"]
    assert keys.take(b"\xff\x00q") == ["\ufffd", "q"]


EARLY = """\
● bash  python3 analysis.py  +2 lines
  │ 2014-03  240.0
  │ 2015-11  218.6
  │ 2012-11  210.5
  │ wrote chart.png
"""
"""A result as it is seen at its own event; a renderer tells it one event later, with how long it took."""


def test_a_reel_tells_the_same_lines_at_every_event_as_a_renderer_that_heard_them(own_home: Path) -> None:
    home = Home(own_home)
    with open_log(home) as log:
        long_session(log, home, "long", 700)

        def read(*, after: int, until: int | None) -> Iterator[Record]:
            return (record for record in log.read("long", after=after) if until is None or record.seq <= until)

        written: list[str] = []
        renderer = PlainRenderer(written.append, LOOK)
        expected = []
        for record in read(after=0, until=None):
            renderer.record(record)
            expected.append("".join(written))
        reel = Reel(read, 700, lambda event: True, None)
        while not reel.is_whole:
            reel.read_on(100)
        for seq in (1, 54, 255, 256, 257, 300, 511, 512, 513, 514, 699):
            told = paint_all(reel.lines(seq, 10_000, LOOK, full=False), LOOK)
            more = told.removeprefix(expected[seq - 1]) if told.startswith(expected[seq - 1]) else None
            assert more == (EARLY if seq == 514 else ""), seq
        assert reel.point(54).cost == Decimal("0.04488")
        assert [seq for seq in range(1, 700) if reel.point(seq).kinds & Kind.ERROR][:2] == [32, 84]


def test_nothing_is_under_way_in_a_session_that_was_killed(own_home: Path) -> None:
    home = Home(own_home)
    with open_log(home) as log:
        recorder = Recorder(log, home)
        recorder.user("Go")
        recorder.run_tools(*recorder.answer(text("x"), call("bash", command="sleep 100")))
        last = len(recorder.records())

        def read(*, after: int, until: int | None) -> Iterator[Record]:
            return (record for record in recorder.records()[after:until])

        for status, expected in (("interrupted", []), ("running", ["bash"])):
            reel = Reel(read, last, lambda event: True, status)
            reel.read_on()
            assert [under.call.name for under in reel.under_way(last, LOOK, full=False)] == expected
            assert [under.call.name for under in reel.under_way(last - 1, LOOK, full=False)] == ["bash"]


def test_moments_of_a_session() -> None:
    moments, found = Moments(), []
    failing = {"duration_seconds": 1, "exit_code": 1}
    answer = {"model_request_start_id": "x", "model": "m", "raw": "{}", "tool_uses": []}
    for kind, members, cost in (
        (LocalModelResponse, answer, "1"),
        (LocalModelResponse, answer, "2.5"),
        (LocalModelResponse, answer, "5.5"),
        (LocalToolFacts, {"tool_use_id": "a", "facts": failing}, "5.5"),
        (LocalToolFacts, {"tool_use_id": "b", "facts": {"exit_code": 0}}, "5.5"),
        (LocalFilesChanged, {"changes": []}, "5.5"),
        (UserToolConfirmation, {"tool_use_id": "a", "result": "allow"}, "5.5"),
        (SessionStatusIdle, {"stop_reason": {"type": "requires_action"}}, "5.5"),
        (SessionStatusIdle, {"stop_reason": {"type": "end_turn"}}, "5.5"),
        (SessionError, {"error": {}}, "5.5"),
        (LocalSandboxLost, {"reason": "x"}, "5.5"),
    ):
        found.append(moments.after(kind(id="sevt_1", **members), Decimal(cost)))
    error, none = Kind.ERROR, Kind(0)
    assert found == [
        none, none, Kind.COST, error, none, Kind.FILES, Kind.APPROVAL, Kind.APPROVAL, none, error, error,
    ]  # fmt: skip


def test_a_call_that_fails_twice_over_is_one_error(own_home: Path) -> None:
    home = Home(own_home)
    with open_log(home) as log:
        recorder = Recorder(log, home)
        recorder.user("Go")
        (one,) = recorder.answer(text("x"), call("bash", command="false"))
        recorder.run_tools(one)
        recorder.result(one, "no", is_error=True, exit_code=1)
        moments = Moments()
        kinds = [moments.after(record.event, Decimal(0)) for record in recorder.records()]
    assert kinds.count(Kind.ERROR) == 1
