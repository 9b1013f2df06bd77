"""Whatever bytes a file holds: a definition, or a DefinitionError of one visible line; nothing else."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentctl.definitions.fields import snapshot
from agentctl.definitions.load import load_any
from agentctl.errors import DefinitionError
from agentctl.visible import visible_line
from tests.definitions.bodies import AGENTS, ENVIRONMENTS

FEW = settings(
    max_examples=500, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)

YAML_AGENT = """\
name: x
model: {id: m, effort: high}   # comment
system: |
  Two
  lines.
tools:
  - type: agent_toolset_20260401
    configs:
      - {name: bash, permission_policy: {type: always_ask}}
      - name: "web_fetch"
        enabled: true
local: {limits: {max_turns: 5, timeout: 1h30m}}
"""

SEEDS = [
    YAML_AGENT.encode(),
    b"---\nname: x\nmodel: m\n---\nBody\n",
    *(json.dumps(body).encode() for body in [*AGENTS, *ENVIRONMENTS]),
]

PIECES = [b"&a", b"*a", b"<<: ", b"!!", b"!!python/name:os.system ", b"%YAML 9.9\n", b"%TAG ! ", b"---\n", b"...\n"]
PIECES += [b"? ", b": ", b"- ", b"[", b"]", b"{", b"}", b",", b"|", b">", b"|9", b"'", b'"', b'"\\', b"\\U0011ffff"]
PIECES += [
    b"\\x",
    b"\\ud800",
    b"#",
    b"\t",
    b"\r",
    b"\n",
    b"\0",
    b"\x85",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\xff",
    b"\xef\xbb\xbf",
]
PIECES += [
    b"9" * 5000,
    b"0777",
    b"1e999",
    b".nan",
    b"NaN",
    b"Infinity",
    b"null",
    b"true",
    b"name",
    b"[" * 40,
    b"{a: " * 40,
]
PIECES += [b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"@", b"`", b"=", b"~"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


def check(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        definition = load_any(path)
    except DefinitionError as error:
        for problem in error.problems:
            assert visible_line(problem.message) == problem.message
            assert visible_line(problem.hint or "") == (problem.hint or "")
            assert (problem.line is None) or (problem.line >= 1 and (problem.column or 0) >= 1)
        return
    json.dumps(snapshot(definition)).encode()


@pytest.mark.parametrize("name", ["a.yaml", "a.json", "a.md"])
def test_random_bytes(name: str, folder: Path) -> None:
    @FEW
    @given(st.binary(max_size=200))
    def run(data: bytes) -> None:
        check(folder / name, data)

    run()


@pytest.mark.parametrize("name", ["a.yaml", "a.json", "a.md"])
def test_random_pieces_of_yaml(name: str, folder: Path) -> None:
    @FEW
    @given(st.lists(st.sampled_from(PIECES), max_size=20))
    def run(pieces: list[bytes]) -> None:
        check(folder / name, (b"---\n" if name == "a.md" else b"") + b"".join(pieces))

    run()


@pytest.mark.parametrize("name", ["a.yaml", "a.json", "a.md"])
def test_valid_files_with_something_changed(name: str, folder: Path) -> None:
    @FEW
    @given(st.data())
    def run(data: st.DataObject) -> None:
        text = data.draw(st.sampled_from(SEEDS))
        for _ in range(data.draw(st.integers(1, 3))):
            begin = data.draw(st.integers(0, len(text)))
            end = min(len(text), begin + data.draw(st.integers(0, 6)))
            text = text[:begin] + data.draw(st.sampled_from([b"", *PIECES])) + text[end:]
        check(folder / name, text)

    run()
