"""docs/limits.md says what the code does: every limit, every number, and an example that loads."""

import re
from pathlib import Path

import pytest

from agentctl.definitions import agent as definitions
from agentctl.definitions.load import load_agent
from agentctl.policy.permissions import Rules
from agentctl.policy.retry import DEFAULT, Failure, after_failure
from agentctl.policy.stuck import Thresholds

PAGE = (Path(__file__).parents[2] / "docs" / "limits.md").read_text()


def rows(section: str) -> list[list[str]]:
    """The rows of the table in a section, without its head."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^\|(.*)\|$", text, re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")] for line in lines[2:]]


def test_every_limit_is_told() -> None:
    assert {row[0].strip("`") for row in rows("Limits")} == set(definitions.Limits.model_fields)


def test_the_usual_thresholds_are_the_ones_that_are_told() -> None:
    told = {row[2].partition(",")[0].strip("`"): int(row[0]) for row in rows("Circles")}
    assert told == {name: getattr(Thresholds(), name) for name in Thresholds.__slots__}


def test_the_waits_are_the_ones_that_are_told() -> None:
    waits = [after_failure(Failure("api_error", retryable=True), number, 0.0, 1.0) for number in range(1, 9)]
    assert f"up to {', '.join(f'{wait:g}' for wait in waits[:-1] if wait is not None)} seconds" in PAGE
    assert waits[-1] is None
    assert f"at most {DEFAULT.most_attempts} times" in PAGE
    assert (DEFAULT.most_waiting_seconds, DEFAULT.longest_asked_seconds, DEFAULT.patient_factor) == (600, 120, 4)


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_the_example_loads(text: str, tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(text)
    local = load_agent(path).local
    assert Rules.from_json(definitions.snapshot(local.permissions), "/workspace").ordered
