"""A record at its own pace: what waits how long, and which time it is meanwhile."""

from datetime import timedelta
from pathlib import Path

import pytest

from agentctl.events.base import Event
from agentctl.events.codec import type_of
from agentctl.events.local import LocalModelResponse
from agentctl.events.preview import Preview
from agentctl.ids import moment
from agentctl.paths import Home
from agentctl.replay import Frame, Pace, Player, frames
from agentctl.session.log import Record
from tests.kit import START, FixedClock, Recorder, analysis, call, open_log, text, thinking

PLAIN = Pace(idle_limit_seconds=1000, typing=False)


@pytest.fixture
def records(own_home: Path) -> list[Record]:
    home = Home(own_home)
    with open_log(home) as log:
        recorder = Recorder(log, home)
        analysis(recorder)
        return recorder.records()


def of(kind: type[Event], played: list[Frame]) -> Frame:
    return next(frame for frame in played if isinstance(frame.shown, Record) and isinstance(frame.shown.event, kind))


def total(played: list[Frame]) -> float:
    return sum(frame.wait_seconds for frame in played)


def test_a_record_takes_as_long_as_it_took(records: list[Record]) -> None:
    played = list(frames(records, PLAIN))
    assert [frame.shown for frame in played] == records
    assert total(played) == pytest.approx(46.19, abs=0.01)
    assert of(LocalModelResponse, played).wait_seconds == pytest.approx(6.2)


@pytest.mark.parametrize(("speed", "seconds"), [(2.0, 23.095), (0.5, 92.38), (1000.0, 0.04619), (None, 0.0)])
def test_speed_divides_the_time(records: list[Record], speed: float | None, seconds: float) -> None:
    assert total(list(frames(records, Pace(speed, 1000, typing=False)))) == pytest.approx(seconds, rel=0.001)


def test_no_wait_is_longer_than_the_limit_before_speed(records: list[Record]) -> None:
    played = list(frames(records, Pace(1.0, 2.0, typing=False)))
    assert max(frame.wait_seconds for frame in played) == 2.0
    assert max(frame.wait_seconds for frame in frames(records, Pace(4.0, 2.0, typing=False))) == 0.5
    assert total(list(frames(records, Pace(1.0, 0.0, typing=False)))) == 0


def test_text_is_typed_over_the_time_of_its_request(own_home: Path) -> None:
    home = Home(own_home)
    words = "word " * 120  # 600 characters: ten seconds at the slowest typing
    with open_log(home) as log:
        recorder = Recorder(log, home)
        recorder.user("Go")
        recorder.answer(thinking("hm " * 20), text(words), call("bash", command="ls"), seconds=8.0)
        played = list(frames(recorder.records(), Pace(1.0, 2.0)))
    pieces = [frame for frame in played if isinstance(frame.shown, Preview)]
    previews = [frame.shown for frame in pieces if isinstance(frame.shown, Preview)]
    typed = {kind: "".join(piece.text for piece in previews if piece.kind == kind) for kind in ("text", "thinking")}
    assert typed == {"text": words, "thinking": "hm " * 20}
    assert {piece.name for piece in previews if piece.kind == "tool_input"} == {"bash"}
    assert total(pieces) == pytest.approx(8.0)
    assert max(frame.wait_seconds for frame in pieces) < 0.1
    assert of(LocalModelResponse, played).wait_seconds == 0


def test_a_request_that_took_longer_than_typing_begins_with_a_limited_wait(own_home: Path) -> None:
    home = Home(own_home)
    with open_log(home) as log:
        recorder = Recorder(log, home)
        recorder.user("Go")
        recorder.answer(text("x" * 60), seconds=31.0)
        pieces = [frame for frame in frames(recorder.records(), Pace(1.0, 2.0)) if isinstance(frame.shown, Preview)]
    assert pieces[0].wait_seconds == pytest.approx(2.0, abs=0.05)
    assert total(pieces) == pytest.approx(3.0)  # a second of typing, thirty of waiting cut to two
    assert pieces[-1].at is not None
    assert abs(pieces[-1].at - START - timedelta(seconds=31.01)) < timedelta(milliseconds=1)


def test_an_answer_without_text_still_takes_its_time(own_home: Path) -> None:
    home = Home(own_home)
    with open_log(home) as log:
        recorder = Recorder(log, home)
        recorder.user("Go")
        recorder.answer({"type": "redacted_thinking", "data": "x"}, seconds=1.5)
        played = list(frames(recorder.records(), Pace(1.0, 2.0)))
    assert of(LocalModelResponse, played).wait_seconds == pytest.approx(1.5)


def test_times_that_are_missing_odd_or_go_backwards_wait_for_nothing(records: list[Record]) -> None:
    times = ["2026-11-20T09:00:10Z", None, "yesterday", "2026-11-20T09:00:05Z", "2026-11-20T09:00:11Z", "2026-11-20T09"]
    event = next(record.event for record in records if type_of(record.event) == "agent.thinking")
    odd = [Record(place, type(event)(id=f"sevt_{place}", processed_at=time), "") for place, time in enumerate(times)]
    assert [frame.wait_seconds for frame in frames(odd, PLAIN)] == [0, 0, 0, 0, 1, 0]


class Audience:
    def __init__(self, clock: FixedClock, player: Player) -> None:
        self.heard: list[tuple[float, object]] = []
        self._clock = clock
        self._player = player

    def record(self, record: Record) -> None:
        self.heard.append((self._clock.monotonic(), record))
        if record.event.processed_at is not None:
            assert self._player.now().timestamp() == pytest.approx(_time(record), abs=0.001)

    def preview(self, preview: Preview) -> None:
        self.heard.append((self._clock.monotonic(), preview))


def _time(record: Record) -> float:
    return moment(str(record.event.processed_at)).timestamp()


def test_everything_is_heard_in_its_time_and_the_clock_shows_the_recorded_one(records: list[Record]) -> None:
    clock = FixedClock()
    player = Player(clock)
    audience = Audience(clock, player)
    player.play(frames(records, Pace(1.0, 1000)), audience)
    assert [thing for _, thing in audience.heard if isinstance(thing, Record)] == records
    assert audience.heard[-1][0] == pytest.approx(46.19, abs=0.2)
    assert [time for time, _ in audience.heard] == sorted(time for time, _ in audience.heard)


def test_the_recorded_time_moves_on_during_a_wait_faster_where_it_was_cut(records: list[Record]) -> None:
    clock = FixedClock()
    seen = []

    class Watching(FixedClock):
        def monotonic(self) -> float:
            return clock.monotonic()

        def sleep(self, seconds: float) -> None:
            for _ in range(2):
                clock.pass_by(seconds / 2)
                seen.append((player.now() - START).total_seconds())

    player = Player(Watching())
    nobody = Audience(clock, player)
    nobody.record = lambda record: None  # type: ignore[method-assign]
    player.play(frames(records[:6], Pace(1.0, 2.0, typing=False)), nobody)
    assert seen[-2:] == pytest.approx([0.01 + 3.1, 0.01 + 6.2])  # 6.2 seconds pass in two


def test_drawing_that_takes_time_is_not_added_up(records: list[Record]) -> None:
    clock = FixedClock()
    player = Player(clock)
    slow = Audience(clock, player)
    slow.record = lambda record: clock.pass_by(0.02)  # type: ignore[method-assign]
    player.play(frames(records, PLAIN), slow)
    assert clock.monotonic() < 46.19 + 0.5  # and not the 1.08 seconds that drawing took
