"""A sandbox that runs nothing: every call comes to what it came to in a record.

A call is found by its tool and its input, written canonically, and each recorded one answers once, in
order. A call that the record does not hold ends it, or goes to another sandbox where there is one to
stand in; from there on every call goes there, because what the record knows of the files is no longer
what is there.
"""

import contextlib
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from agentctl.canonical import JsonObject, canonical_json
from agentctl.errors import SandboxError, UnrecordedCallError
from agentctl.sandbox.base import (
    Changes,
    Layout,
    OutputFile,
    Outputs,
    Progress,
    Sandbox,
    Started,
    ToolCall,
    ToolOutcome,
)
from agentctl.session.files import Contents, File, Restoring
from agentctl.visible import visible_line

_MOST_QUOTED = 160


@dataclass(frozen=True, slots=True)
class Observed:
    """A call of the record, by the number of its event, and what it came to.

    ``changes`` and ``between`` are members of ``local.files_changed``; the contents are in the store. ``lost`` is
    how the sandbox was lost, of a call that was under way then.
    """

    seq: int
    name: str
    input: JsonObject
    content: tuple[JsonObject, ...]
    is_error: bool
    facts: JsonObject
    changes: JsonObject | None = None
    between: JsonObject | None = None
    lost: SandboxError | None = None


class Tape:
    """What was observed in a session, each thing used once; all recorded sandboxes of a rerun play it on.

    ``starts`` are the facts of its sandboxes; ``outputs`` what was in the outputs folder when it
    rested, each with how many calls had been observed before.
    """

    def __init__(
        self,
        observed: Sequence[Observed],
        starts: Sequence[JsonObject],
        outputs: Sequence[tuple[int, Sequence[JsonObject]]],
        contents: Contents,
    ) -> None:
        self.contents = contents
        self.missed: ToolCall | None = None
        self._left: dict[str, deque[Observed]] = {}
        self._places = {each.seq: place for place, each in enumerate(observed)}
        for each in observed:
            self._left.setdefault(_key(each.name, each.input), deque()).append(each)
        self._starts = deque(starts)
        self._outputs = outputs
        self._given = 0

    @property
    def left(self) -> list[Observed]:
        """The recorded calls that nobody has made, in the order of the record."""
        return sorted((each for queue in self._left.values() for each in queue), key=lambda each: each.seq)

    def take(self, call: ToolCall) -> Observed | None:
        """Return what a call came to; None where the record does not hold it, or no longer."""
        queue = self._left.get(_key(call.name, call.input))
        if not queue:
            self.missed = self.missed or call
            return None
        self._given += 1
        return queue.popleft()

    def place(self, observed: Observed) -> int:
        """Return how many calls had ended before, in the record."""
        return self._places[observed.seq]

    def start(self) -> JsonObject:
        """Return the facts of the next sandbox."""
        return self._starts.popleft() if self._starts else {"kind": "recorded"}

    def outputs(self) -> Sequence[JsonObject]:
        """Return the files of the outputs folder as they were found last."""
        known = bisect_right(self._outputs, self._given, key=lambda found: found[0])
        return self._outputs[known - 1][1] if known else ()


@dataclass(frozen=True, slots=True)
class StandIn:
    """Where calls go that the record does not hold.

    ``make`` makes the sandbox and prepares it, ``files`` are those it begins with.
    """

    make: Callable[[Progress], Sandbox]
    files: Callable[[], Restoring]


