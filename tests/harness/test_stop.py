"""A turn that is to stop: whoever watches hears of it, and keeps nobody waiting that has ended."""

import threading
import time

from agentctl.harness.stop import Stop


def test_what_ends_does_not_wait_for_who_looks_now_and_then() -> None:
    stop, began = Stop(), time.monotonic()
    for _ in range(60):
        with stop.watched(lambda: False, lambda: None):
            pass
    assert time.monotonic() - began < 7.5  # looking took 0.25 s each time


def test_what_is_going_on_is_cancelled_until_it_ends_whoever_asks() -> None:
    for is_asked_before in (True, False):
        for by_another in (True, False):
            stop, asked, cancelled, times = Stop(), threading.Event(), threading.Event(), list[float]()

            def cancel(times: list[float] = times, cancelled: threading.Event = cancelled) -> None:
                times.append(time.monotonic())
                if len(times) == 3:
                    cancelled.set()

            def ask(stop: Stop = stop, asked: threading.Event = asked, by_another: bool = by_another) -> None:
                if by_another:
                    asked.set()
                else:
                    stop.ask("SIGINT")

            if is_asked_before:
                ask()
            with stop.watched(asked.is_set, cancel):
                if not is_asked_before:
                    assert not times
                    ask()
                assert cancelled.wait(20)
            assert stop.is_asked
            assert stop.signal == (None if by_another else "SIGINT")


def test_who_asked_before_is_heard_the_next_time_too() -> None:
    stop, cancelled = Stop(), threading.Event()
    stop.ask()
    for _ in range(2):
        cancelled.clear()
        with stop.watched(lambda: False, cancelled.set):
            assert cancelled.wait(20)
