"""Rules are a value made once; what was reached teaches the smallest of them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentctl.definitions.environment import Networking
from agentctl.events.local import LocalEgress, LocalEgressStarted
from agentctl.network.base import Authority
from agentctl.network.folding import OTHERS, Refusals
from agentctl.network.hosts import read_host
from agentctl.network.learned import Learned, learn
from agentctl.network.rules import Allowed, Denied, Rules, rules_of


def rules(**networking: object) -> Rules:
    return rules_of(Networking.model_validate({"type": "limited", **networking}))


def test_nothing_that_is_not_written_is_allowed() -> None:
    for made in (rules(), rules(allowed_hosts=[]), rules_of(Networking(type="none"))):
        assert isinstance(made.verdict(read_host("a.example"), 443, "https"), Denied)


@given(st.integers(1, 65_535), st.sampled_from(["https", "http"]))
def test_a_host_is_allowed_on_its_two_ports_only(port: int, scheme: str) -> None:
    made = rules(allowed_hosts=["a.example"], allow_http=True)
    verdict = made.verdict(read_host("a.example"), port, scheme)  # type: ignore[arg-type]
    assert isinstance(verdict, Allowed) == ((scheme, port) in (("https", 443), ("http", 80)))


def test_package_hosts_are_allowed_where_they_say_and_only_when_they_are_wanted() -> None:
    packages = [Authority("index.example", 80), Authority("index.example", 8443)]
    wanted = rules_of(Networking(type="limited", allow_package_managers=True), packages)
    host = read_host("index.example")
    assert wanted.verdict(host, 80, "http") == Allowed(strict=True)
    assert wanted.verdict(host, 8443, "https") == Allowed(strict=True)
    assert isinstance(wanted.verdict(host, 443, "https"), Denied)
    unwanted = rules_of(Networking(type="limited"), packages)
    assert isinstance(unwanted.verdict(host, 80, "http"), Denied)


def egress(host: str, port: int, scheme: str = "https", *, allowed: bool = True, **members: object) -> LocalEgress:
    return LocalEgress(
        id="sevt_2",
        host=host,
        port=port,
        allowed=allowed,
        scheme=scheme,
        duration_seconds=0.1,
        bytes_sent=1,
        bytes_received=1,
        address="93.184.215.14" if allowed else None,
        **members,  # type: ignore[arg-type]
    )


def test_what_was_reached_is_the_smallest_list_that_serves() -> None:
    events = [
        egress("b.example", 443),
        egress("a.example", 443),
        egress("a.example", 443),
        egress("a.example", 80, "http"),
        egress("git.example", 22, "tcp"),
        egress("1.1.1.1", 443),
        egress("2606:4700::1111", 443),
        egress("evil.example", 443, allowed=False, reason="no"),
        LocalEgressStarted(id="sevt_9", host="c.example", port=443, scheme="https"),
    ]
    learned = learn(events)
    assert learned == Learned(
        ("a.example", "b.example", "c.example"),
        ("1.1.1.1:443", "[2606:4700::1111]:443", "git.example:22"),
        True,
        ("evil.example:443",),
    )
    networking = Networking.model_validate(learned.networking())
    made = rules_of(networking)
    for event in events[:7]:
        text = f"[{event.host}]" if ":" in event.host else event.host
        scheme = "http" if event.scheme == "http" else "https"
        assert isinstance(made.verdict(read_host(text), event.port, scheme), Allowed)


def test_a_host_that_could_not_be_reached_is_not_learnt() -> None:
    started = LocalEgressStarted(id="sevt_1", host="gone.example", port=443, scheme="https")
    failed = LocalEgress(
        id="sevt_2", host="gone.example", port=443, allowed=True, scheme="https", duration_seconds=0.1,
        bytes_sent=0, bytes_received=0, reason="its name leads nowhere", started_id="sevt_1",
    )  # fmt: skip
    assert learn([started, failed]) == Learned((), (), False, ("gone.example:443",))
    assert learn([]).networking() == {"type": "none"}


def test_a_host_at_an_address_that_is_not_public_is_learnt_as_a_private_one() -> None:
    inner = replace(egress("db.internal.test", 443), address="10.0.0.5")
    assert learn([inner]).private_hosts == ("db.internal.test:443",)


def test_names_are_folded_only_when_that_is_asked_for() -> None:
    events = [
        egress(name, 443)
        for name in ("a.cdn.example.com", "b.cdn.example.com", "example.com", "www.example.com", "x.test")
    ]
    assert learn(events).allowed_hosts == (
        "a.cdn.example.com",
        "b.cdn.example.com",
        "example.com",
        "www.example.com",
        "x.test",
    )
    assert learn(events, patterns=True).allowed_hosts == (
        "*.cdn.example.com",
        "example.com",
        "www.example.com",
        "x.test",
    )


def refusal(host: str) -> dict[str, object]:
    return {"host": host, "port": 443, "allowed": False, "scheme": "https", "reason": "no"}


@pytest.mark.parametrize("hosts", [1, 3, 50])
def test_very_many_refusals_become_few_and_none_is_lost(hosts: int) -> None:
    refusals, told = Refusals(each=10, most_kinds=5), 0
    for number in range(1_000):
        told += refusals.take(refusal(f"{number % hosts}.example")) is not None
    assert told == 10
    folded = refusals.drain()
    assert len(folded) <= 6
    assert sum(int(str(each["times"])) for each in folded) == 990
    assert any(each["host"] == OTHERS for each in folded) == (hosts == 50)
    assert refusals.drain() == []
