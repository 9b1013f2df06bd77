"""What a terminal obeys, hides or reorders is made visible; everything else stays as it is."""

import json
import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from agentctl.render.jsonl import json_line
from agentctl.visible import visible, visible_json, visible_line

ALL = [chr(code) for code in range(0x110000)]


def obeyed(character: str) -> bool:
    """Say whether a terminal does something else with a character than to draw it."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def test_nothing_that_a_terminal_obeys_is_left() -> None:
    left = [character for character in ALL if obeyed(character) and visible(character) == character]
    # Newline and tab are text; the rest are signs of scripts that are drawn like letters.
    arabic = [*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2]
    others = [character for character in ALL[0x110BD:0x1D17B] if obeyed(character)]
    assert set(left) <= {"\n", "\t", *map(chr, arabic), *others}


def test_escapes_say_which_character_it_was() -> None:
    assert visible("a\x1b[2J\x9b\u202e\ud800\U000e0041b") == "a\\x1b[2J\\x9b\\u202e\\ud800\\U000e0041b"
    assert visible("one\r\ntwo\rthree\n") == "one\ntwo\\rthree\n"
    assert visible_line("a\tb\nc") == "a\\tb\\nc"


def test_an_emoji_stays_one_and_no_other_selector_does() -> None:
    for text in ("\u26a0\ufe0f", "a \u2705 \u2764\ufe0f\u2764\ufe0f b", "1\ufe0f\u20e3", "\u00a9\ufe0f"):
        assert visible(text) == visible_line(text) == text
    for text in ("\ufe0f", "a\ufe0f", "1\ufe0f", "\u26a0\ufe00", "\u65e5\ufe0f", "#\ufe0f1"):
        assert "\\ufe0" in visible(text)
    assert visible("\u26a0\ufe0f\ufe0f") == "\u26a0\ufe0f\\ufe0f"


@given(st.text())
def test_text_that_is_visible_already_stays(text: str) -> None:
    assert visible(visible(text)) == visible(text)
    assert "\n" not in visible_line(text)


@given(st.recursive(st.text(st.characters()), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_says_the_same_and_holds_nothing_that_is_obeyed(value: object) -> None:
    line = json_line(value)
    assert json.loads(line) == value
    assert line.endswith("\n")
    assert visible_line(line[:-1]) == line[:-1]
    assert "\ufe0f" not in line


def test_json_with_lone_surrogates_and_astral_characters_is_escaped_as_json_does() -> None:
    assert visible_json('"\ud800\U000e0041\x7f"') == '"\\ud800\\udb40\\udc41\\u007f"'
    assert json.loads(visible_json('"\ud800\U000e0041\x7f"')) == "\ud800\U000e0041\x7f"
    assert re.fullmatch(r'"[\x20-\x7e]*"\n', json_line("\ud800\u202e\x9b"))
