"""Threads that are used again: to start one takes longer than many a request does."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeAlias

_MOST_FREE = 8

Task: TypeAlias = Callable[[], None]
"""Something to be done in a thread; raises nothing."""


class Workers:
    """Does tasks, each at once: in a thread that is free, or in a new one."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._free = 0
        self._is_closed = False

    def begin(self, task: Task) -> None:
        """Have a task done. Raises RuntimeError where no thread can be started."""
        with self._lock:
            is_one_free = self._free > 0
            self._free -= is_one_free
        if not is_one_free:
            threading.Thread(target=self._work, name=self._name, daemon=True).start()
        self._tasks.put(task)

    def close(self) -> None:
        """Let the threads that are free end, and the others when they have done their task; may be called twice."""
        with self._lock:
            self._is_closed = True
            free, self._free = self._free, 0
        for _ in range(free):
            self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
            del task  # and with it what it holds
            with self._lock:
                if self._is_closed or self._free >= _MOST_FREE:
                    return
                self._free += 1
