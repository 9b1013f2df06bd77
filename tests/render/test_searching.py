"""Where something stands that was searched for."""

import pytest

from agentctl.events.user import UserMessage
from agentctl.render.searching import excerpt, holds


@pytest.mark.parametrize(
    ("text", "sought", "shown"),
    [
        ("one\nwhat stands long before the Needle here\ntwo", "needle", " before the Needle here"),
        (f"{'ß' * 40} the Straße here", "STRASSE", "ßßßßßßß the Straße here"),
        (f"{'ß' * 40} needle", "needle", f"{'ß' * 11} needle"),
        ("one\ntwo\nthree", "two\nthr", "two\nthree"),
        ("something else", "needle", ""),
    ],
)
def test_what_was_found_is_in_the_piece_that_is_shown(text: str, sought: str, shown: str) -> None:
    event = UserMessage(id="sevt_1", content=[{"type": "text", "text": text}])
    assert excerpt(event, sought) == shown
    assert holds(event, sought) == bool(shown)
