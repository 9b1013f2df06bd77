"""Coming to rest: what is kept of the sandbox then, and what the session has used."""

from collections.abc import Iterator
from datetime import timedelta

from agentctl.canonical import JsonObject
from agentctl.errors import SandboxError
from agentctl.events.local import LocalCheckpoint, LocalCheckpointFailed, LocalOutputs
from agentctl.events.make import Maker
from agentctl.events.session import SessionStatusIdle, SessionUsage
from agentctl.harness.hands import Hands
from agentctl.harness.keeping import Keeper, Store, at_most
from agentctl.harness.looking import Looking
from agentctl.harness.loop import Events
from agentctl.harness.outlook import Outlook
from agentctl.harness.steps import ComeToRest
from agentctl.ids import timestamp
from agentctl.sandbox.base import OutputFile
from agentctl.session.log import Session

MOST_OUTPUT_BYTES = 1 << 30
"""Output files are kept up to this many bytes in all."""


class ComingToRest:
    """Keeps changed files, outputs and the state of the sandbox when a session comes to rest."""

    def __init__(self, hands: Hands, store: Store, keeper: Keeper, looking: Looking, make: Maker) -> None:
        self._hands = hands
        self._store = store
        self._keeper = keeper
        self._looking = looking
        self._make = make

    def rest(self, step: ComeToRest, session: Session[Outlook]) -> Iterator[Events]:
        """Come to rest; the sandbox hears that what it told is recorded once that is so."""
        yield self._rested(step, session)
        self._looking.acknowledge(self._hands.sandbox)

    def _rested(self, step: ComeToRest, session: Session[Outlook]) -> Events:
        kept = self._kept(session) if self._hands.in_use else []
        usage = session.outlook.usage.until(timestamp(self._make.clock.now()))
        return [
            *kept,
            self._make(SessionUsage, usage=usage.snapshot(), extra={"local": usage.local()}),
            self._make(SessionStatusIdle, stop_reason=step.stop_reason, stop_details=step.stop_details),
        ]

    def _kept(self, session: Session[Outlook]) -> Events:
        changed = self._looking.look(self._hands.sandbox, session.files)
        return [*changed, *self._outputs(), *self._checkpoint()]

    def _outputs(self) -> Events:
        try:
            found = self._hands.sandbox.outputs()
        except SandboxError:
            return []  # the sandbox is gone, which the failure that ended the turn has said
        files: list[JsonObject] = []
        left = MOST_OUTPUT_BYTES
        for file in found:
            files.append(self._kept_file(file, left))
            left -= files[-1]["size"] if "sha256" in files[-1] else 0
        cut = None if found.is_whole else f"there are more files than the {len(files):,} that are listed"
        return [self._make(LocalOutputs, files=files, cut=cut)] if files else []

    def _checkpoint(self) -> Events:
        until = self._make.clock.now() + timedelta(seconds=self._hands.keep_seconds)
        try:
            kept = self._hands.keep(timestamp(until))
        except SandboxError as error:
            return [self._make(LocalCheckpointFailed, reason=error.message)]
        return [] if kept is None else [self._make(LocalCheckpoint, **kept)]

    def _kept_file(self, file: OutputFile, left: int) -> JsonObject:
        body: JsonObject = {"path": file.path, "size": file.size, "mode": file.mode}
        if file.size > left:
            return body | {"skipped": f"more than {MOST_OUTPUT_BYTES} bytes of outputs"}
        try:
            pieces = at_most(left, self._hands.sandbox.read_output(file.path))
            digest, size = self._keeper.kept(file.digest) or self._store.put(pieces)
        except SandboxError as error:
            return body | {"skipped": error.message}
        return body | {"sha256": digest, "size": size}
