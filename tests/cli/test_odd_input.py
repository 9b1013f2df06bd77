"""What nobody means to type: numbers and times out of all bounds, bytes that are no text."""

from pathlib import Path

import pytest

from tests.cli.program import agentctl

AGENT = Path(__file__).parents[2] / "examples" / "agents" / "data-analyst.yaml"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["prune", "--sessions", "--older-than", "999999999d", "--dry-run"], "--older-than reaches back before"),
        (["ls", "-n", "9" * 30], "is more than"),
        (["run", "AGENT", "\udcff"], "the message is not UTF-8 text"),
        (["run", "AGENT", "hi", "--title", "\udcff"], "--title is not UTF-8 text"),
        (["run", "AGENT", "hi", "--max-turns", "9" * 30], "--max-turns"),
        (["deny", "@", "-m", "\udcff"], "--message is not UTF-8 text"),
        (["search", "word", "--agent", "\udcff"], "is not written in UTF-8"),
    ],
)
def test_it_is_refused_in_words(own_home: Path, arguments: list[str], told: str) -> None:
    done = agentctl(*(str(AGENT) if each == "AGENT" else each for each in arguments))
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert not (own_home / "reports").exists()
