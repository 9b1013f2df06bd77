"""Where the usual places of a sandbox are in one that has them elsewhere."""

from agentctl.sandbox.base import Layout


class Places:
    """Translates paths between the usual places and those of ``layout``."""

    def __init__(self, layout: Layout) -> None:
        usual = Layout()
        names = ("workspace", "outputs", "uploads", "temporary")
        self._places = [(getattr(usual, name), getattr(layout, name)) for name in names]
        self.roots = (usual.workspace, usual.outputs)
        self._recorded = [(layout.workspace, usual.workspace), (layout.outputs, usual.outputs)]

    def inside(self, path: str) -> str:
        """Return where a path of the usual places is in this sandbox."""
        return next(filter(None, (_moved(path, *place) for place in self._places)), path)

    def recorded(self, path: str) -> str | None:
        """Return the usual path of what is in this sandbox's workspace or outputs folder, None for what is not."""
        return next(filter(None, (_moved(path, *place) for place in self._recorded)), None)


def _moved(path: str, before: str, after: str) -> str | None:
    if path == before:
        return after
    return after + path[len(before) :] if path.startswith(before + "/") else None
