"""One thing is changed at a time: what moved is named, and nothing else is called a difference."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentctl.compare.sessions import focus
from tests.amount import amount
from tests.mutations.bench import Bench, Setting, bash, differing
from tests.mutations.kinds import KINDS, SAME, Kind
from tests.mutations.setting import NAMES, base
from tests.network.kit import site

UNCHANGED = amount(5, 50)

MOVING = [kind for kind in KINDS if kind.moved]


class Recorded(Bench):
    """A bench with a session of the setting that is mutated."""

    def __init__(self, home: Path, folder: Path, port: int) -> None:
        super().__init__(home, folder)
        self.setting = base(port)
        self.session = self.record(self.setting)
        self.calls = dict(zip(NAMES, self.calls_of(self.session), strict=True))

    def rerun_with(self, setting: Setting, *words: str) -> tuple[int, list[str]]:
        """Do the session again where a setting holds, as far as a rerun does not take it from the record."""
        self.set_up(setting)
        return self.rerun(self.session, *words)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    # Bubblewrap that root runs is an ordinary user's, who does not get into root's folders.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, site() as reached:
        yield Recorded(tmp_path_factory.mktemp("store"), Path(folder), reached.port)


def of_names(kinds: list[Kind] | tuple[Kind, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.name.replace(" ", "-"))


@pytest.mark.bubblewrap
@of_names(KINDS)
def test_two_runs_that_differ_in_one_thing_are_told_apart_by_it(bench: Recorded, kind: Kind) -> None:
    other = bench.record(kind.change(bench.setting))

    found = bench.compared(bench.session, other)
    code, lines = bench.diff(bench.session, other)

    assert tuple(differing(found)) == kind.layers
    assert kind.heading in " ".join(lines)
    assert code == bool(kind.layers)
    if kind.first is None:
        assert found.first is None
        return
    first = found.first
    assert first is not None
    assert first.step is not None
    name, layer = kind.first
    number = first.step.a.seq if first.step.a is not None else focus(first)[0]
    assert (number, first.layer) == (bench.calls[name], layer)
    if layer == "observations":
        assert kind.cause in "\n".join(lines)


@pytest.mark.bubblewrap
@of_names(MOVING)
def test_the_side_that_moved_is_named_with_the_call_and_the_cause(bench: Recorded, kind: Kind) -> None:
    setting = kind.change(bench.setting)
    assert kind.first is not None
    words = ["--live", "model"]
    if kind.moved == "environment":
        fresh = ["-e", str(bench.environment(setting))] if setting.config != bench.setting.config else []
        words = ["--live", "sandbox", "--network", *fresh]

    code, lines = bench.rerun_with(setting, *words)

    number = bench.calls[kind.first[0]]
    if kind.name == "one more call in one answer":
        number = bench.calls["glob"]  # the last of the calls that it was made beside
    assert lines[0].startswith(f"diverged@{number}: ")
    assert kind.cause in lines[0]
    assert code == 1


@pytest.mark.bubblewrap
@of_names(SAME)
def test_what_a_model_says_and_how_long_it_takes_is_no_difference(bench: Recorded, kind: Kind) -> None:
    code, lines = bench.rerun_with(kind.change(bench.setting), "--live", "model")

    assert (code, lines[0].partition(":")[0]) in ((0, "reproduced"), (0, "reproduced-normalised"))


@pytest.mark.bubblewrap
def test_what_is_unchanged_reproduces_every_time(bench: Recorded) -> None:
    bench.set_up(bench.setting.with_file("notes.txt", "the person's own folder is not looked at\n"))

    live = [bench.again(bench.session, "sandbox", network=True) for _ in range(UNCHANGED)]
    recorded, model = bench.again(bench.session), bench.again(bench.session, "model")

    assert [done.findings.first for done in live if done.verdict != "reproduced-normalised"] == []
    assert {done.findings.compared for done in live} == {len(NAMES)}
    assert (recorded.verdict, model.verdict) == ("reproduced", "reproduced")
    for done in live[:5]:
        assert bench.compared(bench.session, str(done.session_id)).is_same


@pytest.mark.bubblewrap
@pytest.mark.parametrize(
    ("name", "sides", "line"),
    [
        ("nothing but noise", [], "neither moved: environment and model do what they did"),
        ("package version", ["environment"], "environment moved: tabler 1.0.0 -> 1.1.0"),
        ("argument", ["model"], 'model moved: the model asks for bash {"command":"report run.sh"'),
        ("package version, argument", ["environment", "model"], "environment moved: tabler 1.0.0 -> 1.1.0"),
    ],
)
def test_which_moved_names_the_side_in_its_first_line(bench: Recorded, name: str, sides: list[str], line: str) -> None:
    setting = bench.setting
    for each in name.split(", "):
        setting = next(kind for kind in KINDS if kind.name == each).change(setting)

    code, lines = bench.rerun_with(setting, "--which-moved", "--network")

    assert lines[0].startswith(line)
    assert [side for side in ("environment", "model") if f"{side} moved" in lines[0]] == sides
    assert code == bool(sides)


WRITES = Setting((({"name": "write", "input": {"file_path": "a.txt", "content": "a\n"}},), (bash("cat a.txt; ls"),)))


@pytest.mark.bubblewrap
def test_another_kind_of_sandbox_is_named_and_nothing_that_follows_from_its_folders(bench: Recorded) -> None:
    one, other = bench.record(WRITES), bench.record(WRITES.but(sandbox="none"))

    found, (code, lines) = bench.compared(one, other), bench.diff(one, other)

    assert (code, differing(found)) == (1, ["header"])
    assert lines[0].startswith("sandbox differs: bubblewrap -> none")
