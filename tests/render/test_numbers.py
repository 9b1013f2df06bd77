"""Numbers as people read them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from agentctl.ids import time_of
from agentctl.render.numbers import age, amount, count, duration, many, money, size, span, whole

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("dollars", "text"),
    [(None, "no price"), ("0", "$0"), ("0.04488", "$0.0449"), ("0.00001", "$0.0000"), ("1.5", "$1.50")],
)
def test_money(dollars: str | None, text: str) -> None:
    assert money(None if dollars is None else Decimal(dollars)) == text


@pytest.mark.parametrize(("value", "back"), [("0.1", Decimal("0.1")), (None, None), ("x", None), ({}, None)])
def test_money_in_the_record(value: object, back: Decimal | None) -> None:
    assert amount(value) == back


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (12_345, "12.3k"), (999_999, "1.0M")],
)
def test_counts(number: int, text: str) -> None:
    assert count(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0s"), (0.04, "0.0s"), (9.94, "9.9s"), (9.96, "10s"), (59.4, "59s"), (59.6, "1m 00s"), (72, "1m 12s"),
        (3599.7, "1h 00m"), (7500, "2h 05m"), (86_400, "1d 0h"), (360_000, "4d 4h"),
    ],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (36_000, "36 kB"), (999_999, "1.0 MB"), (5 * 10**12, "5.0 TB")],
)
def test_sizes(number: int, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "now"), (0.5, "now"), (59, "59s"), (60, "1m"), (7200, "2h"), (900_000, "10d")]
)
def test_ages(seconds: float, text: str) -> None:
    assert age(NOON - timedelta(seconds=seconds), NOON) == text
    assert age(None, NOON) == "?"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "5s"), (0.5, "0.5s"), (90, "1m 30s"), (1800.0, "30m"), (7200, "2h"), (5400, "1h 30m"), (86_400, "1d")],
)
def test_spans_that_somebody_chose(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_nouns_and_numbers_that_are_none() -> None:
    assert [many(number, "call") for number in (0, 1, 2000)] == ["0 calls", "1 call", "2,000 calls"]
    assert [whole(value) for value in (3, -1, "4", None, 2.5)] == [3, 0, 0, 0, 0]
    assert time_of("2026-11-20T12:00:00Z") == NOON
    assert [time_of(text) for text in (None, "", "yesterday", "2026-11-20T12:00:00")] == [None] * 4
