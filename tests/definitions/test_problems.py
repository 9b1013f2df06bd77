"""What is said about a file that is wrong: every problem, with its place and the nearest right thing."""

from pathlib import Path

import pytest

from agentctl.definitions.load import load_agent, load_any, load_environment
from agentctl.errors import DefinitionError, UsageError
from tests.definitions.kit import problems, written


def test_every_problem_is_told_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """name: 5
sytem: You help.
model: {id: m, speed: fats}
tools:
  - type: agent_toolset_20260401
    configs:
      - {name: bash, enabled: yes}
      - {nmae: read}
max_turns: 3
version: 2
"""
    assert problems(written(tmp_path, "agent.yaml", text)) == [
        "1:7: name: must be text, not 5",
        "2:1: sytem: is not a known key; did you mean system?",
        '3:23: model.speed: must be one of standard, fast, not "fats"; did you mean fast?',
        '7:31: tools[0].configs[0].enabled: must be true or false, not "yes"',
        "8:9: tools[0].configs[1].name: is missing",
        "8:10: tools[0].configs[1].nmae: is not a known key; did you mean name?",
        "9:1: max_turns: is not a known key; did you mean local.limits.max_turns?",
        "10:1: version: is what the API answers, not part of a definition: leave it out",
    ]


def test_a_key_in_the_wrong_place_is_shown_the_right_one(tmp_path: Path) -> None:
    text = "name: x\nconfig: {type: docker}\nnetworking: {type: none}\nallowed_hosts: []\n"
    assert problems(written(tmp_path, "env.yaml", text)) == [
        "3:1: networking: is not a known key; did you mean config.networking?",
        "4:1: allowed_hosts: is not a known key; did you mean config.networking.allowed_hosts?",
    ]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("name: 1.10\nmodel: m", 'Write it in quotes: "1.10".'),
        ("name: true\nmodel: m", 'Write it in quotes: "true".'),
        ("name:\nmodel: m", None),
        ("name: [1]\nmodel: m", None),
        (
            "name: x\nmodel: m\ntools: [{type: agent_toolset_20260401, configs: [{name: bash, enabled: off}]}]",
            "Write false.",
        ),
        ("name: x\nmodel: m\nskills: xlsx", 'Write it as a list: ["xlsx"].'),
        ("name: x\nmodel: {id: m, top_p: 1}", "The keys here are: id, effort, speed, inference_geo."),
        ("name: x\nmodel: *m", "Write the value out."),
    ],
)
def test_the_hint_says_what_to_write(text: str, hint: str | None, tmp_path: Path) -> None:
    with pytest.raises(DefinitionError) as caught:
        load_agent(written(tmp_path, "agent.yaml", text))
    assert caught.value.hint == hint


def test_the_error_is_the_first_problem_and_holds_the_others(tmp_path: Path) -> None:
    path = written(tmp_path, "agent.yaml", "nam: x\nmodel: m\n")
    with pytest.raises(DefinitionError) as caught:
        load_agent(path)
    error = caught.value
    assert isinstance(error, UsageError)
    assert (error.path, error.line, error.column, error.exit_code) == (str(path), 1, 1, 2)
    assert str(error) == f"{path}:1:1: nam: is not a known key; did you mean name?"
    assert [problem.message for problem in error.problems] == [error.message, "name: is missing"]


def test_a_tag_of_a_union_is_not_taken_for_a_key_of_the_file(tmp_path: Path) -> None:
    text = """name: x
model: m
tools:
  - custom: {name: hidden}
    type: custom
    name: "not ok"
    description: d
    input_schema: {type: object}
"""
    assert problems(written(tmp_path, "agent.yaml", text)) == [
        "4:5: tools[0].custom: is not a known key",
        "6:11: tools[0].name: must be 1 to 128 letters, digits, underscores and hyphens",
    ]


def test_the_wrong_key_of_a_mapping_is_pointed_to_itself(tmp_path: Path) -> None:
    text = "name: x\nconfig:\n  type: docker\n  env:\n    1st: one\n    ok: two\n"
    assert problems(written(tmp_path, "e.yaml", text)) == [
        "5:5: config.env.1st: is not a name that a variable can have"
    ]


def test_hostile_keys_and_values_stay_on_one_visible_line(tmp_path: Path) -> None:
    text = (
        '{"name": "x", "model": "m", "a\\n\\u001b[31m\\u202e": 1, "metadata": {"\\u0007k": 1}, "system": ["\\u001b"]}'
    )
    found = problems(written(tmp_path, "agent.json", text))
    assert len(found) == 3
    for line in found:
        assert line.isprintable()


def test_a_long_value_is_cut(tmp_path: Path) -> None:
    [found] = problems(written(tmp_path, "e.yaml", f"name: x\nconfig:\n  type: {'d' * 10_000}\n"))
    assert len(found) < 200
    [found] = problems(written(tmp_path, "e.json", f'{{"model": "m", "name": 0.{"1" * 10_000}}}'))
    assert len(found) < 200


def test_thousands_of_problems_are_cut_to_a_hundred(tmp_path: Path) -> None:
    text = "name: x\nmodel: m\n" + "".join(f"key{n}: 1\n" for n in range(5000))
    assert len(problems(written(tmp_path, "agent.yaml", text))) == 100


def test_a_list_is_not_called_too_short_because_its_entries_are_wrong(tmp_path: Path) -> None:
    text = "name: x\nmodel: m\nmultiagent: {type: coordinator, agents: [7]}\n"
    assert problems(written(tmp_path, "agent.yaml", text)) == [
        "3:42: multiagent.agents[0]: must be text, or keys and values"
    ]


def test_both_loaders_speak_of_their_own_kind(tmp_path: Path) -> None:
    path = written(tmp_path, "x.yaml", "{}")
    with pytest.raises(DefinitionError, match="name: is missing") as as_agent:
        load_agent(path)
    assert [problem.message for problem in as_agent.value.problems] == ["name: is missing", "model: is missing"]
    with pytest.raises(DefinitionError, match="name: is missing") as as_environment:
        load_environment(path)
    assert [problem.message for problem in as_environment.value.problems] == ["name: is missing"]


def test_load_any_is_as_strict(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="netwrok"):
        load_any(written(tmp_path, "e.yaml", "name: x\nconfig: {type: docker, netwrok: {type: limited}}"))
