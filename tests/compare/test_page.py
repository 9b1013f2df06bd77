"""What a person reads: the cause first, and nothing that a terminal would obey."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from agentctl.compare.difference import LAYERS
from agentctl.compare.metrics import NAMES, Metric
from agentctl.compare.rules import BUILT_IN_NAMES
from agentctl.compare.statistics import ENOUGH
from agentctl.render.diff.markdown import markdown
from agentctl.render.diff.page import Page, Wanted
from agentctl.render.diff.words import metric_text, metrics_texts, share_text
from agentctl.render.lines import cells, paint_all
from agentctl.render.look import ASCII, Look, Symbols
from tests.cli.program import ROOT
from tests.compare.days import MONDAY, TUESDAY
from tests.compare.kit import Plan, bash, compared
from tests.render.stage import unclean

PAGES = Path(__file__).parent / "pages"
HOSTILE = "\x1b]0;title\x07\u202egnp.exe \x9b2J"


def page(a: Plan, b: Plan, look: Look, **wanted: bool) -> str:
    return paint_all(Page(compared(a, b), look, Wanted(**wanted)).lines(), look)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_page_is_as_it_was(columns: int) -> None:
    """To change how it looks: change the renderer, read the difference, replace the snapshot."""
    drawn = page(MONDAY, TUESDAY, Look(columns=columns, wraps=True))
    snapshot = PAGES / f"{columns}.txt"
    assert drawn == snapshot.read_text(encoding="utf-8")
    assert max(cells(row) for row in drawn.splitlines()) < columns


def test_everything_is_as_it_was() -> None:
    drawn = page(MONDAY, TUESDAY, Look(columns=80, wraps=True), everything=True, text=True)
    assert drawn == (PAGES / "all.txt").read_text(encoding="utf-8")


def test_the_numbers_are_as_they_were() -> None:
    drawn = page(MONDAY, TUESDAY, Look(columns=80, wraps=True), stat=True)
    assert drawn == (PAGES / "stat.txt").read_text(encoding="utf-8")


def test_the_markdown_is_as_it_was() -> None:
    assert markdown(compared(MONDAY, TUESDAY), None) == (PAGES / "pull-request.md").read_text(encoding="utf-8")


def test_the_cause_is_among_the_first_lines() -> None:
    first, *_ = page(MONDAY, TUESDAY, Look(columns=100)).splitlines()
    assert first == "environment differs: image digest sha256:c3c3c3c3c3c3 -> sha256:d4d4d4d4d4d4"


def test_a_plain_stream_gets_ascii_and_no_colours() -> None:
    look = Look(columns=100, symbols=ASCII, encoding="ascii")
    drawn = page(MONDAY, TUESDAY, look, everything=True, text=True)
    assert drawn.isascii()
    assert "\x1b" not in drawn


@pytest.mark.parametrize("columns", [40, 100])
def test_nothing_that_a_terminal_obeys_comes_through(columns: int) -> None:
    one = Plan(((bash(f"echo {HOSTILE}", HOSTILE),), (bash(f"cat {HOSTILE}"),)), message=HOSTILE, said=HOSTILE)
    other = Plan(((bash(f"echo {HOSTILE}", HOSTILE * 2),), (bash(f"cat a{HOSTILE}"),)), created={"model": HOSTILE})
    look = Look(columns=columns, colour=True, wraps=True)
    for a, b in ((one, other), (other, one)):
        drawn = page(a, b, look, everything=True, text=True)
        assert not unclean(drawn)
        assert max(cells(row) for row in page(a, b, Look(columns=columns, wraps=True)).splitlines()) < columns
        assert not unclean(markdown(compared(a, b), None))


def test_nothing_in_markdown_is_more_than_text() -> None:
    one = Plan(((bash("echo <img src=x> `a` | [l](http://x)", "```\n<script>"),),))
    other = one.with_call(0, bash("echo <img src=x> `a` | [l](http://x)", "````\n@everyone"))
    text = markdown(compared(one, other), None)
    before, inside, behind = text.split("`````")
    assert inside.startswith("diff\n")
    assert "@everyone" in inside
    assert not re.search(r"(?<!\\)[<`\[@]", before + behind)
    assert "\\<img" in before


def test_every_rule_and_layer_is_explained() -> None:
    text = (ROOT / "docs" / "diff.md").read_text(encoding="utf-8")
    rules = set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))
    assert rules == {*BUILT_IN_NAMES, *LAYERS}
    assert all(f"`{name}`" in text for name in NAMES)
    assert f"fewer than {ENOUGH} runs" in text


@pytest.mark.parametrize("symbols", [Look().symbols, ASCII])
def test_a_row_that_is_cut_is_no_wider_than_the_others(symbols: Symbols) -> None:
    other = MONDAY.but(created={"model": "a-model-with-a-name " * 20})
    for columns in range(40, 80):
        look = Look(columns=columns, wraps=True, symbols=symbols)
        drawn = page(MONDAY, other, look)
        assert f"{symbols.ellipsis}\n" in drawn
        assert max(cells(row) for row in drawn.splitlines()) < columns, columns


def test_numbers_that_read_the_same_are_not_told() -> None:
    tokens = Metric("tokens", 6_010, 6_020)
    assert metrics_texts([Metric(name, 1, 1) for name in NAMES if name != "tokens"] + [tokens]) == []
    seconds = Metric("seconds", 1.21, 1.22, "s")
    assert (share_text(tokens), share_text(seconds)) == ("", "")
    assert metric_text(Metric("cost", Decimal("0.0449"), Decimal("0.0450"), "USD")) == "cost $0.0449 -> $0.0450"
    assert metric_text(Metric("calls", 5, 6)) == "calls 5 -> 6 (+20%)"
