"""What a stream can show: asked of the stream and of the environment."""

import io
import os
from collections.abc import Iterator

import pytest

from agentctl.render.lines import cells, shown, shown_lines
from agentctl.render.look import ASCII, UNICODE, Look, look_of

UTF8 = {"LANG": "en_US.UTF-8", "TERM": "xterm-256color"}


@pytest.fixture
def terminal() -> Iterator[io.TextIOWrapper]:
    _, follower = os.openpty()
    with open(follower, "w", encoding="utf-8") as stream:
        yield stream


def pipe(encoding: str = "utf-8") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


def test_a_terminal_takes_colours_and_a_moving_cursor(terminal: io.TextIOWrapper) -> None:
    look = look_of(terminal, UTF8)
    assert (look.colour, look.moves, look.wraps, look.symbols, look.encoding) == (True, True, True, UNICODE, None)


@pytest.mark.parametrize("term", ["dumb", "", "unknown"])
def test_a_plain_terminal_takes_neither(terminal: io.TextIOWrapper, term: str) -> None:
    look = look_of(terminal, UTF8 | {"TERM": term})
    assert (look.colour, look.moves, look.wraps) == (False, False, True)


def test_no_color_takes_the_colours_away_and_leaves_the_rest(terminal: io.TextIOWrapper) -> None:
    assert look_of(terminal, UTF8 | {"NO_COLOR": "1"}).colour is False
    assert look_of(terminal, UTF8 | {"NO_COLOR": "1"}).moves is True
    assert look_of(terminal, UTF8 | {"NO_COLOR": ""}).colour is True


@pytest.mark.parametrize(
    ("environment", "symbols"),
    [
        ({}, UNICODE),
        ({"LANG": "de_DE.UTF-8"}, UNICODE),
        ({"LANG": "C"}, ASCII),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, ASCII),  # what Python itself makes of LANG=C
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "POSIX"}, ASCII),
        ({"LANG": "C", "LC_ALL": "C.UTF-8"}, UNICODE),
        ({"LANG": "C", "LC_CTYPE": "en_US.UTF-8"}, UNICODE),
    ],
)
def test_symbols_follow_the_locale(environment: dict[str, str], symbols: object) -> None:
    assert look_of(pipe(), environment).symbols is symbols


def test_a_stream_that_cannot_write_everything_gets_ascii_and_escapes() -> None:
    look = look_of(pipe("latin-1"), UTF8)
    assert look.symbols is ASCII
    assert look.writable("é日") == "é\\u65e5"
    assert look_of(pipe("latin-1"), UTF8).encoding == "latin-1"


def test_the_width_of_what_is_no_terminal_is_what_columns_says() -> None:
    assert look_of(pipe(), {"COLUMNS": "50"}) == Look(columns=50, wraps=True)
    assert look_of(pipe(), {"COLUMNS": "3"}).columns == 20
    for wrong in ("", "0", "-4", "wide", "99999999"):
        assert look_of(pipe(), {"COLUMNS": wrong}).columns == 100
    assert look_of(pipe(), {}).wraps is False
    assert look_of(None, {}) == Look()


def test_a_terminal_is_not_asked_for_an_emoji_whose_width_nobody_knows() -> None:
    text = "\u26a0\ufe0f sure"
    assert shown(text, Look(moves=True)) == "\u26a0 sure"
    assert [cells(row) for row in shown_lines(text, Look(moves=True))] == [6]
    assert shown(text, Look()) == text
