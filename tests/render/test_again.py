"""What a rerun came to, in lines."""

from agentctl.compare.again.findings import Divergence, Findings
from agentctl.compare.causes import Cause
from agentctl.render.again import findings_lines
from agentctl.render.look import Look

THEN = "took 1.2s\n/tmp/tmpab12cd_x\nrows: 240\nthe end"
NOW = "took 3.4s\n/tmp/tmpzz98yx_q\nrows: 239\nthe end"


def lines_of(recorded: str, live: str) -> list[str]:
    cause = Cause("output_differs", "output: …")
    found = Divergence(7, 9, "bash", {"command": "count"}, "effects", cause, recorded=recorded, live=live)
    lines = findings_lines(Findings((found,)), Look(columns=80), is_log=False, show_all=False)
    return ["".join(span.text for span in line) for line in lines]


def test_the_lines_that_are_shown_of_both_texts_are_those_that_are_no_noise() -> None:
    assert lines_of(THEN, NOW)[2:] == ["    then rows: 240", "    now  rows: 239"]


def test_noise_is_shown_where_there_is_nothing_else() -> None:
    assert lines_of("took 1.2s", "took 3.4s")[2:] == ["    then took 1.2s", "    now  took 3.4s"]


def test_how_many_calls_came_to_the_same_is_said_in_words() -> None:
    found = Findings(compared=6, steps={"exact": 3, "normalised": 0, "effects": 2, "different": 1}, rules=("times",))
    (line,) = findings_lines(found, Look(columns=80), is_log=False, show_all=False)
    text = "".join(span.text for span in line)
    assert text == "  compared 6 calls: 3 exact, 2 the same in effect, 1 different; noise: times"
