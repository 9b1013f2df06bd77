"""What was asked of the network is summed up host by host, also where the process was killed."""

from agentctl.events.local import LocalEgress, LocalEgressStarted
from agentctl.render.story import Remark, Story
from agentctl.session.egress import EgressSums


def started(number: int, host: str) -> LocalEgressStarted:
    return LocalEgressStarted(id=f"sevt_{number}", host=host, port=443, scheme="https")


def ended(host: str, *, allowed: bool = True, **members: object) -> LocalEgress:
    return LocalEgress(
        id="sevt_x",
        host=host,
        port=443,
        allowed=allowed,
        scheme="https",
        duration_seconds=0.1,
        bytes_sent=100 if allowed else 0,
        bytes_received=200 if allowed else 0,
        **members,  # type: ignore[arg-type]
    )


def test_connections_are_summed_up_by_host() -> None:
    sums = EgressSums()
    for event in (
        started(1, "a.example"),
        started(2, "a.example"),
        ended("a.example", started_id="sevt_1", credentials=["KEY"]),
        ended("evil.example", allowed=False, reason="no"),
        ended("evil.example", allowed=False, reason="no", times=4_000),
    ):
        sums.add(event)
    body = sums.body()
    assert body is not None
    assert {name: body[name] for name in ("allowed", "refused", "unfinished", "bytes_sent", "bytes_received")} == {
        "allowed": 2,
        "refused": 4_001,
        "unfinished": 1,
        "bytes_sent": 100,
        "bytes_received": 200,
    }
    assert [(host["host"], host["refused"], host["reasons"], host["credentials"]) for host in body["hosts"]] == [
        ("a.example", 0, [], ["KEY"]),
        ("evil.example", 4_001, ["no"], []),
    ]
    assert [event.id for event in sums.unfinished] == ["sevt_2"]


def test_a_session_that_asked_for_nothing_has_nothing_to_show() -> None:
    assert EgressSums().body() is None


def test_a_host_that_is_refused_again_and_again_is_told_of_once() -> None:
    story = Story()
    told = [item for _ in range(100) for item in story.after(ended("evil.example", allowed=False, reason="no"))]
    assert told == [Remark("not reached: evil.example:443: no", "warning")]
    many = [item for n in range(100) for item in story.after(ended(f"{n}.example", allowed=False, reason="no"))]
    assert len(many) == 49
