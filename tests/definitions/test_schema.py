"""The JSON Schema accepts what the models accept, and refuses what a schema can refuse."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from agentctl.canonical import JsonObject
from agentctl.definitions.agent import Agent
from agentctl.definitions.environment import Environment
from agentctl.definitions.fields import Definition, snapshot
from agentctl.definitions.reading import read_definition
from agentctl.definitions.schema import agent_schema, environment_schema
from tests.definitions.bodies import AGENTS, ENVIRONMENTS

EXAMPLES = Path(__file__).parents[2] / "examples"

BEYOND_SCHEMA = {
    "definition",  # one part does not fit another
    "value_error",  # a size or a duration of the right form that is too small or too large
}

KINDS = [
    pytest.param(Agent, agent_schema(), AGENTS, id="agent"),
    pytest.param(Environment, environment_schema(), ENVIRONMENTS, id="environment"),
]


def problems(model: type[Definition], body: object) -> set[str]:
    try:
        model.model_validate(body)
    except ValidationError as error:
        return {each["type"] for each in error.errors()}
    return set()


@pytest.mark.parametrize(("model", "schema", "bodies"), KINDS)
def test_the_schema_is_one_and_has_a_name_and_a_title(
    model: type[Definition], schema: JsonObject, bodies: list[JsonObject]
) -> None:
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"].startswith("urn:agentctl:schema:")
    assert schema["title"]
    assert schema["additionalProperties"] is False
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize(("model", "schema", "bodies"), KINDS)
def test_every_field_has_a_description(model: type[Definition], schema: JsonObject, bodies: list[JsonObject]) -> None:
    for part in (schema, *schema["$defs"].values()):
        for name, field in part.get("properties", {}).items():
            assert field.get("description"), f"{part['title']}.{name}"


@pytest.mark.parametrize(("model", "schema", "bodies"), KINDS)
def test_the_schema_accepts_whole_bodies_and_their_snapshots(
    model: type[Definition], schema: JsonObject, bodies: list[JsonObject]
) -> None:
    validator = Draft202012Validator(schema)
    for body in bodies:
        validator.validate(body)
        validator.validate(snapshot(model.model_validate(body)))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*ents/*")), ids=lambda path: path.name)
def test_the_schema_accepts_every_example(path: Path) -> None:
    document, _ = read_definition(path)
    schema = agent_schema() if path.parent.name == "agents" else environment_schema()
    Draft202012Validator(schema).validate(document.value)


SCALARS = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 2.5, 10**12, "", "x", "bash", "none", "limited", "docker", "cloud", "custom"),
        *("agent", "self", "enabled", "disabled", "only", "2g", "30m", "two gigs", "-x", "a.b", "*", "A_1", "x" * 300),
    ]
)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=2),
    st.dictionaries(st.sampled_from(["type", "name", "id", "k", "1k", ""]), SCALARS, max_size=2),
)
KEYS = st.sampled_from(["type", "name", "id", "version", "model", "tools", "image", "env", "enabled", "x", "1"])


def containers(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield value
        for part in value.values() if isinstance(value, dict) else value:
            yield from containers(part)


def changed(draw: Any, bodies: list[JsonObject]) -> JsonObject:
    """A whole body with up to three changes: something replaced, dropped, added or doubled."""
    body = copy.deepcopy(draw(st.sampled_from(bodies)))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(list(containers(body))))
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        what = draw(st.sampled_from(["replace", "drop", "add"])) if keys else "add"
        if what == "replace":
            place[draw(st.sampled_from(keys))] = draw(VALUES)
        elif what == "drop":
            del place[draw(st.sampled_from(keys))]
        elif isinstance(place, dict):
            place[draw(KEYS)] = draw(VALUES)
        else:
            place.append(copy.deepcopy(draw(st.sampled_from(place))) if place else draw(VALUES))
    return body


@pytest.mark.parametrize(("model", "schema", "bodies"), KINDS)
def test_schema_and_models_agree_on_changed_bodies(
    model: type[Definition], schema: JsonObject, bodies: list[JsonObject]
) -> None:
    validator = Draft202012Validator(schema)
    seen: set[tuple[bool, bool]] = set()

    @settings(
        max_examples=1000, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(st.data())
    def agree(data: st.DataObject) -> None:
        body = changed(data.draw, bodies)
        found, accepted = problems(model, body), validator.is_valid(body)
        seen.add((not found, accepted))
        if not found:
            assert accepted, f"the models accept what the schema refuses: {list(validator.iter_errors(body))}"
        elif accepted:
            assert found <= BEYOND_SCHEMA, f"the schema accepts what the models refuse for {found}"

    agree()
    assert {(True, True), (False, False)} <= seen
