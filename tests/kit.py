"""Recorded sessions without a run: a clock that stands still, and a recorder that writes what a harness would."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from agentctl.canonical import JsonObject, exact_json
from agentctl.events.agent import AgentCustomToolUse, AgentMessage, AgentThinking, AgentToolResult, AgentToolUse
from agentctl.events.base import Event
from agentctl.events.content import text_block
from agentctl.events.local import (
    LocalInputProcessed,
    LocalModelResponse,
    LocalOutputs,
    LocalSandboxStarted,
    LocalSessionCreated,
    LocalToolFacts,
    LocalToolStarted,
)
from agentctl.events.make import Maker
from agentctl.events.session import SessionStatusIdle, SessionStatusRunning, SessionUsage
from agentctl.events.span import SpanModelRequestEnd, SpanModelRequestStart
from agentctl.events.user import UserMessage
from agentctl.ids import timestamp
from agentctl.paths import Home
from agentctl.session.log import Listener, Record, Session
from agentctl.session.usage import Usage
from agentctl.store.blobs import Blobs
from agentctl.store.database import Database
from agentctl.store.events import SqliteEventLog
from agentctl.store.migrations import migrate

START = datetime(2026, 11, 20, 9, 0, 0, tzinfo=UTC)
MODEL = "claude-opus-5-5"


class FixedClock:
    """A clock that moves only when it is told to."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self._seconds = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    def sleep(self, seconds: float) -> None:
        self.pass_by(seconds)

    def pass_by(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._seconds += seconds


@contextmanager
def open_log(home: Home) -> Iterator[SqliteEventLog]:
    database = Database(home, migrate)
    try:
        yield SqliteEventLog(home, database)
    finally:
        database.close()


class Recorder:
    """Writes one session event by event, each at a time of the clock."""

    def __init__(
        self,
        log: SqliteEventLog,
        home: Home,
        session_id: str = "sesn_01kaf3m9x8rq2m4n6p8r0t2v4w",
        clock: FixedClock | None = None,
        listeners: Sequence[Listener] = (),
        **created: Any,
    ) -> None:
        self.clock = clock or FixedClock()
        self.make = Maker(self.clock)
        self.id = session_id
        self.home = home
        self._log = log
        members: JsonObject = {
            "agentctl_version": "0.1.0",
            "agent": {"name": "data-analyst", "model": {"id": MODEL}},
            "agent_hash": "sha256:" + "a1" * 32,
            "environment": {"name": "python-data", "config": {"type": "docker"}},
            "environment_hash": "sha256:" + "b2" * 32,
            "model": MODEL,
            "request": {"model": MODEL},
            "sandbox": {
                "kind": "docker",
                "image": "debian:bookworm-slim",
                "image_digest": "sha256:" + "c3" * 32,
            },
            "uploads": [],
            "limits": {"max_turns": 40},
        }
        log.append(session_id, [self.make(LocalSessionCreated, session_id=session_id, **members | created)])
        self.session = Session(session_id, log, Usage(), listeners)

    def add(self, kind: type[Event], **members: Any) -> Event:
        event = self.make(kind, **members)
        self.session.append(event)
        return event

    def user(self, text: str) -> None:
        message = self.make(UserMessage, content=[text_block(text)], processed_at=None)
        self.session.append(message)
        if self.session.state.status != "running":
            self.add(SessionStatusRunning)
        self.clock.pass_by(0.01)
        self.add(LocalInputProcessed, event_ids=[message.id])

    def answer(
        self,
        *blocks: JsonObject,
        seconds: float = 3.0,
        usage: JsonObject | None = None,
        asks: Sequence[str] = (),
        custom: Sequence[str] = (),
        typed: Callable[[], object] = lambda: None,
    ) -> list[Event]:
        """Record a request that took ``seconds`` and its answer; return the events of its calls, in order.

        ``typed`` is called while the answer is on its way, for those who want to show pieces of it.
        """
        start = self.add(SpanModelRequestStart)
        typed()
        self.clock.pass_by(seconds)
        calls = [self._call(block, asks, custom) for block in blocks if block["type"] == "tool_use"]
        counts = usage or {
            "input_tokens": 20,
            "output_tokens": 180,
            "cache_read_input_tokens": 4_000,
            "cache_creation_input_tokens": 600,
        }
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": MODEL,
            "content": list(blocks),
            "stop_reason": "tool_use" if calls else "end_turn",
            "usage": counts,
        }
        ids = [block["id"] for block in blocks if block["type"] == "tool_use"]
        self.session.append(
            self.make(
                LocalModelResponse,
                model_request_start_id=start.id,
                model=MODEL,
                raw=exact_json(message),
                tool_uses=[{"id": name, "event_id": call.id} for name, call in zip(ids, calls, strict=True)],
                request_id="req_1",
            ),
            *self._public(blocks, calls),
            self.make(
                SpanModelRequestEnd,
                model_request_start_id=start.id,
                model_usage={name: counts[name] for name in sorted(counts)},
                is_error=False,
            ),
        )
        return calls

    def run_tools(self, *calls: Event) -> None:
        if not any(isinstance(record.event, LocalSandboxStarted) for record in self.records()):
            self.add(LocalSandboxStarted, facts={"kind": "docker", "container_id": "f00d", "python": "3.11.2"})
        self.add(LocalToolStarted, tool_use_ids=[call.id for call in calls])

    def result(
        self, call: Event, text: str = "", seconds: float = 0.1, *, is_error: bool | None = None, **facts: Any
    ) -> None:
        self.clock.pass_by(seconds)
        self.session.append(
            self.make(
                AgentToolResult, tool_use_id=call.id, content=[text_block(text)] if text else [], is_error=is_error
            ),
            self.make(LocalToolFacts, tool_use_id=call.id, facts={"duration_seconds": seconds, **facts}),
        )

    def outputs(self, **files: bytes) -> None:
        """Keep files as outputs: names as Python writes them, so ``report_md`` is ``report.md``."""
        kept = []
        for name, data in files.items():
            digest, size = Blobs(self.home.blobs).put([data])
            kept.append({"path": name.replace("_", "."), "size": size, "mode": 0o644, "sha256": digest})
        self.add(LocalOutputs, files=kept)

    def rest(self, kind: str = "end_turn", details: JsonObject | None = None, **reason: Any) -> None:
        usage = self.session.outlook.until(timestamp(self.clock.now()))
        self.session.append(
            self.make(SessionUsage, usage=usage.snapshot(), extra={"local": usage.local()}),
            self.make(SessionStatusIdle, stop_reason={"type": kind, **reason}, stop_details=details),
        )

    def records(self) -> list[Record]:
        return list(self._log.read(self.id))

    def _call(self, block: JsonObject, asks: Sequence[str], custom: Sequence[str]) -> Event:
        if block["id"] in custom:
            return self.make(AgentCustomToolUse, name=block["name"], input=block["input"])
        permission = "ask" if block["id"] in asks else "allow"
        return self.make(
            AgentToolUse,
            name=block["name"],
            input=block["input"],
            evaluated_permission=permission,
            evaluation={"type": "always_ask" if permission == "ask" else "always_allow"},
        )

    def _public(self, blocks: Sequence[JsonObject], calls: Sequence[Event]) -> Iterator[Event]:
        waiting = iter(calls)
        for kind, run in groupby(blocks, lambda block: block["type"]):
            if kind == "text":
                yield self.make(AgentMessage, content=[text_block(block["text"]) for block in run])
            elif kind in ("thinking", "redacted_thinking"):
                yield from (self.make(AgentThinking) for _ in run)
            else:
                yield from (next(waiting) for _ in run)


