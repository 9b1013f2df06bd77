"""The tests against values that are known from elsewhere."""

import pytest

from agentctl.compare import statistics
from agentctl.compare.statistics import fisher, mann_whitney, spread


def test_fishers_tea() -> None:
    # The lady tasting tea: 3 of 4 right has a two-sided chance of 34/70.
    assert fisher((3, 1), (1, 3)) == pytest.approx(34 / 70)
    assert fisher((5, 0), (0, 5)) == pytest.approx(2 / 252)
    assert fisher((5, 0), (5, 0)) == 1.0
    assert fisher((0, 0), (1, 2)) is None


def test_mann_whitney_is_exact_for_few_numbers() -> None:
    assert mann_whitney([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]) == pytest.approx(2 / 252)
    assert mann_whitney([1, 2, 3], [4, 5, 6]) == pytest.approx(0.1)
    assert mann_whitney([1, 3, 5], [2, 4, 6]) == pytest.approx(0.7)
    assert mann_whitney([1, 1, 1], [1, 1, 1]) == 1.0
    assert mann_whitney([], [1]) is None


def test_mann_whitney_of_many_numbers_is_close_to_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    close = mann_whitney(range(1, 21), range(6, 26))
    monkeypatch.setattr(statistics, "_MOST_EXACT", 40)
    assert close == pytest.approx(mann_whitney(range(1, 21), range(6, 26)), abs=0.003)
    monkeypatch.undo()
    assert mann_whitney([1.0] * 20, [1.0] * 20) == 1.0


def test_a_spread_is_of_the_numbers_there_are() -> None:
    found = spread([3, 1, 2, 10])
    assert found is not None
    assert (found.least, found.median, found.most, found.n) == (1, 2.5, 10, 4)
    assert spread([]) is None
