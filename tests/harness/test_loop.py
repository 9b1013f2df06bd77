"""The loop over real parts: a scripted model, the supervisor in a plain process, and a log in memory."""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import pytest

from agentctl.canonical import JsonObject, hash_of
from agentctl.definitions.agent import Agent
from agentctl.definitions.environment import Environment
from agentctl.errors import SandboxError
from agentctl.events.base import Event
from agentctl.events.codec import decode, encode
from agentctl.events.content import text_block
from agentctl.events.local import LocalCheckpointFailed, LocalSandboxStarted, LocalSessionCreated
from agentctl.events.make import Maker
from agentctl.events.user import UserMessage
from agentctl.harness.hands import Hands
from agentctl.harness.keeping import unkept_line
from agentctl.harness.loop import run
from agentctl.harness.outlook import Outlook
from agentctl.harness.perform import Performer
from agentctl.harness.stop import Stop
from agentctl.ids import SystemClock
from agentctl.launch.uploading import supplier
from agentctl.model.request import header_for
from agentctl.model.scripted import ScriptedModel
from agentctl.policy.context import ContextRules
from agentctl.sandbox.process import ProcessSandbox
from agentctl.session.log import Record, Session
from agentctl.session.result import Result
from agentctl.store.blobs import Blobs
from agentctl.tools.toolset import toolset_of
from tests.api_rules import check_body

SCRIPT = """\
- text: Let me see.
  tools:
    - {name: bash, input: {command: "echo line >> counted; wc -l < counted"}}
    - {name: nothing_like_it, input: {}}
    - {name: read, input: {file_path: counted}}
- {tools: [{name: bash, input: {command: "cat counted | wc -l"}}]}
- {text: Finished.}
"""


class MemoryLog:
    """The EventLog in memory; it remembers what was stored together."""

    def __init__(self, groups: Sequence[Sequence[Event]] = ()) -> None:
        self.groups = [list(group) for group in groups]

    def append(self, session_id: str, events: Sequence[Event]) -> Sequence[Record]:
        before = sum(map(len, self.groups))
        self.groups.append([decode(encode(event)) for event in events])
        return [Record(before + number, event, "") for number, event in enumerate(events, 1)]

    def read(self, session_id: str, *, after: int = 0) -> Iterator[Record]:
        events = [event for group in self.groups for event in group]
        return iter([Record(number, event, "") for number, event in enumerate(events, 1)][after:])


@pytest.fixture
def agent() -> Agent:
    return Agent.model_validate(
        {"name": "a", "model": {"id": "claude-opus-5-5"}, "tools": [{"type": "agent_toolset_20260401"}]}
    )


def drive(
    log: MemoryLog,
    agent: Agent,
    folder: Path,
    script: str = SCRIPT,
    rules: ContextRules = ContextRules(),  # noqa: B008 - frozen
    kind: type[ProcessSandbox] = ProcessSandbox,
    told: Callable[[str], object] = str,
) -> Session[Outlook]:
    """Take a session up from its log, as a new process would, and drive it until it rests."""
    (folder / "script.yaml").write_text(script)
    environment = Environment.model_validate({"name": "e", "config": {"type": "bubblewrap"}})
    sandbox = kind(environment, folder / "sandboxes")
    toolset = toolset_of(agent, sandbox.layout.workspace)
    # A tool that is not offered is asked for by a model that was told otherwise.
    tools = [*toolset.definitions, {"name": "nothing_like_it", "description": "x", "input_schema": {"type": "object"}}]
    header = header_for("claude-opus-5-5", system="s", tools=tools)
    model = Checked(ScriptedModel.open(folder / "script.yaml"))
    session, blobs = Session("sesn_1", log, Outlook(header, "script:test", rules=rules)), Blobs(folder / "blobs")
    supply = supplier((), blobs, lambda line: None, lambda: session.files)
    hands = Hands(sandbox, lambda: kind(environment, folder / "sandboxes"), supply, lambda line: told(line) and None)
    try:
        stop, make = Stop(), Maker(SystemClock())
        run(session, Performer(model, header, toolset, hands, make, blobs, stop), make, stop)
    finally:
        hands.close()
    return session


class Checked:
    """A model in front of a model that lets only valid requests through."""

    def __init__(self, model: ScriptedModel) -> None:
        self._model = model

    def respond(self, request, show):
        assert list(check_body({**request.body, "stream": True}, list(request.betas))) == []
        return self._model.respond(request, show)

    def cancel(self) -> None:
        self._model.cancel()

    def close(self) -> None:
        self._model.close()


def beginning() -> list[list[Event]]:
    make = Maker(SystemClock())
    created = make(
        LocalSessionCreated,
        session_id="sesn_1", agentctl_version="0", agent={}, agent_hash="", environment={}, environment_hash="",
        model="m", request={}, sandbox={}, uploads=[], limits={},
    )  # fmt: skip
    return [[created, make(UserMessage, content=[text_block("go")], processed_at=None)]]


def results(log: MemoryLog) -> dict[str, list[JsonObject]]:
    """The results of each call, by the call's id."""
    bodies = [encode(event) for group in log.groups for event in group]
    calls = {body["id"]: [] for body in bodies if body["type"] == "agent.tool_use"}
    for body in bodies:
        if body["type"] == "agent.tool_result":
            calls[body["tool_use_id"]].append(body)
    return calls


def final(log: MemoryLog) -> Result:
    folded = Result()
    for group in log.groups:
        for event in group:
            folded = folded.after(event)
    return folded


