"""The alarm: it goes off in time, never too late for a shorter one, and never afterwards."""

import threading
import time

from agentctl.model.watchdog import Watchdog


def test_it_bites_what_takes_too_long_and_only_once() -> None:
    bites: list[float] = []
    dog = Watchdog(lambda: bites.append(time.monotonic()))
    started = time.monotonic()
    with dog.watching(0.1):
        time.sleep(0.4)
    dog.close()
    assert len(bites) == 1
    assert 0.1 <= bites[0] - started < 0.3


def test_it_leaves_alone_what_is_done_in_time() -> None:
    bites: list[int] = []
    dog = Watchdog(lambda: bites.append(1))
    for _ in range(3):
        with dog.watching(0.1):
            pass
    time.sleep(0.3)
    dog.close()
    assert bites == []


def test_a_shorter_alarm_after_a_longer_one_is_not_overslept() -> None:
    bitten = threading.Event()
    dog = Watchdog(bitten.set)
    with dog.watching(60):
        time.sleep(0.05)
    with dog.watching(0.1):
        assert bitten.wait(2)
    dog.close()


def test_a_longer_alarm_after_a_shorter_one_is_not_cut_short() -> None:
    bites: list[int] = []
    dog = Watchdog(lambda: bites.append(1))
    with dog.watching(0.1):
        pass
    with dog.watching(60):
        time.sleep(0.3)
    dog.close()
    assert bites == []


def test_silence_counts_from_when_something_was_heard() -> None:
    bites: list[float] = []
    dog = Watchdog(lambda: bites.append(time.monotonic()))
    with dog.watching(60, silence_seconds=0.2):
        for _ in range(5):
            time.sleep(0.1)
            dog.heard()
        assert bites == []
        time.sleep(0.4)
    dog.close()
    assert len(bites) == 1


def test_the_end_is_not_put_off_by_what_is_heard() -> None:
    bitten = threading.Event()
    dog = Watchdog(bitten.set)
    with dog.watching(0.3, silence_seconds=0.2):
        for _ in range(20):
            time.sleep(0.05)
            dog.heard()
            if bitten.is_set():
                break
    dog.close()
    assert bitten.is_set()


def test_a_thousand_alarms_take_one_thread_which_ends_with_it() -> None:
    before = set(threading.enumerate())
    dog = Watchdog(lambda: None)
    for _ in range(1000):
        with dog.watching(60):
            pass
    (own,) = [thread for thread in threading.enumerate() if thread not in before and thread.name == "watchdog"]
    dog.close()
    dog.close()
    own.join(5)
    assert not own.is_alive()
