"""Prices of a person's own: what a file of them may hold, and what is said of one that holds something else."""

from decimal import Decimal
from pathlib import Path

import pytest

from agentctl.catalog import Prices, list_cost
from agentctl.definitions.prices import load_prices
from agentctl.errors import DefinitionError

MILLION = {"input_tokens": 1_000_000}


def written(folder: Path, text: str) -> Path:
    path = folder / "prices.yaml"
    path.write_text(text)
    return path


def test_a_file_that_is_not_there_has_no_rows(tmp_path: Path) -> None:
    assert load_prices(tmp_path / "prices.yaml") == {}


def test_what_is_not_written_of_the_cache_follows_the_usual_rules(tmp_path: Path) -> None:
    rows = load_prices(written(tmp_path, 'house/model: {input: "2", output: "10"}'))
    assert rows == {"house/model": Prices(*map(Decimal, ("2", "10", "2.50", "4", "0.2")))}
    rows = load_prices(
        written(tmp_path, 'm: {input: "2", output: "0", cache_write_5m: "1", cache_write_1h: "0", cache_read: "0.3"}')
    )
    assert rows == {"m": Prices(*map(Decimal, ("2", "0", "1", "0", "0.3")))}


def test_a_row_holds_for_a_model_by_any_of_its_names_and_for_prompts_of_any_length(tmp_path: Path) -> None:
    own = load_prices(written(tmp_path, 'claude-haiku-4-5: {input: "7", output: "1"}'))
    assert list_cost("claude-haiku-4-5-20251001", MILLION, own=own) == 7
    assert list_cost("claude-haiku-4-5", MILLION, own=own) == 7
    assert list_cost("claude-opus-5-5", MILLION, own=own) == 4
    own = load_prices(written(tmp_path, 'claude-haiku-5-5: {input: "7", output: "1"}'))
    assert list_cost("claude-haiku-5-5", MILLION, own=own) == 7


def test_speed_and_region_raise_a_price_of_ones_own_too(tmp_path: Path) -> None:
    own = load_prices(written(tmp_path, '{claude-opus-5-5: {input: "1", output: "1"}, m: {input: "1", output: "1"}}'))
    assert list_cost("claude-opus-5-5", MILLION, speed="fast", inference_geo="us", own=own) == Decimal("2.2")
    assert list_cost("m", MILLION, own=own) == 1
    assert list_cost("m", MILLION, speed="fast", own=own) is None  # nobody knows what that costs


def test_rows_are_kept_as_text_and_read_again() -> None:
    row = Prices(*map(Decimal, ("0.10", "20", "0.125", "0", "0.000000001")))
    assert Prices.from_json({**row.as_json(), "cache_write_1d": "9"}) == row
    assert all(isinstance(price, str) for price in row.as_json().values())


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ('m: {inputt: "1", output: "2"}', "1:5", "m.inputt: is not a known key; did you mean input?"),
        ('m: {output: "2"}', "1:1", "m.input: is missing"),
        ('m:\n  input: 1.5\n  output: "2"', "2:10", "m.input: must be text, not 1.5"),
        ('m: {input: "1", output: "-2"}', "1:25", "m.output: must be US dollars per million tokens"),
        ('m: {input: "1e9", output: "2"}', "1:12", "m.input: must be US dollars per million tokens"),
        ('"a b": {input: "1", output: "2"}', "1:1", "must be a model's id"),
        ("m: 5", "1:4", "m: must be keys and values, not 5"),
        ("[m]", "1:1", "must be keys and values, not a list"),
        ("# nothing", "1:1", "is empty"),
        (
            'claude-opus-4-5: {input: "1", output: "2"}\nclaude-opus-4-5-20251101: {input: "1", output: "2"}',
            "2:1",
            "is a second name of a model",
        ),
    ],
)
def test_what_a_file_must_not_hold_is_said_with_its_place(tmp_path: Path, text: str, place: str, said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        load_prices(written(tmp_path, text))
    whole = "\n".join(str(problem) for problem in caught.value.problems)
    assert f"prices.yaml:{place}: " in whole
    assert said in whole