def test_a_session_runs_to_its_end_and_every_call_has_one_result(agent: Agent, tmp_path: Path) -> None:
    log = MemoryLog(beginning())
    drive(log, agent, tmp_path)
    assert final(log).text == "Finished."
    assert final(log).exit_code == 0
    found = results(log)
    assert [len(one) for one in found.values()] == [1, 1, 1, 1]
    texts = [one[0]["content"][0]["text"] for one in found.values()]
    assert texts[0].strip() == "1"
    assert "There is no tool 'nothing_like_it'" in texts[1]
    assert texts[2].strip() == "line"


def test_a_session_can_be_taken_up_from_every_group_of_its_log(agent: Agent, tmp_path: Path) -> None:
    whole = MemoryLog(beginning())
    drive(whole, agent, tmp_path)
    assert len(whole.groups) > 12
    for length in range(1, len(whole.groups) + 1):
        log = MemoryLog(whole.groups[:length])
        drive(log, agent, tmp_path)
        assert final(log).text == "Finished.", f"taken up after group {length}"
        assert final(log).exit_code == 0
        assert [len(one) for one in results(log).values()] == [1, 1, 1, 1]
        # A call that was begun when the process ended is reported, never begun again.
        begun = [
            ids
            for group in log.groups
            for body in map(encode, group)
            if body["type"] == "local.tool_started"
            for ids in body["tool_use_ids"]
        ]
        assert len(begun) == len(set(begun))


def test_a_session_that_is_summarised_can_be_taken_up_from_every_group_of_its_log(agent: Agent, tmp_path: Path) -> None:
    tiny = ContextRules(window=1_000)
    whole = MemoryLog(beginning())
    drive(whole, agent, tmp_path, rules=tiny)
    kinds = [encode(event)["type"] for group in whole.groups for event in group]
    assert kinds.count("agent.thread_context_compacted") == 2
    for length in range(1, len(whole.groups) + 1):
        log = MemoryLog(whole.groups[:length])
        drive(log, agent, tmp_path, rules=tiny)
        assert final(log).text == "Finished.", f"taken up after group {length}"
        assert [len(one) for one in results(log).values()] == [1, 1, 1, 1]
        assert final(log).usage.requests == 5


def test_a_session_that_rests_is_left_alone(agent: Agent, tmp_path: Path) -> None:
    log = MemoryLog(beginning())
    drive(log, agent, tmp_path)
    before = [hash_of(encode(event)) for group in log.groups for event in group]
    drive(log, agent, tmp_path)
    assert [hash_of(encode(event)) for group in log.groups for event in group] == before


def test_the_running_sums_are_those_of_the_log(agent: Agent, tmp_path: Path) -> None:
    log = MemoryLog(beginning())
    session = drive(log, agent, tmp_path)
    events = [event for group in log.groups for event in group]
    *_, last = accumulate(events, lambda folded, event: folded.after(event), initial=Result())
    assert last.usage == session.outlook.usage
    assert session.outlook.usage.requests == 3
    assert session.outlook.usage.tool_calls == 4
    assert 0 < session.outlook.usage.active_seconds < 30


def test_a_lost_call_that_only_reads_is_made_again_and_one_that_writes_is_not(agent: Agent, tmp_path: Path) -> None:
    calls = "[{name: read, input: {file_path: /etc/passwd}}, {name: bash, input: {command: 'echo wrote'}}]"
    script = f"- {{tools: {calls}}}\n- {{text: Finished.}}\n"
    whole = MemoryLog(beginning())
    drive(whole, agent, tmp_path, script)
    begun = next(
        number
        for number, group in enumerate(whole.groups, 1)
        if any(encode(event)["type"] == "local.tool_started" for event in group)
    )
    log = MemoryLog(whole.groups[:begun])
    drive(log, agent, tmp_path, script)
    read, wrote = (found[0] for found in results(log).values())
    assert not read.get("is_error")
    assert "root:" in str(read["content"])
    assert wrote["is_error"]
    assert "not known" in str(wrote["content"])


class Unkept(ProcessSandbox):
    """A sandbox whose state cannot be kept."""

    def keep(self, keep_until: str) -> JsonObject | None:
        raise SandboxError("the disk is full")


def test_a_state_that_could_not_be_kept_is_in_the_record_and_the_next_sandbox_knows(
    agent: Agent, tmp_path: Path
) -> None:
    log, told = MemoryLog(beginning()), list[str]()
    state = drive(log, agent, tmp_path, kind=Unkept, told=told.append).state
    [failed] = [event for group in log.groups for event in group if isinstance(event, LocalCheckpointFailed)]
    assert failed.reason == state.unkept == "the disk is full"
    assert log.groups[-1][-1].type == "session.status_idle"
    make = Maker(SystemClock())
    log.append("sesn_1", [make(UserMessage, content=[text_block("more")], processed_at=None)])
    script = SCRIPT + '- {tools: [{name: bash, input: {command: "cat counted"}}]}\n- {text: Again.}\n'
    state = drive(log, agent, tmp_path, script, told=told.append).state
    assert told == [f"not restored: {unkept_line('the disk is full')}"]
    assert state.unkept is None
    assert final(log).text == "Again."


def test_a_sandbox_that_still_runs_has_what_could_not_be_kept(agent: Agent, tmp_path: Path) -> None:
    log = MemoryLog(beginning())
    state = drive(log, agent, tmp_path, kind=Unkept).state
    make = Maker(SystemClock())
    assert state.after(make(LocalSandboxStarted, facts={"attached": True})).unkept == "the disk is full"
    assert state.after(make(LocalSandboxStarted, facts={})).unkept is None
