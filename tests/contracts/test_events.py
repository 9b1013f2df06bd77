"""Our events against the SDK's own types of the Managed Agents API, and there and back through the codec."""

import json
from pathlib import Path
from typing import Any

import pytest
from anthropic.types.beta.sessions import BetaManagedAgentsSessionEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from agentctl.canonical import canonical_json
from agentctl.events import agent, local, session, span, user
from agentctl.events.base import Event, UnknownEvent
from agentctl.events.codec import decode, encode, known_types, type_of
from agentctl.events.local import LocalInterrupted
from agentctl.events.session import SessionError, SessionStatusRescheduled, SessionStatusRunning
from agentctl.events.user import UserInterrupt, UserToolConfirmation
from agentctl.paths import Home
from tests.cli.program import ROOT, agentctl
from tests.kit import Recorder, analysis, call, open_log, text

quick = settings(max_examples=50, deadline=None)

HOSTED: TypeAdapter[Any] = TypeAdapter(BetaManagedAgentsSessionEvent)

TEXT = st.text(max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=4)
IDS = st.text("abcdefghjkmnpqrstvwxyz0123456789", min_size=1, max_size=12).map("sevt_".__add__)
TIMES = st.datetimes().map(lambda time: time.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0"))
COUNTS = st.integers(0, 10**9)


def record_of(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(members)


def tagged(kind: str, **members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return record_of(type=st.just(kind), **members)


TEXT_BLOCK = tagged("text", text=TEXT)
IMAGE = tagged("image", source=tagged("base64", media_type=st.just("image/png"), data=st.just("iVBORw0KGgo=")))
DOCUMENT = tagged("document", source=tagged("text", media_type=st.just("text/plain"), data=TEXT), title=TEXT)
CONTENT = st.lists(TEXT_BLOCK | IMAGE | DOCUMENT, max_size=3)
RETRY = st.sampled_from(["retrying", "exhausted", "terminal"]).map(lambda kind: {"type": kind})
ERROR_TYPES = st.sampled_from(
    [
        "unknown_error",
        "model_overloaded_error",
        "model_rate_limited_error",
        "model_request_failed_error",
        "billing_error",
        "tool_use_limit_reached_error",
        "compaction_limit_reached_error",
    ]
)
STOP = st.sampled_from(["end_turn", "retries_exhausted", "budget_reached", "refusal"]).map(
    lambda kind: {"type": kind}
) | tagged("requires_action", event_ids=st.lists(IDS, max_size=3))
USAGE = record_of(
    input_tokens=COUNTS,
    output_tokens=COUNTS,
    cache_read_input_tokens=COUNTS,
    cache_creation=record_of(ephemeral_5m_input_tokens=COUNTS, ephemeral_1h_input_tokens=COUNTS),
    server_tool_use=record_of(web_search_requests=COUNTS, web_fetch_requests=COUNTS),
    active_seconds=st.floats(0, 1e6),
    list_cost=record_of(amount=COUNTS.map(str), currency=st.just("USD")),
)
MODEL_USAGE = record_of(
    input_tokens=COUNTS, output_tokens=COUNTS, cache_creation_input_tokens=COUNTS, cache_read_input_tokens=COUNTS
)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


MEMBERS: dict[type[Event], dict[str, st.SearchStrategy[Any]]] = {
    user.UserMessage: {"content": CONTENT},
    user.UserInterrupt: {"session_thread_id": maybe(IDS)},
    user.UserToolConfirmation: {
        "tool_use_id": IDS,
        "result": st.sampled_from(["allow", "deny"]),
        "deny_message": maybe(TEXT),
        "session_thread_id": maybe(IDS),
    },
    user.UserCustomToolResult: {"custom_tool_use_id": IDS, "content": maybe(CONTENT), "is_error": maybe(st.booleans())},
    user.SystemMessage: {"content": st.lists(TEXT_BLOCK, min_size=1, max_size=3)},
    agent.AgentMessage: {"content": st.lists(TEXT_BLOCK, max_size=3)},
    agent.AgentThinking: {},
    agent.AgentToolUse: {
        "name": TEXT,
        "input": OBJECT,
        "evaluated_permission": maybe(st.sampled_from(["allow", "ask", "deny"])),
        "evaluation": maybe(st.sampled_from([{"type": "always_allow"}, {"type": "always_ask"}])),
    },
    agent.AgentToolResult: {"tool_use_id": IDS, "content": maybe(CONTENT), "is_error": maybe(st.booleans())},
    agent.AgentCustomToolUse: {"name": TEXT, "input": OBJECT},
    agent.AgentThreadContextCompacted: {},
    session.SessionStatusRunning: {},
    session.SessionStatusIdle: {
        "stop_reason": STOP,
        "stop_details": maybe(
            tagged("refusal", category=st.sampled_from(["cyber", "bio", None]), explanation=maybe(TEXT))
        ),
    },
    session.SessionStatusRescheduled: {"local": maybe(OBJECT)},
    session.SessionStatusTerminated: {},
    session.SessionError: {"error": record_of(type=ERROR_TYPES, message=TEXT, retry_status=RETRY, local=OBJECT)},
    session.SessionUsage: {
        "usage": USAGE,
        "budget": maybe(tagged("limit", max_list_cost=record_of(amount=COUNTS.map(str), currency=st.just("USD")))),
    },
    span.SpanModelRequestStart: {},
    span.SpanModelRequestEnd: {
        "model_request_start_id": IDS,
        "model_usage": MODEL_USAGE,
        "is_error": maybe(st.booleans()),
    },
    local.LocalSessionCreated: {
        **dict.fromkeys(("session_id", "agentctl_version", "agent_hash", "environment_hash", "model"), TEXT),
        **dict.fromkeys(("agent", "environment", "request", "sandbox", "limits"), OBJECT),
        "uploads": st.lists(OBJECT, max_size=2),
        "title": maybe(TEXT),
        "vaults": maybe(st.lists(TEXT, max_size=2)),
        "prices": maybe(OBJECT),
    },
    local.LocalForked: {
        **dict.fromkeys(("session_id", "agentctl_version", "parent", "at_hash"), TEXT),
        "at": st.integers(1, 1 << 30),
        **dict.fromkeys(("title", "agent_hash", "environment_hash", "model"), maybe(TEXT)),
        **dict.fromkeys(("agent", "environment", "request", "sandbox", "limits", "prices"), maybe(OBJECT)),
        "vaults": maybe(st.lists(TEXT, max_size=2)),
    },
    local.LocalImported: {"line": st.integers(1, 10**6), "body": OBJECT},
    local.LocalInputProcessed: {"event_ids": st.lists(IDS, max_size=3)},
    local.LocalSandboxStarted: {"facts": OBJECT},
    local.LocalSandboxLost: {"reason": TEXT},
    local.LocalModelResponse: {
        **dict.fromkeys(("model_request_start_id", "model", "raw"), TEXT),
        "tool_uses": st.lists(OBJECT, max_size=2),
        "request_id": maybe(TEXT),
    },
    local.LocalCompactionResponse: {
        **dict.fromkeys(("model_request_start_id", "model", "raw"), TEXT),
        "request_id": maybe(TEXT),
    },
    local.LocalCompactionFailed: {"line": TEXT},
    local.LocalContextFull: {"line": TEXT},
    local.LocalNudged: {"reason": TEXT, "text": TEXT},
    local.LocalToolStarted: {"tool_use_ids": st.lists(IDS, max_size=3)},
    local.LocalToolFacts: {"tool_use_id": IDS, "facts": OBJECT},
    local.LocalCheckpoint: {"image": TEXT, "size": st.integers(0, 1 << 40), "keep_until": TEXT},
    local.LocalCheckpointFailed: {"reason": TEXT},
    local.LocalEgressStarted: {"host": TEXT, "port": st.integers(0, 65_535), "scheme": TEXT},
    local.LocalEgress: {
        **dict.fromkeys(("host", "scheme"), TEXT),
        **dict.fromkeys(("port", "bytes_sent", "bytes_received"), st.integers(0, 1 << 40)),
        "allowed": st.booleans(),
        "duration_seconds": st.floats(0, 1e6),
        **dict.fromkeys(("reason", "address", "started_id"), maybe(TEXT)),
        "credentials": maybe(st.lists(TEXT, max_size=2)),
        "times": maybe(st.integers(1, 1 << 30)),
    },
    local.LocalFilesUploaded: {
        "manifest": TEXT,
        "files": st.integers(0, 100),
        "bytes": st.integers(0, 100),
        "skipped": st.lists(TEXT, max_size=2),
    },
    local.LocalFilesChanged: {
        "changes": st.lists(OBJECT, max_size=2),
        "tool_use_id": st.none() | TEXT,
        "cut": st.none() | TEXT,
    },
    local.LocalOutputs: {"files": st.lists(OBJECT, max_size=2), "cut": st.none() | TEXT},
    local.LocalLimitReached: {
        "limit": TEXT,
        "allowed": st.floats(0, 1e9),
        "used": st.floats(0, 1e9),
        "line": maybe(TEXT),
    },
    local.LocalLimitsChanged: {"limits": OBJECT},
    local.LocalStuckWarned: dict.fromkeys(("reason", "line", "advice", "role"), TEXT),
    local.LocalStuck: dict.fromkeys(("reason", "line"), TEXT),
    local.LocalInterrupted: {"signal": TEXT},
}

WAITING = (
    user.UserMessage,
    user.UserInterrupt,
    user.UserToolConfirmation,
    user.UserCustomToolResult,
    user.SystemMessage,
)
"""Events of people, which have no time before they are taken up."""


def events_of(kind: type[Event]) -> st.SearchStrategy[Event]:
    time = maybe(TIMES) if kind in WAITING else TIMES
    return st.builds(kind, id=IDS, processed_at=time, **MEMBERS[kind])


KINDS = sorted(MEMBERS, key=lambda kind: kind.type)
HOSTED_KINDS = [kind for kind in KINDS if not kind.type.startswith("local.")]
ANY_EVENT = st.one_of([events_of(kind) for kind in KINDS])


def validate(body: dict[str, Any]) -> Any:
    return HOSTED.validate_json(json.dumps(body), strict=True)


def test_every_class_of_event_is_covered_here() -> None:
    assert {kind.type for kind in MEMBERS} == known_types()


@pytest.mark.parametrize("kind", HOSTED_KINDS, ids=lambda kind: kind.type)
def test_an_event_is_valid_for_the_sdk_and_means_the_same_there(kind: type[Event]) -> None:
    @quick
    @given(events_of(kind))
    def check(event: Event) -> None:
        body = encode(event)
        theirs = validate(body)
        assert type(theirs).model_fields["type"].annotation.__args__ == (kind.type,)
        back = json.loads(theirs.model_dump_json(exclude_unset=True))
        assert {name: back[name] for name in body if name != "processed_at"} == {
            name: value for name, value in body.items() if name != "processed_at"
        }

    check()


@pytest.mark.parametrize("missing", ["id", "name", "input"])
def test_the_check_against_the_sdk_can_fail(missing: str) -> None:
    body = {"type": "agent.tool_use", "id": "sevt_1", "processed_at": "2026-11-20T09:00:00Z", "name": "a", "input": {}}
    validate(body)
    with pytest.raises(ValidationError):
        validate({name: value for name, value in body.items() if name != missing})
    with pytest.raises(ValidationError):
        validate({**body, "type": "agent.telepathy"})


@quick
@given(ANY_EVENT)
def test_an_event_comes_back_from_its_json_as_it_was(event: Event) -> None:
    body = encode(event)
    assert decode(body) == event
    assert encode(decode(json.loads(canonical_json(body)))) == body


@quick
@given(ANY_EVENT, st.dictionaries(TEXT.map("new_".__add__), JSON, min_size=1, max_size=3))
def test_members_that_are_not_known_survive_there_and_back(event: Event, new: dict[str, Any]) -> None:
    body = {**encode(event), **new}
    assert encode(decode(body)) == body
    assert type(decode(body)) is type(event)


@quick
@given(TEXT.map("agent.new_".__add__), OBJECT)
def test_an_event_of_an_unknown_type_survives_there_and_back(kind: str, members: dict[str, Any]) -> None:
    body = {**members, "type": kind, "id": "sevt_1", "processed_at": None}
    event = decode(body)
    assert isinstance(event, UnknownEvent)
    assert type_of(event) == kind
    assert encode(event) == body


@quick
@given(st.sampled_from(KINDS).flatmap(events_of))
def test_an_event_that_lacks_a_member_still_loads_and_is_written_back_unchanged(event: Event) -> None:
    body = encode(event)
    needed = [name for name in body if name not in ("type", "id", "processed_at")]
    for name in needed:
        less = {key: value for key, value in body.items() if key != name}
        assert encode(decode(less)) == less


def test_everything_that_a_recorded_session_prints_is_valid_for_the_sdk(own_home: Path) -> None:
    """Whoever reads ``events -o jsonl`` can use the SDK's types on every line that is not ours alone."""
    home = Home(own_home)
    with open_log(home) as log:
        recorder = Recorder(log, home)
        analysis(recorder)
        recorder.user("And which was the driest?")
        (push,) = recorder.answer(text("I ask first."), call("bash", command="rm -rf /"), asks=["toolu_1"])
        recorder.rest("requires_action", event_ids=[push.id])
        recorder.add(UserToolConfirmation, tool_use_id=push.id, result="deny", deny_message="no")
        recorder.add(SessionStatusRunning)
        recorder.result(push, "Permission to use bash has been denied: no", is_error=True)
        (ticket,) = recorder.answer(call("ticket", "toolu_2", title="x"), custom=["toolu_2"])
        recorder.rest("requires_action", event_ids=[ticket.id])
        recorder.add(user.UserCustomToolResult, custom_tool_use_id=ticket.id, content=[{"type": "text", "text": "#7"}])
        recorder.add(SessionStatusRunning)
        error = {"type": "model_overloaded_error", "message": "busy", "retry_status": {"type": "exhausted"}}
        recorder.add(SessionError, error=error)
        recorder.add(SessionStatusRescheduled, local={"wait_seconds": 1.5, "retry_at": "2026-11-20T09:10:00Z"})
        recorder.add(user.SystemMessage, content=[{"type": "text", "text": "Answer in French."}])
        recorder.add(agent.AgentThreadContextCompacted)
        recorder.add(UserInterrupt)
        recorder.add(LocalInterrupted, signal="SIGTERM")
        recorder.rest("refusal", {"type": "refusal", "category": None, "explanation": None})
    printed = agentctl("events", "@", "-o", "jsonl")
    assert printed.code == 0
    hosted = [body for body in printed.lines if not body["type"].startswith("local.")]
    assert {body["type"] for body in hosted} == {kind.type for kind in HOSTED_KINDS} - {"session.status_terminated"}
    for body in hosted:
        assert body["processed_at"] is not None
        validate(body)


def test_the_page_on_the_record_names_every_event_of_our_own() -> None:
    page = (ROOT / "docs" / "record.md").read_text()
    for kind in known_types():
        if kind.startswith("local."):
            assert f"| `{kind}` |" in page, kind
