"""The reference page has every key of every model, no key that is none, and examples that load."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from agentctl.definitions.agent import Agent
from agentctl.definitions.environment import DEFAULT_IMAGE, Environment
from agentctl.definitions.fields import Definition
from agentctl.definitions.load import load_any
from tests.definitions.kit import written

PAGE = (Path(__file__).parents[2] / "docs" / "definitions.md").read_text()


def annotations(annotation: Any) -> Iterator[Any]:
    yield annotation
    for argument in get_args(annotation):
        yield from annotations(argument)


def models(model: type[Definition]) -> set[type[Definition]]:
    found = {model}
    for field in model.model_fields.values():
        for part in annotations(field.annotation):
            if isinstance(part, type) and issubclass(part, Definition):
                found |= models(part)
    return found


MODELS = sorted(models(Agent) | models(Environment), key=lambda model: model.__name__)


def table(model: type[Definition]) -> str:
    """The table of one model, as it stands below its mark."""
    found = re.search(rf"<!-- model: {model.__name__} -->\n((?:\|.*\n)+)", PAGE)
    assert found, f"docs/definitions.md has no table for {model.__name__}"
    return found[1]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_the_table_of_a_model_has_exactly_its_keys(model: type[Definition]) -> None:
    assert re.findall(r"^\| `([^`]+)` \|", table(model), re.MULTILINE) == list(model.model_fields)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_the_table_of_a_model_has_every_word_that_a_key_can_be(model: type[Definition]) -> None:
    for name, field in model.model_fields.items():
        for part in annotations(field.annotation):
            if get_origin(part) is Literal and part is field.annotation:
                row = re.search(rf"^\| `{name}` \|.*$", table(model), re.MULTILINE)
                assert row
                assert {f"`{word}`" for word in get_args(part)} <= set(re.findall("`[^`]+`", row[0])) or name == "name"


def test_every_mark_is_a_model() -> None:
    assert sorted(re.findall(r"<!-- model: (\w+) -->", PAGE)) == [model.__name__ for model in MODELS]


def test_the_default_image_is_the_one_that_is_named() -> None:
    assert f"`{DEFAULT_IMAGE}` unless written" in PAGE


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_the_examples_load(text: str, tmp_path: Path) -> None:
    assert load_any(written(tmp_path, "example.yaml", text)).name in text
