"""Transcripts of other programs beside sessions of our own: the same work is the same, under whatever names."""

from typing import Any

from agentctl.compare.sessions import Compared
from agentctl.render.diff.body import diff_body
from agentctl.render.diff.heading import heading
from agentctl.render.diff.markdown import markdown
from agentctl.render.diff.page import Page, Wanted
from agentctl.render.lines import paint_all
from agentctl.render.look import Look
from tests.compare.kit import Done, Plan, bash, changed, compared

PLACE = "/home/me/project"

OWN = Plan(
    (
        (bash("cat a.csv && wc -l a.csv", "1,2"),),
        (Done("glob", {"pattern": "*"}, "/workspace/a.csv", None),),
        (Done("read", {"file_path": "/workspace/a.csv"}, "1,2", None),),
    ),
    outputs=({"path": "out.md", "size": 3, "sha256": "1" * 64},),
)


def transcript(*calls: Done, form: str = "Claude Code") -> Plan:
    imported = {"format": form, "name": "a.jsonl", "sha256": "0" * 64}
    created = {"imported": imported, "sandbox": {"kind": "imported"}, "environment": {"name": PLACE}, "limits": {}}
    return Plan(tuple((call,) for call in calls), created={**created, "agent": {"name": form}})


CLAUDE = transcript(
    Done("Bash", {"command": "cat a.csv && wc -l a.csv", "description": "Look at it"}, "1,2", None),
    Done("Glob", {"pattern": "*"}, f"{PLACE}/a.csv", None),
    Done("Read", {"file_path": f"{PLACE}/a.csv"}, "1,2", None),
)
CODEX = transcript(
    Done("shell", {"command": ["bash", "-lc", "cat a.csv && wc -l a.csv"], "timeout": 1000}, "1,2", None),
    form="Codex CLI",
)


def steps(found: Compared) -> list[tuple[bool, bool]]:
    return [(step.a is not None and step.b is not None, step.same_arguments) for step in found.steps]


def page(found: Compared, **wanted: Any) -> str:
    look = Look(columns=100, wraps=True)
    return paint_all(Page(found, look, Wanted(**wanted)).lines(), look)


def test_the_same_work_in_another_program_is_the_same() -> None:
    for one, other in ((OWN, CLAUDE), (CLAUDE, OWN), (CLAUDE, CLAUDE)):
        found = compared(one, other)
        assert steps(found) == [(True, True)] * 3
        assert not found.differing
        assert heading(found)[0] == "the same"


def test_the_shell_of_codex_is_bash() -> None:
    found = compared(OWN.but(turns=OWN.turns[:1]), CODEX)
    assert [step.b and step.b.input for step in found.steps] == [
        {"command": "cat a.csv && wc -l a.csv", "timeout_ms": 1000}
    ]


def test_what_codex_says_of_its_own_program_is_no_part_of_a_command_or_of_its_output() -> None:
    heads = (
        "Exit code: 0\nWall time: 0.1 seconds\nOutput:\n",
        "Chunk ID: 5a1f\nWall time: 0.25 seconds\nProcess exited with code 0\nOriginal token count: 3\nOutput:\n",
    )
    asked = {"cmd": "cat a.csv && wc -l a.csv", "workdir": PLACE, "yield_time_ms": 1000, "justification": "to look"}
    for head in heads:
        codex = transcript(Done("exec_command", asked, f"{head}1,2", None), form="Codex CLI")
        found = compared(OWN.but(turns=OWN.turns[:1]), codex)
        assert steps(found) == [(True, True)]
        assert not found.differing
    elsewhere = transcript(Done("shell_command", {**asked, "workdir": "/srv"}, "1,2", None), form="Codex CLI")
    assert steps(compared(OWN.but(turns=OWN.turns[:1]), elsewhere)) == [(True, False)]


def test_the_folder_of_a_transcript_is_the_workspace_and_no_other_is() -> None:
    beside = f"{PLACE}2 {PLACE}-old {PLACE}.bak /backup{PLACE}/a"
    told = f"cd {PLACE} && ls '{PLACE}' {PLACE}/a.csv in {PLACE}. {beside}"
    found = compared(OWN, transcript(Done("Bash", {"command": told}, PLACE, None)))
    (call,) = (step.b for step in found.steps if step.b is not None)
    assert call.input == {"command": f"cd /workspace && ls '/workspace' /workspace/a.csv in /workspace. {beside}"}
    assert call.observation is not None
    assert call.observation.text == "/workspace"


def test_what_a_transcript_does_not_have_is_not_compared_and_not_said_to_be_the_same() -> None:
    own = OWN.with_call(0, bash("cat a.csv && wc -l a.csv", "1,2", changes=[changed("/workspace/b")]))
    found = compared(own, CLAUDE)
    assert "not compared  files, network: a transcript of another program does not have it" in page(found)
    assert "the same      header, trajectory, arguments, observations, outcome" in page(found)
    assert "| files | not compared |" in markdown(found, None)
    unknown = [layer["name"] for layer in diff_body(found, None, 0)["layers"] if layer["unknown"]]
    assert unknown == ["files", "network"]


def test_another_model_and_another_message_are_what_differs_at_the_beginning() -> None:
    found = compared(OWN.but(created={"model": "claude-haiku"}, message="Look."), CLAUDE)
    assert heading(found)[0] == "model differs: claude-haiku -> claude-opus-5-5 (and 1 more)"
    assert [each.what for each in found.layers["header"].differences] == ["model", "message"]


def test_another_result_is_another_result() -> None:
    other = CLAUDE.with_call(0, Done("Bash", CLAUDE.turns[0][0].input, "1,3", None))
    found = compared(OWN, other)
    assert heading(found)[0].startswith("the same call gave something else from the first call on: bash cat")
    failed = CLAUDE.with_call(0, Done("Bash", CLAUDE.turns[0][0].input, "1,2", None, is_error=True))
    assert [layer.name for layer in compared(OWN, failed).differing] == ["observations"]
