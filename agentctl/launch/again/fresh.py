"""The fresh sandboxes of a rerun: the recorded image, no network and no credentials unless they are asked for."""

from typing import TYPE_CHECKING

from agentctl.canonical import JsonObject
from agentctl.compare.causes import MovedPackage
from agentctl.compare.packages import moved_packages
from agentctl.definitions.environment import Environment
from agentctl.definitions.fields import snapshot
from agentctl.errors import SandboxError
from agentctl.events.local import LocalSessionCreated
from agentctl.launch.again.request import RerunRequest
from agentctl.launch.parts import Sandboxes, image_packages, open_vaults, way_out_for
from agentctl.paths import Home
from agentctl.sandbox.base import FIRST, Origin, Progress, Sandbox
from agentctl.session.packages import Packages

if TYPE_CHECKING:
    from agentctl.launch.network import WayOut


class FreshSandboxes:
    """Makes the fresh sandboxes of a rerun; ``way_out`` is what they may reach, None without a network.

    Raises SandboxError where none could be compared with the recorded one.
    """

    def __init__(self, request: RerunRequest, header: LocalSessionCreated, home: Home, session_id: str) -> None:
        self._header, self._home = header, home
        kind = None if request.environment else header.sandbox.get("kind")
        if request.live == "sandbox" and kind == "none":
            raise SandboxError(
                "a sandbox of kind none is in another folder each time, so nothing would be comparable",
                hint="-e ENVIRONMENT reruns it in another one, for example with type: bubblewrap",
            )
        own = request.environment or Environment.model_validate(header.environment)
        environment = own if request.network else _without_network(own)
        # Programs print the placeholders of secrets: they are the recorded ones, as far as the vaults are.
        seen_by = (header.rerun_of or {}).get("session_id") or header.session_id
        credentials = open_vaults(home, request.vaults, seen_by) if request.network else None
        self.way_out: WayOut | None = way_out_for(environment, home, session_id, credentials)
        gateway = self.way_out.gateway if self.way_out else None
        locked = Origin(header.sandbox, rebuild=request.accept_image)
        origin = FIRST if request.environment or "image_digest" not in header.sandbox else locked
        chosen = kind if kind in ("docker", "bubblewrap") else None
        self._sandboxes = Sandboxes(environment, home, chosen, make_gateway=gateway, origin=origin)

    def __call__(self, checkpoint: str | None = None) -> Sandbox:
        """Make the next one, from the state that was kept if there is one; nothing is started."""
        return self._sandboxes(checkpoint)

    def prepare(self, sandbox: Sandbox, progress: Progress) -> JsonObject:
        """Prepare the first one, settle what all may reach, and return its facts."""
        facts = sandbox.prepare(progress)
        self._sandboxes.keep_to(facts)
        if self.way_out:
            self.way_out.settle(facts)
        return facts

    def is_another_image(self, facts: JsonObject) -> str | None:
        """Say how the image of these facts is another one than the recorded, if it is."""
        before, now = self._images(facts)
        if before is None or now is None or before == now:
            return None
        return f"the image is another one: {before[:19]} then, {now[:19]} now"

    def moved_packages(self, facts: JsonObject, recorded: Packages | None) -> tuple[MovedPackage, ...]:
        """Return the packages that have another version in the image of these facts, as far as that is known.

        ``recorded`` are those that the record has; without them the recorded image is asked, where it is still here.
        """
        before, now = self._images(facts)
        if before is None or now is None or before == now:
            return ()
        return moved_packages(recorded or image_packages(self._home, before), image_packages(self._home, now))

    def _images(self, facts: JsonObject) -> tuple[str | None, str | None]:
        return self._header.sandbox.get("image_digest"), facts.get("image_digest")


def _without_network(environment: Environment) -> Environment:
    body = snapshot(environment)
    return Environment.model_validate({**body, "config": {**body.get("config", {}), "networking": {"type": "none"}}})
