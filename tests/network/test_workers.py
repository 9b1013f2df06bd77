"""Threads that are used again."""

import threading
import time

import pytest

from agentctl.network.workers import Workers
from tests.network.kit import no_threads

SECONDS = 10.0
NAME = "workers-of-a-test"


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == NAME]


def done_by(workers: Workers) -> threading.Thread:
    """Have a task done; return the thread that did it, once it is free."""
    found: list[threading.Thread] = []
    is_done = threading.Event()

    def task() -> None:
        found.append(threading.current_thread())
        is_done.set()

    workers.begin(task)
    assert is_done.wait(SECONDS)
    while found[0].is_alive() and not workers._free:
        time.sleep(0.001)
    return found[0]


def test_tasks_one_after_another_are_done_by_one_thread_and_tasks_at_once_by_many() -> None:
    workers, all_begun, may_end = Workers(NAME), threading.Barrier(21), threading.Event()

    def task() -> None:
        all_begun.wait(SECONDS)
        may_end.wait(SECONDS)

    assert len({done_by(workers) for _ in range(20)}) == 1
    for _ in range(20):
        workers.begin(task)
    all_begun.wait(SECONDS)  # broken, if one of them waited for another
    assert len(threads()) == 20
    may_end.set()
    workers.close()
    for thread in threads():
        thread.join(SECONDS)
    assert threads() == []


def test_threads_end_when_they_are_free_and_too_many_or_nothing_more_is_to_come() -> None:
    workers, may_end = Workers(NAME), threading.Event()
    for _ in range(20):
        workers.begin(lambda: may_end.wait(SECONDS) and None)
    may_end.set()
    deadline = time.monotonic() + SECONDS
    while len(threads()) > 8 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert 0 < len(threads()) <= 8
    workers.close()
    workers.close()
    for thread in threads():
        thread.join(SECONDS)
    assert threads() == []
    assert done_by(workers).join(SECONDS) is None
    assert threads() == []


def test_a_task_for_which_no_thread_can_be_started_is_refused_and_not_done_later() -> None:
    workers, done = Workers(NAME), []
    with no_threads(), pytest.raises(RuntimeError):
        workers.begin(lambda: done.append("refused"))
    done_by(workers)
    workers.close()
    assert done == []


def test_nothing_is_kept_of_a_task_that_is_done() -> None:
    workers, is_gone = Workers(NAME), threading.Event()

    class Held:
        def do_nothing(self) -> None:
            pass

        def __del__(self) -> None:
            is_gone.set()

    workers.begin(Held().do_nothing)
    assert is_gone.wait(SECONDS)
    workers.close()
