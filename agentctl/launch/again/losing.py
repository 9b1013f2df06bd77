"""A fresh sandbox that is lost again where the recorded one was lost.

How far a call came that was under way is not known, so making it would leave other files for what comes after
it. The record goes on in a new sandbox, with the files as they were after the last call that ended, and so does
its rerun.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Literal

from agentctl.canonical import JsonObject, canonical_json
from agentctl.sandbox.base import Layout, Outputs, Progress, Sandbox, Started, ToolCall, ToolOutcome
from agentctl.sandbox.recorded import Observed
from agentctl.session.files import Contents, File


class Untold:
    """The calls of a record in their order, each with what it came to where no sandbox told it, used once."""

    def __init__(self, asked: Sequence[tuple[str, JsonObject, Observed | None]]) -> None:
        """Take the name and the input of each call that was sent to a sandbox."""
        self._left: dict[str, deque[Observed | None]] = {}
        for name, arguments, found in asked:
            self._left.setdefault(canonical_json([name, arguments]), deque()).append(found)

    def take(self, call: ToolCall) -> Observed | None:
        """Return what a call came to, if no sandbox told it; None for one that is to be made."""
        queue = self._left.get(canonical_json([call.name, call.input]))
        return queue.popleft() if queue else None


class LosingSandbox:
    """Another sandbox, but for the calls whose outcome nobody knows: those are not made."""

    def __init__(self, inner: Sandbox, untold: Untold) -> None:
        self._inner = inner
        self._untold = untold

    @property
    def kind(self) -> Literal["docker", "bubblewrap", "none", "recorded"]:
        """Say which it is."""
        return self._inner.kind

    @property
    def layout(self) -> Layout:
        """Say where things are inside."""
        return self._inner.layout

    def check(self) -> JsonObject:
        """Check the other one."""
        return self._inner.check()

    def prepare(self, progress: Progress) -> JsonObject:
        """Prepare the other one."""
        return self._inner.prepare(progress)

    def start(
        self, session_id: str, files: Sequence[File], contents: Contents, progress: Progress, gone: Sequence[str] = ()
    ) -> Started:
        """Start the other one."""
        return self._inner.start(session_id, files, contents, progress, gone)

    def attach(self, session_id: str) -> Started | None:
        """Take over what the other one finds."""
        return self._inner.attach(session_id)

    def call(self, calls: Sequence[ToolCall]) -> Iterator[tuple[str, ToolOutcome]]:
        """Yield what each call came to. Raises SandboxError where the record lost its sandbox."""
        untold = [(call, self._untold.take(call)) for call in calls]
        made = [call for call, found in untold if found is None]
        if made:
            yield from self._inner.call(made)
        for call, found in untold:
            if found is not None and found.lost is None:
                yield call.id, ToolOutcome(found.content, found.is_error, {})
        for _, found in untold:
            if found is not None and found.lost is not None:
                raise found.lost

    def cancel(self, call_id: str) -> None:
        """End a call of the other one."""
        self._inner.cancel(call_id)

    def acknowledge(self, call_ids: Sequence[str]) -> None:
        """Pass it on."""
        self._inner.acknowledge(call_ids)

    def outputs(self) -> Outputs:
        """List the files in the other one's outputs folder."""
        return self._inner.outputs()

    def read_output(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of one of them."""
        return self._inner.read_output(path)

    def keep(self, keep_until: str) -> JsonObject | None:
        """Keep the state of the other one."""
        return self._inner.keep(keep_until)

    def leave(self) -> None:
        """Leave the other one."""
        self._inner.leave()

    def close(self) -> None:
        """End the other one."""
        self._inner.close()
