"""Lines: measured in cells, broken and cut so that they fit, painted so that nothing is obeyed."""

import re

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agentctl.events.preview import Preview
from agentctl.render.layout import Layout
from agentctl.render.lines import Span, cells, clip, fit, fit_tail, paint, shown_lines, width, wrap
from agentctl.render.look import ASCII, Look
from agentctl.render.typing import Typing

WORDS = st.text("ab 日本\u0301é\u3000", max_size=60)
quick = settings(max_examples=200, deadline=None)


def test_wide_characters_take_two_cells_and_marks_none() -> None:
    assert [cells(text) for text in ("abc", "日本", "e\u0301", "😀", "")] == [3, 4, 1, 2, 0]


@quick
@given(WORDS, st.integers(4, 30))
def test_a_wrapped_line_fits_and_loses_nothing_but_spaces_where_it_breaks(text: str, most: int) -> None:
    rows = wrap(text, most)
    assert all(cells(row.rstrip(" ")) <= most for row in rows)
    assert re.sub(" ", "", "".join(rows)) == re.sub(" ", "", text)


def test_a_line_breaks_at_spaces_and_a_long_word_where_it_must() -> None:
    assert wrap("one two three", 7) == ["one two", "three"]
    assert wrap("  indented text stays so", 12) == ["  indented", "text stays", "so"]
    assert wrap("supercalifragilistic and more", 10) == ["supercalif", "ragilistic", "and more"]
    assert wrap("日本語日本語", 4) == ["日本", "語日", "本語"]


@quick
@given(WORDS, st.integers(1, 30))
def test_a_cut_line_fits_and_keeps_its_beginning_or_its_end(text: str, most: int) -> None:
    for cut in (fit(text, most, "…"), fit_tail(text, most, "…"), fit(text, most, "...")):
        assert cells(cut) <= most
    if cells(text) <= most:
        assert fit(text, most, "…") == fit_tail(text, most, "…") == text


def test_a_path_keeps_its_end() -> None:
    assert fit_tail("/workspace/some/module.py", 12, "…") == "…e/module.py"


@quick
@given(st.lists(WORDS, min_size=1, max_size=4), st.integers(4, 40))
def test_a_clipped_line_fits(texts: list[str], most: int) -> None:
    assert width(clip([Span(text) for text in texts], most, "…")) <= most


@quick
@given(st.lists(st.text("ab \n日\t\r", max_size=12), min_size=1, max_size=12), st.integers(20, 40))
def test_text_that_is_typed_comes_to_the_same_lines_as_the_whole(pieces: list[str], columns: int) -> None:
    text = "".join(pieces)
    assume(text.strip() and not text.endswith("\r"))
    layout = Layout(Look(columns=columns, wraps=True))
    typing = Typing(Preview("text", 0, ""), layout)
    lines = [line for piece in pieces for line in typing.add(Preview("text", 0, piece))] + typing.end()
    whole = layout.prose(text, "")
    typed = ["".join(span.text for span in line).rstrip() for line in lines]
    assert typed == _without_blank_ends(["".join(span.text for span in line).rstrip() for line in whole])


def _without_blank_ends(lines: list[str]) -> list[str]:
    while lines and not lines[0]:
        lines = lines[1:]
    while lines and not lines[-1]:
        lines = lines[:-1]
    return lines


def test_what_is_painted_holds_no_control_character_of_others() -> None:
    line = [Span("\x1b[31mred\x07\x9b2J\u202e\n\t\ud800", "bad")]
    assert paint(line, Look(colour=True)) == "\x1b[31m\\x1b[31mred\\x07\\x9b2J\\u202e\\n\\t\\ud800\x1b[0m"


def test_colours_are_painted_only_where_they_are_wanted() -> None:
    assert paint([Span("a", "bold"), Span(" "), Span("b")], Look(colour=True)) == "\x1b[1ma\x1b[0m b"
    assert paint([Span("a", "bold"), Span(" "), Span("b")], Look(colour=False)) == "a b"


def test_characters_that_cannot_be_written_are_measured_as_what_is_written() -> None:
    look = Look(symbols=ASCII, encoding="ascii")
    assert shown_lines("né", look) == ["n\\xe9"]
    assert cells(shown_lines("né", look)[0]) == 5


def test_markup_is_text() -> None:  # O3
    assert (
        paint([Span("[red]x[/red] [link=http://e]y[/link]")], Look(colour=True))
        == "[red]x[/red] [link=http://e]y[/link]"
    )
