"""Packages that moved: named first where nothing that somebody wrote down explains it, and bounded."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agentctl.canonical import JsonObject
from agentctl.compare.difference import Difference
from agentctl.compare.sessions import Compared, compare
from agentctl.errors import StoreError
from agentctl.render.diff.body import diff_body
from agentctl.render.diff.markdown import markdown
from agentctl.render.diff.page import Page, Wanted
from agentctl.render.diff.schema import diff_schema
from agentctl.render.lines import paint_all
from agentctl.render.look import Look
from agentctl.session.packages import Packages, packages_as_bytes
from tests.compare.kit import Plan, bash, side_of

OLD: Packages = {"pip": {"six": "1.16.0", "pandas": "3.0.1"}, "Debian": {"curl": "7.88", "bash": "5.2"}}
IMAGE = {"kind": "docker", "image": "debian", "image_digest": "sha256:" + "d4" * 32}
PLAN = Plan(((bash("python3 run.py", "12"),),))


class Kept:
    """Contents in memory."""

    def __init__(self) -> None:
        self.all: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        digest = sha256(data).hexdigest()
        self.all[digest] = data
        return digest

    def open(self, digest: str) -> Iterator[bytes]:
        if digest not in self.all:
            raise StoreError("it is gone")
        yield self.all[digest]


def facts(kept: Kept, packages: Packages | None) -> JsonObject:
    if packages is None:
        return {}
    return {"packages": {"sha256": kept.put(packages_as_bytes(packages)), "count": 4}}


def of_two(now: Packages | None, before: Packages | None = OLD, b: Plan = PLAN, a: Plan = PLAN) -> Compared:
    """Compare two sessions whose images have these packages, None for a record that does not say."""
    kept = Kept()
    one = side_of(a.but(facts=facts(kept, before)))
    created = {"sandbox": IMAGE} | b.created
    other = side_of(b.but(facts=facts(kept, now), created=created), "B")
    return compare(one, other, contents=kept)


def lines(found: Compared, **wanted: Any) -> list[str]:
    look = Look(columns=100, wraps=True)
    return paint_all(Page(found, look, Wanted(**wanted)).lines(), look).splitlines()


def moved(**managers: JsonObject) -> Packages:
    return {name: {**OLD.get(name, {}), **managers.get(name, {})} for name in (*OLD, *managers)}


def header(found: Compared) -> list[Difference]:
    return list(found.layers["header"].differences)


def test_a_package_that_moved_is_the_first_line_and_the_image_comes_behind_it() -> None:
    found = of_two(moved(pip={"six": "1.17.0"}))
    assert lines(found)[0] == "package moved: six 1.16.0 -> 1.17.0 (pip)"
    assert [each.what for each in header(found)] == ["package: six", "environment: image digest"]
    assert "  header        package six 1.16.0 -> 1.17.0 (pip); environment: image digest" in "\n".join(lines(found))
    assert markdown(found, None).startswith("### package moved: six 1.16.0 \\-\\> 1.17.0 \\(pip\\)\n")


def test_what_somebody_wrote_down_comes_before_the_packages_that_it_brought() -> None:
    environment = {"name": "data", "config": {"type": "docker", "packages": {"pip": ["pandas==3.0.2"]}}}
    found = of_two(moved(pip={"pandas": "3.0.2"}), b=PLAN.but(created={"environment": environment}))
    assert lines(found)[0] == "environment differs: config.packages.pip.0 pandas -> pandas==3.0.2 (and 2 more)"
    assert [each.what for each in header(found)][1:] == ["package: pandas", "environment: image digest"]


@pytest.mark.parametrize(
    ("command", "first"),
    [("python3 -c 'import curl'", "curl"), ("python3 run.py", "pandas"), ("pip show six", "six")],
    ids=["what the call names", "what the definition asks for", "what the call names, though nobody asked for it"],
)
def test_the_package_that_tells_most_is_named(command: str, first: str) -> None:
    now = moved(pip={"six": "1.17.0", "pandas": "3.0.2"}, Debian={"curl": "7.99"})
    found = of_two(now, a=Plan(((bash(command, "1"),),)), b=Plan(((bash(command, "2"),),)))
    assert lines(found)[0].startswith(f"package moved: {first} ")
    assert lines(found)[0].endswith(", and 2 more packages")


def test_a_package_that_only_one_image_has_is_told_with_none() -> None:
    assert lines(of_two(moved(npm={"left-pad": "1.3.0"})))[0] == "package moved: left-pad none -> 1.3.0 (npm)"
    assert lines(of_two({"pip": OLD["pip"]}))[0] == "package moved: bash 5.2 -> none (Debian), and 1 more package"


def test_many_packages_are_bounded_on_the_page_and_whole_in_the_object() -> None:
    found = of_two(moved(Debian={f"lib{number:03}": "2" for number in range(300)}))
    assert lines(found)[0] == "package moved: lib000 none -> 2 (Debian), and 299 more packages"
    assert "and 296 more" in " ".join(" ".join(lines(found)).split())
    assert len(lines(found)) < 25
    listed = lines(found, listed=True)
    assert "281 more: --all" in "\n".join(listed)
    body = diff_body(found, None, 1)
    Draft202012Validator(diff_schema()).validate(body)
    assert body["packages"] == {"a": 4, "b": 304}
    (layer,) = [each for each in body["layers"] if each["name"] == "header"]
    assert len(layer["differences"]) == 301
    assert layer["differences"][0]["b"] == {
        "event": 4, "pointer": "/facts/packages", "value": {"manager": "Debian", "version": "2"}, "cut": False,
    }  # fmt: skip


def test_packages_that_are_the_same_in_another_image_are_said_to_be() -> None:
    found = of_two(OLD)
    assert lines(found)[0].startswith("environment differs: image digest")
    assert "the 4 packages of both images are the same" in " ".join(" ".join(lines(found)).split())


@pytest.mark.parametrize("known", [(OLD, None), (None, OLD), (None, None)])
def test_a_record_that_does_not_say_is_compared_as_before(known: tuple[Packages | None, Packages | None]) -> None:
    found = of_two(known[1], known[0])
    assert lines(found)[0] == "environment differs: image digest sha256:c3c3c3c3c3c3 -> sha256:d4d4d4d4d4d4"
    assert "package" not in "\n".join(lines(found))
    assert None in diff_body(found, None, 1)["packages"].values()


@pytest.mark.parametrize("data", [b"", b"[]", b'{"pip": 3}', b"\xff", b"[" * 100_000], ids=range(5))
def test_a_content_that_is_no_list_of_packages_says_nothing(data: bytes) -> None:
    kept = Kept()
    told = {"packages": {"sha256": kept.put(data), "count": 1}}
    found = compare(side_of(PLAN.but(facts=told)), side_of(PLAN.but(facts=facts(kept, OLD)), "B"), contents=kept)
    assert not found.differing
