"""Threads that are used again: to start one takes longer than many a request does."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeAlias

_MOST_FREE = 8

Task: TypeAlias = Callable[[], None]
"""Something to be done in a thread; raises nothing."""

_Told: TypeAlias = "SimpleQueue[Task | None]"
"""What one thread is told. It has it to itself: of two that wait for the same, either may wake for nothing."""


class Workers:
    """Does tasks, each at once: in a thread that is free, the one that was busy last, or in a new one."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._free: list[_Told] = []
        self._is_closed = False

    def begin(self, task: Task) -> None:
        """Have a task done. Raises RuntimeError where no thread can be started."""
        with self._lock:
            told = self._free.pop() if self._free else None
        if told is None:
            told = SimpleQueue()
            threading.Thread(target=self._work, args=(told,), name=self._name, daemon=True).start()
        told.put(task)

    def close(self) -> None:
        """Let the threads that are free end, and the others when they have done their task; may be called twice."""
        with self._lock:
            self._is_closed = True
            free, self._free = self._free, []
        for told in free:
            told.put(None)

    def _work(self, told: _Told) -> None:
        while (task := told.get()) is not None:
            task()
            del task  # and with it what it holds
            with self._lock:
                if self._is_closed or len(self._free) >= _MOST_FREE:
                    return
                self._free.append(told)
