"""Tables: as wide as they need to be, and where that is too wide, what is least needed gives way."""

from agentctl.render.lines import Span, paint
from agentctl.render.listing import table
from agentctl.render.look import Look

HEAD = ("NAME", "N", "KIND", "MESSAGE")
ROWS = [
    [Span("a-name-that-somebody-chose"), Span("1"), Span("a-kind-of-thing"), Span("the first words of a message")],
    [Span("b"), Span("20"), Span("x"), Span("日本語" * 10)],
]


def drawn(columns: int, *, wraps: bool = True) -> list[str]:
    return [
        paint(line, Look(columns, wraps=wraps))
        for line in table(HEAD, ROWS, Look(columns, wraps=wraps), (1,), {2: 6, 0: 10})
    ]


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    assert drawn(100)[:2] == [
        "NAME                         N  KIND             MESSAGE",
        "a-name-that-somebody-chose   1  a-kind-of-thing  the first words of a message",
    ]
    assert drawn(40, wraps=False) == [
        *drawn(100)[:2],
        "b                           20  x                " + "日本語" * 10,
    ]


def test_what_is_least_needed_gives_way_to_the_last_column() -> None:
    assert drawn(70)[1] == "a-name-that-somebody-chose   1  a-kind-of-…  the first words of a me…"
    assert drawn(52) == [
        "NAME            N  KIND    MESSAGE",
        "a-name-that-…   1  a-kin…  the first words of a me…",
        "b              20  x       日本語日本語日本語日本…",
    ]
    assert drawn(30)[1] == "a-name-th…   1  a-kin…  the…"