def text(words: str) -> JsonObject:
    return text_block(words)


def thinking(words: str) -> JsonObject:
    return {"type": "thinking", "thinking": words, "signature": "c2ln"}


def call(name: str, call_id: str = "toolu_1", **arguments: Any) -> JsonObject:
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


QUESTION = "Which month was the wettest in Seattle, and by how much? Make a chart and write a short report."

CSV = "\n".join(
    [
        "date,precipitation,temp_max,temp_min,wind,weather",
        *(f"2012-01-{day:02},{day * 1.3 % 21:.1f},{9 + day % 5}.4,{day % 6}.0,3.7,rain" for day in range(1, 31)),
    ]
)

TRACEBACK = """\
Traceback (most recent call last):
  File "/workspace/analysis.py", line 14, in <module>
    monthly = frame.groupby(frame.date.dt.to_period("M")).precipitation.sum()
  File "/usr/lib/python3/dist-packages/pandas/core/generic.py", line 5902, in __getattr__
    return object.__getattribute__(self, name)
AttributeError: Can only use .dt accessor with datetimelike values
exit code 1"""

ANSWER = """\
**December 2014 was not the wettest month; November 2012 was not either.** The wettest month in the file is \
March 2014 with 240.0 mm, 21.4 mm more than the next one (November 2015, 218.6 mm).

- The figures are sums of the `precipitation` column, in millimetres.
- 2012-02-29 is there, so the leap year is whole; no day is missing and none is twice in the file.
- The `weather` column calls 43 days "rain" on which 0.0 mm fell, so I did not use it.

The chart is chart.png, the report report.md, the code analysis.py."""


