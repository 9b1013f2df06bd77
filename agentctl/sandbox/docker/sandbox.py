"""A container: the supervisor as its main process, the container's standard streams as the pipe.

It is made for one session, looked at before it is started, and removed with the session. Only image,
container and attach calls of Docker's API are used: never exec, and never the archive calls, which
let a container's files be read and written by root.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from agentctl.canonical import JsonObject
from agentctl.definitions.environment import Environment
from agentctl.errors import SandboxError
from agentctl.network.base import Gateway
from agentctl.sandbox.base import FIRST, Origin, Progress, Started
from agentctl.sandbox.docker.end import DockerEnd
from agentctl.sandbox.docker.recipe import PACKAGES, WRITABLE
from agentctl.sandbox.supervised import SILENCE_SECONDS, SupervisedSandbox
from agentctl.session.files import Contents, File
from agentctl.session.packages import packages_as_bytes, packages_of_items

_NOT_LISTED = "its image holds no list of them: it was made by an earlier version"


class DockerSandbox(SupervisedSandbox):
    """A container for one session.

    ``builds`` takes the logs of image builds; with this user it also tells our containers from
    those of others on the same daemon. ``generation`` counts the containers, or the harnesses, of a
    session: an older one is refused. ``gateway`` takes the connections that it opens; without one
    nothing can be reached.
    """

    def __init__(
        self,
        environment: Environment,
        builds: Path,
        *,
        generation: int = 1,
        origin: Origin = FIRST,
        silence_seconds: float = SILENCE_SECONDS,
        gateway: Gateway | None = None,
    ) -> None:
        self._container = DockerEnd(environment, builds, generation, origin)
        super().__init__(
            self._container,
            environment.config.env,
            generation=generation,
            silence_seconds=silence_seconds,
            gateway=gateway,
        )

    def start(
        self, session_id: str, files: Sequence[File], contents: Contents, progress: Progress, gone: Sequence[str] = ()
    ) -> Started:
        """As every sandbox; the packages of its image are asked for where nobody has asked before."""
        started = super().start(session_id, files, contents, progress, gone)
        try:
            return self._with_packages(started, self._container.known_packages() or self._asked_packages())
        except BaseException:
            self.close()
            raise

    def attach(self, session_id: str) -> Started | None:
        """Take over the session's running container from a harness that is gone, if there is one.

        The facts hold ``calls``: how far each call is whose result nobody has acknowledged. Raises
        SandboxError for a container that runs and does not answer.
        """
        self._container.remove_ended(session_id)
        if not self._container.runs(session_id):
            return None
        try:
            taken = self.take_over(session_id, lambda: self._container.reopen(session_id))
        except SandboxError:
            self._container.remove_ended(session_id)
            raise
        self._container.owned = True
        return self._with_packages(taken, self._container.known_packages())

    def _asked_packages(self) -> bytes | None:
        """Return what the image's own list says; of a kept state, in which the agent may have written it, nothing."""
        if self._container.is_kept_state:
            return None
        items = self._conversation.request({"type": "read_list", "list": PACKAGES}).get("items")
        try:
            found = packages_as_bytes(packages_of_items(items or ()))
        except (ValueError, TypeError):
            return None
        if items:
            self._container.keep_packages(found)
        return found if items else None

    @staticmethod
    def _with_packages(started: Started, packages: bytes | None) -> Started:
        if packages is not None:
            return replace(started, packages=packages)
        return replace(started, facts={**started.facts, "packages": {"unknown": _NOT_LISTED}})

    def leave(self) -> None:
        """Leave the container to whoever has taken it over."""
        self._container.owned = False

    def keep(self, keep_until: str) -> JsonObject | None:
        """Keep the container's files, where there are others than those that are recorded. Raises SandboxError."""
        apart = [mount.target for mount in self._container.mounts]
        changed = self._conversation.request({"type": "changed_outside", "list": WRITABLE, "apart": apart})
        return self._container.keep(keep_until, changed=changed.get("path") is not None)
