"""A small chaos run; ``python -m tests.crash.chaos`` is the large one."""

from pathlib import Path

from tests.amount import amount
from tests.crash.chaos import Arena, run_chaos

SEED = 20261120


def test_sessions_whose_processes_are_killed_at_random_all_come_to_their_end(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    assert run_chaos(Arena(tmp_path, docker=False), amount(5, 40), SEED) == []
