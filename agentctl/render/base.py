"""What every renderer can do."""

from typing import Protocol

from agentctl.session.log import Listener
from agentctl.session.result import Result


class Renderer(Listener, Protocol):
    """A listener that shows what it hears."""

    @property
    def result(self) -> Result:
        """What the session has come to, as far as it was heard."""
        ...

    def progress(self, line: str) -> None:
        """Show what a long preparation is doing. May be called from another thread."""
        ...

    def pause(self) -> None:
        """Take everything that moves off the screen, until there is more to show."""
        ...

    def finish(self, status: str | None = None, *, whole: bool = True) -> None:
        """Show what the session came to and what can be done next; nothing more will be heard.

        ``status`` is for those who know better than the record: ``interrupted`` where the process
        that ran the session is gone. ``whole`` says that the record was heard to its end.
        """
        ...

    def close(self) -> None:
        """Leave the screen as it should be; may be called twice, and without ``finish`` after a failure."""
        ...
