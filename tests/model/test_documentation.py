"""docs/models.md says what the code does."""

import re
from pathlib import Path

import pytest

from agentctl.catalog import lookup
from agentctl.definitions.prices import load_prices
from agentctl.model.script import read_script
from tests.api_rules import MODELS

TEXT = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
ROWS = re.findall(r"^\| (`claude-[^|]*)\|([^a-z]*)\|$", TEXT, re.MULTILINE)


def named(cell: str) -> list[str]:
    """Return the models of a row; ``-4-8`` after ``claude-opus-5`` is ``claude-opus-4-8``."""
    family = re.match(r"`(claude-[a-z]+)", cell)
    assert family is not None
    return [name if name.startswith("claude") else family[1] + name for name in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize(("cell", "numbers"), ROWS)
def test_the_prices_are_those_that_are_charged(cell: str, numbers: str) -> None:
    for model in named(cell):
        facts = lookup(model)
        assert facts is not None
        prices = facts.long_prices if "longer" in cell else facts.prices
        assert prices is not None
        row = (prices.input, prices.output, prices.cache_write_5m, prices.cache_write_1h, prices.cache_read)
        assert [float(number) for number in numbers.split("|")] == [float(price) for price in row]


def test_every_model_has_its_row() -> None:
    rows = {lookup(model) for cell, _ in ROWS for model in named(cell)}
    assert rows == {lookup(model) for model in MODELS}


def test_the_script_in_it_is_one(tmp_path: Path) -> None:
    block = re.search(r"## Scripts.*?```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert block is not None
    (tmp_path / "script.yaml").write_text(block[1])
    assert len(read_script(tmp_path / "script.yaml").turns) == 2


def test_the_prices_of_ones_own_in_it_are_some(tmp_path: Path) -> None:
    block = re.search(r"### Prices of your own.*?```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert block is not None
    (tmp_path / "prices.yaml").write_text(block[1])
    assert set(load_prices(tmp_path / "prices.yaml")) == {"our-gateway/opus", "claude-opus-5-5"}
