"""The alarm: it goes off in time, never too late for a shorter one, and never afterwards."""

import threading
import time
from collections.abc import Callable
from itertools import pairwise

from agentctl.model.watchdog import Watchdog

SOON = 20.0
"""Seconds within which what is to happen has happened, on a machine that is busy too."""


class Watched:
    """A watchdog, and when it has bitten."""

    def __init__(self) -> None:
        self.bites: list[float] = []
        self.is_bitten = threading.Event()
        self.dog = Watchdog(self._bite)

    def _bite(self) -> None:
        self.bites.append(time.monotonic())
        self.is_bitten.set()


def bites_of(attempt: Callable[[float], tuple[list[float], float]]) -> list[float]:
    """Return the bites of an attempt with an alarm of so many seconds that took no longer than those.

    An attempt gives its bites, and for how long the alarm went without being ended or heard. Where this machine has
    held it up for longer than the alarm, a bite says nothing; the next alarm leaves more time.
    """
    for seconds in (0.2, 5.0):
        bites, longest = attempt(seconds)
        if longest < seconds:
            return bites
    raise AssertionError(f"this machine has held a thread up for {longest:.1f} s")


def test_it_bites_what_takes_too_long_and_only_once() -> None:
    watched = Watched()
    started = time.monotonic()
    with watched.dog.watching(0.1):
        assert watched.is_bitten.wait(SOON)
        time.sleep(0.3)
    watched.dog.close()
    assert len(watched.bites) == 1
    assert watched.bites[0] - started >= 0.1


def test_it_leaves_alone_what_is_done_in_time() -> None:
    def attempt(seconds: float) -> tuple[list[float], float]:
        watched, started = Watched(), time.monotonic()
        for _ in range(3):
            with watched.dog.watching(seconds):
                pass
        took = time.monotonic() - started
        time.sleep(seconds + 0.2)
        watched.dog.close()
        return watched.bites, took

    assert bites_of(attempt) == []


def test_a_shorter_alarm_after_a_longer_one_is_not_overslept() -> None:
    watched = Watched()
    with watched.dog.watching(60):
        time.sleep(0.05)
    with watched.dog.watching(0.1):
        assert watched.is_bitten.wait(SOON)
    watched.dog.close()


def test_a_longer_alarm_after_a_shorter_one_is_not_cut_short() -> None:
    def attempt(seconds: float) -> tuple[list[float], float]:
        watched, started = Watched(), time.monotonic()
        with watched.dog.watching(seconds):
            pass
        took = time.monotonic() - started
        with watched.dog.watching(60):
            time.sleep(seconds + 0.2)
        watched.dog.close()
        return watched.bites, took

    assert bites_of(attempt) == []


def test_silence_counts_from_when_something_was_heard() -> None:
    def attempt(seconds: float) -> tuple[list[float], float]:
        watched, times = Watched(), [time.monotonic()]
        with watched.dog.watching(60, silence_seconds=seconds):
            for _ in range(6):
                time.sleep(seconds / 4)
                watched.dog.heard()
                times.append(time.monotonic())
            early = list(watched.bites)
            assert watched.is_bitten.wait(SOON)
            time.sleep(0.3)
        watched.dog.close()
        return early or watched.bites[1:], max(later - earlier for earlier, later in pairwise(times))

    assert bites_of(attempt) == []


def test_the_end_is_not_put_off_by_what_is_heard() -> None:
    watched = Watched()
    deadline = time.monotonic() + SOON
    with watched.dog.watching(0.3, silence_seconds=SOON):
        while not watched.is_bitten.wait(0.05) and time.monotonic() < deadline:
            watched.dog.heard()
    watched.dog.close()
    assert watched.is_bitten.is_set()


def test_a_thousand_alarms_take_one_thread_which_ends_with_it() -> None:
    before = set(threading.enumerate())
    dog = Watchdog(lambda: None)
    for _ in range(1000):
        with dog.watching(60):
            pass
    (own,) = [thread for thread in threading.enumerate() if thread not in before and thread.name == "watchdog"]
    dog.close()
    dog.close()
    own.join(SOON)
    assert not own.is_alive()