class RecordedSandbox:
    """Plays a tape in place of a sandbox; without ``stand_in`` it ends at the first call that is not on it."""

    def __init__(self, tape: Tape, layout: Layout | None = None, stand_in: StandIn | None = None) -> None:
        self._tape = tape
        self._layout = layout or Layout()
        self._stand_in = stand_in
        self._session_id = ""
        self._progress: Progress = lambda _line: None
        self._live: Sandbox | None = None

    @property
    def kind(self) -> Literal["recorded"]:
        """Say which it is."""
        return "recorded"

    @property
    def layout(self) -> Layout:
        """Say where things were inside."""
        return self._layout

    def check(self) -> JsonObject:
        """Find nothing that could be missing."""
        return {"kind": self.kind}

    def prepare(self, progress: Progress) -> JsonObject:  # noqa: ARG002 - there is nothing to make
        """Make nothing."""
        return {"kind": self.kind}

    def start(
        self,
        session_id: str,
        files: Sequence[File],  # noqa: ARG002 - nothing is run that could see them
        contents: Contents,  # noqa: ARG002
        progress: Progress,
        gone: Sequence[str] = (),  # noqa: ARG002
    ) -> Started:
        """Return the facts of the sandbox that was there then."""
        self._session_id, self._progress = session_id, progress
        return Started(self._tape.start())

    def attach(self, session_id: str) -> Started | None:  # noqa: ARG002 - nothing outlives us
        """Find nothing to take over."""
        return None

    def call(self, calls: Sequence[ToolCall]) -> Iterator[tuple[str, ToolOutcome]]:
        """Yield what each call came to, in the order of the record.

        Raises UnrecordedCallError for one that the record does not hold, and SandboxError where the record lost
        its sandbox.
        """
        found = [(call, self._tape.take(call) if self._live is None else None) for call in calls]
        known = [(call, each) for call, each in found if each is not None]
        for call, each in sorted(known, key=lambda pair: self._tape.place(pair[1])):
            if each.lost is None:
                yield call.id, self._outcome(each)
        for call in (call for call, each in found if each is None):
            yield from self._standing_in(call).call([call])
        for _, each in known:
            if each.lost is not None:
                raise each.lost

    def cancel(self, call_id: str) -> None:
        """Pass it on; what is recorded is over as soon as it is asked for."""
        if self._live is not None:
            self._live.cancel(call_id)

    def acknowledge(self, call_ids: Sequence[str]) -> None:
        """Pass it on."""
        if self._live is not None:
            self._live.acknowledge(call_ids)

    def outputs(self) -> Outputs:
        """List the files that were in the outputs folder then."""
        if self._live is not None:
            return self._live.outputs()
        kept = (body for body in self._tape.outputs() if "sha256" in body)
        return Outputs(tuple(OutputFile(body["path"], body["size"], body["mode"], body["sha256"]) for body in kept))

    def read_output(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of one of them. Raises SandboxError, StoreError."""
        if self._live is not None:
            return self._live.read_output(path)
        digest = next((body.get("sha256") for body in self._tape.outputs() if body.get("path") == path), None)
        if digest is None:
            raise SandboxError(f"the record does not hold {visible_line(path)}")
        return self._tape.contents.open(digest)

    def keep(self, keep_until: str) -> JsonObject | None:  # noqa: ARG002
        """Keep nothing: there is nothing."""
        return None

    def leave(self) -> None:
        """Leave nothing."""

    def close(self) -> None:
        """End what stood in, if anything did."""
        if self._live is not None:
            self._live.close()

    def _standing_in(self, call: ToolCall) -> Sandbox:
        if self._live is None:
            if self._stand_in is None:
                raise UnrecordedCallError(
                    f"the record holds no call (or no further one) of {visible_line(call.name)} with this input: "
                    f"{visible_line(canonical_json(call.input))[:_MOST_QUOTED]}",
                    hint="rerun with --on-miss sandbox sends such calls to a fresh sandbox",
                )
            files = self._stand_in.files()
            live = self._stand_in.make(self._progress)
            with contextlib.ExitStack() as unstarted:
                unstarted.callback(live.close)
                live.start(self._session_id, files.files, self._tape.contents, self._progress, files.gone)
                unstarted.pop_all()
            self._live = live
        return self._live

    def _outcome(self, found: Observed) -> ToolOutcome:
        changes, between = self._changes(found.changes), self._changes(found.between)
        return ToolOutcome(found.content, found.is_error, found.facts, changes, between)

    def _changes(self, recorded: JsonObject | None) -> Changes | None:
        if recorded is None:
            return None
        names = {body["sha256"] for body in recorded["changes"] if "sha256" in body}
        contents = {name: b"".join(self._tape.contents.open(name)) for name in names}
        return Changes(tuple(recorded["changes"]), contents, recorded.get("cut"))


def _key(name: str, arguments: JsonObject) -> str:
    return canonical_json([name, arguments])
