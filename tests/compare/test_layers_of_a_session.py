"""One thing is changed at a time, and the layer that it is in is named."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentctl.compare.demands import failures, read_demands
from agentctl.compare.difference import LAYERS
from agentctl.compare.metrics import Metric
from agentctl.compare.rules import own_rule
from agentctl.compare.side import Side
from agentctl.errors import UsageError
from agentctl.render.diff.heading import heading
from agentctl.render.diff.words import relation
from agentctl.session.log import Record
from tests.compare.kit import Done, Plan, bash, changed, compared, differing, events_of

OUT = "/workspace/out.txt"
MADE = changed(OUT)
BASE = Plan(
    (
        (bash("head data.csv", "a,b\n1,2"), Done("glob", {"pattern": "*.csv"}, "data.csv", None)),
        (bash("pip list", "pandas 3.0.1\nnumpy 2.4.0"),),
        (bash("python3 run.py", "total 240.0\ntook 1.5s", changes=[MADE]),),
    ),
    hosts=(("pkg.test", False),),
    outputs=({"path": "report.md", "size": 3, "sha256": "1" * 64},),
)
SANDBOX = {"kind": "docker", "image": "debian", "image_digest": "sha256:" + "d4" * 32}
AGENT = {"name": "analyst", "model": {"id": "claude-opus-5-5"}, "system": "Be quick."}
PACKAGES = {"name": "data", "config": {"type": "docker", "packages": {"pip": ["pandas==3.0.2"]}}}


@pytest.mark.parametrize(
    ("other", "layers", "cause"),
    [
        (BASE.but(created={"sandbox": SANDBOX}), ["header"], "environment differs: image digest sha256:c3c3c3c3c3c3"),
        (BASE.but(created={"agent": AGENT}), ["header"], "agent differs: system Be exact. -> Be quick."),
        (BASE.but(created={"environment": PACKAGES}), ["header"], "environment differs: config.packages.pip.0 pandas"),
        (BASE.but(created={"agentctl_version": "0.2.0"}), ["header"], "agentctl differs: 0.1.0 -> 0.2.0"),
        (BASE.but(created={"model": "claude-sonnet-5"}), ["header"], "model differs: claude-opus-5-5 -> claude-"),
        (BASE.but(created={"limits": {"max_turns": 2}}), ["header"], "limits differ: max_turns 40 -> 2"),
        (BASE.but(facts={"python": "3.12"}), [], "the same"),  # only one record says it
        (BASE.but(message="Look twice."), ["header"], "message differs: Look into it. -> Look twice."),
        (BASE.but(turns=BASE.turns[:2]), ["trajectory", "files"], "the agents part after 3 same calls: A calls bash"),
        (
            BASE.with_call(1, bash("pip list --all", "pandas 3.0.1\nnumpy 2.4.0")),
            ["arguments"],
            "the agents part after 2 same calls: bash is given another command",
        ),
        (
            BASE.with_call(1, bash("pip list", "pandas 3.0.2\nnumpy 2.4.0")),
            ["observations"],
            "the same call gave something else after 2 same calls: bash pip list",
        ),
        (
            BASE.with_call(2, bash("python3 run.py", "total 240.0\ntook 2.5s", changes=[MADE])),
            [],
            "the same, but for durations",
        ),
        (
            BASE.with_call(2, bash("python3 run.py", "total 240.0\ntook 1.5s", changes=[changed(OUT, "2")])),
            ["files"],
            "the same call left other files after 3 same calls: bash python3 run.py",
        ),
        (BASE.but(hosts=(("pkg.test", True),)), ["network"], "network differs: pkg.test:443 refused"),
        (BASE.but(hosts=()), ["network"], "network differs: pkg.test:443 only in A"),
        (BASE.but(stop_reason="budget_reached"), ["outcome"], "B ended with budget_reached after 4 same calls"),
        (BASE.but(outputs=()), ["outcome"], "outcome differs: output report.md only in A"),
        (BASE.but(said="Other words."), [], "the same, but for the words of the answer"),
        (BASE.but(seconds=9.0), [], "the same"),
        (BASE.but(usage={"input_tokens": 9000, "output_tokens": 9000}), [], "the same"),
        (BASE, [], "the same"),
    ],
)  # fmt: skip
def test_the_layer_of_what_was_changed_is_named(other: Plan, layers: list[str], cause: str) -> None:
    found = compared(BASE, other)
    assert [layer.name for layer in found.differing] == layers
    assert heading(found)[0].startswith(cause)
    assert found.is_same == (not layers)
    back = compared(other, BASE)
    assert [layer.name for layer in back.differing] == layers


def test_another_environment_is_named_first() -> None:
    other = {"config": {"env": {"TZ": "UTC"}, "type": "bubblewrap"}, "name": "bare"}
    found = compared(BASE, BASE.but(created={"environment": other}))
    assert heading(found)[0] == "environment differs: name data -> bare (and 3 more)"


def test_a_session_that_has_not_come_to_rest_has_no_event_where_it_did() -> None:
    events = events_of(BASE)
    records = [Record(number, event, "") for number, event in enumerate(events, 1)]
    assert Side.of("A", records).rest_seq == len(events)
    assert Side.of("A", records[:-1]).rest_seq is None


def test_parallel_calls_are_a_set() -> None:
    turned = BASE.but(turns=(BASE.turns[0][::-1], *BASE.turns[1:]))
    assert differing(BASE, turned) == []
    apart = BASE.but(turns=((BASE.turns[0][1],), (BASE.turns[0][0],), *BASE.turns[1:]))
    assert differing(BASE, apart) == []


def test_calls_in_another_order_are_another_trajectory() -> None:
    turned = BASE.but(turns=(BASE.turns[1], BASE.turns[0], BASE.turns[2]))
    found = compared(BASE, turned)
    assert [layer.name for layer in found.differing] == ["trajectory"]
    assert len(found.layers["trajectory"].differences) == 2


def test_threads_are_compared_each_for_itself_whatever_their_ids() -> None:
    one = Plan(((bash("a b", thread="sthr_1"), bash("c d", thread="sthr_2")), (bash("e f", thread="sthr_1"),)))
    other = Plan(((bash("a b", thread="sthr_8"), bash("c d", thread="sthr_9")), (bash("e f", thread="sthr_8"),)))
    assert differing(one, other) == []
    assert differing(one, other.with_call(1, bash("e f", thread="sthr_9"))) == ["trajectory"]


def test_a_call_that_is_inserted_moves_nothing_else() -> None:
    more = BASE.but(turns=(BASE.turns[0], (bash("uname -a", "Linux"),), *BASE.turns[1:]))
    found = compared(BASE, more)
    (difference,) = found.layers["trajectory"].differences
    assert (difference.kind, difference.b and difference.b.value["input"]) == ("only_b", {"command": "uname -a"})
    assert [layer.name for layer in found.differing] == ["trajectory"]


def test_a_call_without_a_result_is_another_observation() -> None:
    assert differing(BASE, BASE.with_call(1, bash("pip list", answered=False))) == ["observations"]


def test_what_was_asked_of_people_is_part_of_the_network_layer() -> None:
    asks = BASE.with_call(1, bash("pip list", "pandas 3.0.1\nnumpy 2.4.0", permission="ask", answer="allow"))
    denied = BASE.with_call(1, bash("pip list", "pandas 3.0.1\nnumpy 2.4.0", permission="ask", answer="deny"))
    assert differing(BASE, asks) == ["network"]
    assert compared(asks, denied).layers["network"].differences[0].what == "answer to bash"


def test_the_first_difference_is_the_first_in_time_whatever_its_layer() -> None:
    other = BASE.with_call(1, bash("pip list", "pandas 3.0.2")).with_call(2, bash("python3 run.py --fast"))
    first = compared(BASE, other).first
    assert first is not None
    assert (first.layer, first.step and first.step.number) == ("observations", 3)


def test_a_later_call_is_a_consequence_only_where_an_observed_value_comes_again() -> None:
    one = Plan(((bash("pip list", "pandas 3.0.1"),), (bash("echo start 3.0.1"),), (bash("sleep 1"),)))
    other = Plan(((bash("pip list", "pandas 3.0.2"),), (bash("echo start 3.0.2"),), (bash("sleep 9"),)))
    found = compared(one, other)
    words = [(each.layer, relation(found, each)) for each in found.in_steps]
    assert words == [("observations", "first"), ("arguments", "consequence"), ("arguments", "later")]
    cause = found.causes[2]
    assert (cause.value, cause.event) == ("3.0.1", found.a.calls[0].observation.seq)  # type: ignore[union-attr]


def test_a_value_that_was_asked_for_before_is_no_consequence() -> None:
    one = Plan(((bash("grep -c alpha beta.txt", "alpha"),), (bash("cat alpha"),)))
    other = Plan(((bash("grep -c alpha beta.txt", "none"),), (bash("cat gamma"),)))
    found = compared(one, other)
    assert [relation(found, each) for each in found.in_steps] == ["first", "later"]


def test_layers_can_be_asked_for_alone() -> None:
    other = BASE.but(message="Other.").with_call(1, bash("pip list", "pandas 3.0.2"))
    assert differing(BASE, other, layers=["observations"]) == ["observations"]
    assert differing(BASE, other, layers=["files", "network"]) == []


def test_own_rules_make_alike_what_they_say() -> None:
    other = BASE.with_call(1, bash("pip list", "pandas 3.0.9\nnumpy 2.4.0"))
    rule = own_rule("pandas", r"pandas [\d.]+", "pandas X")
    found = compared(BASE, other, own=[rule])
    assert found.is_same
    assert found.layers["observations"].alike == {"pandas": 1}


def test_metrics_are_those_of_the_record() -> None:
    asks = Plan(((bash("false", exit_code=1, permission="ask", answer="allow"),),), seconds=2.0)
    found = {metric.name: metric for metric in compared(BASE, asks).metrics}
    assert (found["calls"].a, found["calls"].b) == (4, 1)
    assert (found["failed"].a, found["failed"].b, found["approvals"].b) == (0, 1, 1)
    assert found["requests"].a == 4
    assert found["cost"].share == pytest.approx(-0.5)
    assert found["seconds"].b == 4.0


@pytest.mark.parametrize("text", ["", "cost", "cost>20%", "cost>+", "cost>+x%", "spead>+1", "files,", "metrics", "a>b"])
def test_a_demand_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_demands(text)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("tokens>+49%", ["tokens>+49%"]),
        ("tokens>+50%", []),
        ("calls>+0", ["calls>+0"]),
        ("calls>+1", []),
        ("files,trajectory", ["trajectory"]),
        ("cost>+1,network", []),
    ],
)
def test_only_what_is_demanded_fails(text: str, failed: list[str]) -> None:
    one = Plan(((bash("a b"),),))
    other = Plan(((bash("a b"),), (bash("c d"),)))
    found = compared(one, other)
    assert [str(each.demand) for each in failures(read_demands(text), found)] == failed


def test_a_metric_that_nobody_knows_meets_no_demand() -> None:
    found = replace(compared(BASE, BASE), metrics=(Metric("cost", Decimal(1), None, "USD"),))
    assert [each.why for each in failures(read_demands("cost>+10%"), found)] == [
        "cost: not known, because a model without a price answered"
    ]


CALLS = st.builds(
    bash,
    st.sampled_from(["ls", "ls -l", "cat a.txt", "cat b.txt", "python3 run.py", "make test"]),
    st.sampled_from(["ok", "fine", "took 1.5s", "took 2.5s", "17 found"]),
    exit_code=st.sampled_from([0, 0, 1]),
    changes=st.sampled_from([(), (changed("/workspace/a"),), (changed("/workspace/a", "2"),)]),
    permission=st.sampled_from(["allow", "allow", "ask"]),
)
PLANS = st.builds(Plan, st.lists(st.lists(CALLS, min_size=1, max_size=3).map(tuple), max_size=6).map(tuple))


@given(PLANS)
@settings(max_examples=40, deadline=None)
def test_a_session_does_not_differ_from_itself(plan: Plan) -> None:
    found = compared(plan, plan)
    assert found.is_same
    assert found.first is None
    assert not any(metric.differs for metric in found.metrics)


@given(PLANS, PLANS)
@settings(max_examples=80, deadline=None)
def test_what_differs_does_not_depend_on_which_comes_first(one: Plan, other: Plan) -> None:
    there, back = compared(one, other), compared(other, one)
    for name in LAYERS:
        assert shape(there.layers[name].differences) == shape(back.layers[name].differences, turned=True), name


def shape(differences: Sequence[Any], *, turned: bool = False) -> list[tuple[Any, ...]]:
    """Return what differences say, without which side is which."""
    other = {"only_a": "only_b", "only_b": "only_a"}
    found = []
    for each in differences:
        kind = other.get(each.kind, each.kind) if turned else each.kind
        places = (each.b, each.a) if turned else (each.a, each.b)
        found.append((kind, each.what, *(place and place.event for place in places)))
    return sorted(found, key=repr)