def analysis(recorder: Recorder) -> None:
    """Record a session as the data analyst has them: thoughts, calls, one that fails, files, an answer."""
    recorder.user(QUESTION)
    first, second = recorder.answer(
        thinking(
            "The user wants the wettest month. I should look at the file before I compute anything: its columns, "
            "units and whether days are missing."
        ),
        text("I'll look at the data before computing anything with it."),
        call("bash", "toolu_1", command="head -40 seattle-weather.csv; wc -l seattle-weather.csv"),
        call("glob", "toolu_2", pattern="**/*.csv"),
        seconds=6.2,
    )
    recorder.run_tools(first, second)
    recorder.result(second, "/workspace/seattle-weather.csv", 0.02)
    recorder.result(first, CSV + "\n1462 seattle-weather.csv", 0.34, exit_code=0)
    (write,) = recorder.answer(
        text("One row a day for four years. Now the sums by month, in one file that runs from start to end."),
        call(
            "write",
            "toolu_3",
            file_path="/workspace/analysis.py",
            content="import pandas\n\nframe = pandas.read_csv('seattle-weather.csv')\n" + "print(frame)\n" * 38,
        ),
        seconds=9.1,
    )
    recorder.run_tools(write)
    recorder.result(write, "wrote /workspace/analysis.py", 0.01)
    (run,) = recorder.answer(call("bash", "toolu_4", command="python3 analysis.py"), seconds=2.0)
    recorder.run_tools(run)
    recorder.result(run, TRACEBACK, 1.9, exit_code=1)
    (edit,) = recorder.answer(
        thinking("The dates were read as text."),
        call(
            "edit",
            "toolu_5",
            file_path="/workspace/analysis.py",
            old_string="frame = pandas.read_csv('seattle-weather.csv')",
            new_string="frame = pandas.read_csv('seattle-weather.csv', parse_dates=['date'])",
        ),
        seconds=3.3,
    )
    recorder.run_tools(edit)
    recorder.result(edit, "replaced 1 occurrence in /workspace/analysis.py", 0.01)
    (again,) = recorder.answer(
        call("bash", "toolu_6", command="python3 analysis.py\nls -l /mnt/session/outputs\ncat report.md"), seconds=1.4
    )
    recorder.run_tools(again)
    recorder.result(again, "2014-03  240.0\n2015-11  218.6\n2012-11  210.5\nwrote chart.png", 14.2, exit_code=0)
    recorder.answer(text(ANSWER), seconds=7.7)
    recorder.outputs(report_md=b"# Wettest month\n" * 60, chart_png=b"\x89PNG" * 9000, analysis_py=b"import pandas\n")
    recorder.rest()
