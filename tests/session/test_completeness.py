"""What a record lacks, each thing with its reason and the events that show it."""

from agentctl.canonical import JsonObject
from agentctl.events.local import (
    LocalCheckpointFailed,
    LocalEgressStarted,
    LocalFilesChanged,
    LocalFilesUploaded,
    LocalOutputs,
    LocalSandboxLost,
    LocalSandboxStarted,
    LocalToolStarted,
)
from agentctl.events.span import SpanModelRequestEnd, SpanModelRequestStart
from agentctl.paths import Home
from agentctl.session.completeness import Aspect, Completeness
from tests.kit import Recorder, call, open_log, text

NO_TOKENS: JsonObject = {}


def looked_at(recorder: Recorder, *, under_way: bool = False) -> dict[str, Aspect]:
    complete = Completeness()
    for record in recorder.records():
        complete.add(record)
    return {aspect.name: aspect for aspect in complete.aspects(under_way=under_way)}


def test_a_session_that_went_well_lacks_nothing(home: Home) -> None:
    with open_log(home) as log:
        recorder = Recorder(log, home)
        recorder.user("go")
        (asked,) = recorder.answer(call("bash", command="ls"))
        recorder.run_tools(asked)
        recorder.add(LocalFilesUploaded, manifest="0" * 64, files=3, bytes=10, skipped=[])
        recorder.result(asked, "a", exit_code=0)
        recorder.answer(text("done"))
        recorder.rest()
        found = looked_at(recorder)
    assert all(aspect.is_complete for aspect in found.values())
    assert {name: aspect.recorded for name, aspect in found.items()} == {
        "model": 2, "calls": 1, "files": 3, "network": 0, "sandbox": 1, "secrets": 0,
    }  # fmt: skip


def test_each_thing_that_is_missing_is_told_with_its_event(home: Home) -> None:
    with open_log(home) as log:
        recorder = Recorder(log, home, sandbox={"kind": "none"})
        recorder.user("the token is [redacted:GITHUB]")
        recorder.add(SpanModelRequestStart)  # 5: the process was killed
        start = recorder.add(SpanModelRequestStart)  # 6: no bytes of its answer
        recorder.add(SpanModelRequestEnd, model_request_start_id=start.id, model_usage=NO_TOKENS, is_error=False)
        failed = recorder.add(SpanModelRequestStart)  # the API failed, and nothing is missing
        recorder.add(SpanModelRequestEnd, model_request_start_id=failed.id, model_usage=NO_TOKENS, is_error=True)
        (asked,) = recorder.answer(call("bash", command="make"))
        recorder.add(LocalSandboxStarted, facts={})
        recorder.add(LocalToolStarted, tool_use_ids=[asked.id])
        recorder.add(LocalFilesUploaded, manifest="0" * 64, files=1, bytes=1, skipped=["a socket"])
        changes = [
            {"path": "/workspace/big", "kind": "file", "mode": 420, "change": "created", "cut": "it is too large"},
            {"path": "/workspace/gone", "kind": "file", "change": "deleted"},
        ]
        recorder.add(LocalFilesChanged, changes=changes, cut="and 10 more")
        recorder.add(LocalOutputs, files=[{"path": "core", "size": 1, "skipped": "it is no regular file"}], cut="more")
        recorder.add(LocalEgressStarted, host="a.example", port=443, scheme="https")
        recorder.add(LocalSandboxLost, reason="out of memory")
        recorder.add(LocalSandboxStarted, facts={})
        failed = recorder.add(LocalCheckpointFailed, reason="the disk is full")
        found = looked_at(recorder)
        numbers = {record.event.id: record.seq for record in recorder.records()}
    lacks = {name: {gap.reason: gap.events for gap in aspect.gaps} for name, aspect in found.items()}
    assert list(lacks["model"].values()) == [[5], [6]]
    assert list(lacks["calls"].values()) == [[numbers[asked.id]]]
    assert "not copied in: a socket" in lacks["files"]
    assert "the contents of /workspace/big: it is too large" in lacks["files"]
    assert "the contents of core: it is no regular file" in lacks["files"]
    assert {"not all changes: and 10 more", "not all changes: more"} <= lacks["files"].keys()
    assert not any("gone" in reason for reason in lacks["files"])
    assert len(lacks["network"]) == 2
    reason = "the state in which it came to rest could not be kept: the disk is full"
    assert lacks["sandbox"] == {reason: [numbers[failed.id]]}
    notes = {name: [gap.reason for gap in aspect.notes] for name, aspect in found.items()}
    assert notes["sandbox"] == [
        "it was lost: out of memory; what ran in it is gone", "another one was begun or taken over",
    ]  # fmt: skip
    assert (notes["secrets"], found["secrets"].recorded) == (["GITHUB was taken out wherever it stood"], 1)


def test_what_is_under_way_or_waits_is_not_missing(home: Home) -> None:
    with open_log(home) as log:
        recorder = Recorder(log, home)
        recorder.user("go")
        (push,) = recorder.answer(call("bash", command="git push"), asks=["toolu_1"])
        recorder.rest("requires_action", event_ids=[push.id])
        assert looked_at(recorder)["calls"].is_complete
        recorder.add(SpanModelRequestStart)
        assert looked_at(recorder, under_way=True)["model"].is_complete
        assert not looked_at(recorder)["model"].is_complete
