"""A file that is the same under another name is one difference, not two."""

from typing import Any

from agentctl.canonical import JsonObject
from agentctl.compare.sessions import Compared
from agentctl.render.diff.body import diff_body
from agentctl.render.diff.page import Page, Wanted
from agentctl.render.lines import paint_all
from agentctl.render.look import Look
from tests.compare.kit import Plan, bash, changed, compared


def made(*changes: JsonObject) -> Plan:
    return Plan(((bash("make", changes=changes),),))


def files(found: Compared) -> list[tuple[str, str]]:
    return [(each.what, each.kind) for each in found.layers["files"].differences if each.step is None]


def file(path: str, digest: str = "1", **more: Any) -> JsonObject:
    return changed(f"/workspace/{path}", digest, **more)


def test_a_renamed_file_is_one_difference_with_both_names() -> None:
    found = compared(made(file("a.txt")), made(file("b.txt")))
    assert files(found) == [("moved a.txt -> b.txt", "changed")]
    look = Look(columns=90)
    listed = paint_all(Page(found, look, Wanted(listed=True)).lines(), look)
    assert "  files         moved a.txt -> b.txt" in listed
    (layer,) = [each for each in diff_body(found, None, 1)["layers"] if each["name"] == "files"]
    assert [layer["differences"][0][side]["value"]["path"][-5:] for side in "ab"] == ["a.txt", "b.txt"]


def test_other_contents_and_empty_files_are_two_differences() -> None:
    for digest, size in (("2", 3), ("1", 0)):
        one, other = file("a.txt", size=size), file("b.txt", digest, size=size)
        assert [kind for _, kind in files(compared(made(one), made(other)))] == ["only_a", "only_b"]


def test_each_file_moves_once() -> None:
    found = compared(made(file("a"), file("b"), file("c")), made(file("d"), file("e")))
    assert files(found) == [("moved a -> d", "changed"), ("moved b -> e", "changed"), ("c", "only_a")]


def test_an_output_under_another_name_is_one_difference() -> None:
    outputs = [({"path": path, "size": 3, "sha256": "1" * 64},) for path in ("report.md", "summary.md")]
    found = compared(Plan(outputs=outputs[0]), Plan(outputs=outputs[1]))
    assert [each.what for each in found.layers["outcome"].differences] == ["output moved report.md -> summary.md"]
