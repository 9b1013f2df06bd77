"""What it costs that the files of a session are recorded: one call, where they are and where they are not."""

import time
from pathlib import Path

from agentctl.definitions.environment import Environment
from agentctl.harness.keeping import Keeper
from agentctl.sandbox.base import Layout, ToolCall
from agentctl.sandbox.places import Places
from agentctl.sandbox.process import ProcessSandbox
from agentctl.session.files import File
from agentctl.store.blobs import Blobs
from bench.rows import Row

_FOLDERS = 50
_WARM_UP = 5


def measure_files(folder: Path, calls: int) -> list[Row]:
    """Take the figures of ``calls`` calls for each size of a workspace."""
    return [_row(folder, files, calls, most) for files, most in ((2_000, 3.0), (50_000, 25.0))]


def _row(folder: Path, files: int, calls: int, most: float) -> Row:
    here, there = _Place(folder / f"{files}-here", files), _Place(folder / f"{files}-there", files, recorded=False)
    try:
        pairs = [(here.call(number), there.call(number)) for number in range(calls + _WARM_UP)][_WARM_UP:]
    finally:
        here.close()
        there.close()
    name = f"a call that changes one of {files:,} files: what recording it adds"
    return Row(name, "ms", [1000 * (one - other) for one, other in pairs], most=most)


class _Place:
    """A sandbox without a container, with a tree of files in its workspace, or beside what is recorded."""

    def __init__(self, folder: Path, files: int, *, recorded: bool = True) -> None:
        self._sandbox = ProcessSandbox(Environment(name="bench"), folder)
        self._blobs = Blobs(folder / "blobs")
        self._keeper = Keeper(self._blobs)
        usual, inside = Layout(), Places(self._sandbox.layout)
        tree = f"{usual.workspace if recorded else usual.temporary}/tree"
        digest, size = self._blobs.put([b"as it was\n"])
        names = (f"{tree}/{number % _FOLDERS}/{number}" for number in range(files))
        copied = [File(name, "file", 0o644, size, digest) for name in names]
        self._tree = inside.inside(tree)
        self._sandbox.start("sesn_bench", copied, self._blobs, lambda _line: None)

    def call(self, number: int) -> float:
        """Change one file, and keep what is told of it; return the seconds that it took."""
        command = f"echo {number} >>{self._tree}/{number % _FOLDERS}/{number}"
        began = time.perf_counter()
        for call_id, outcome in self._sandbox.call([ToolCall(f"sevt_{number}", "bash", {"command": command})]):
            if outcome.changes is not None:
                self._keeper.record(outcome.changes, ())
            self._sandbox.acknowledge([call_id])
        return time.perf_counter() - began

    def close(self) -> None:
        """Remove it."""
        self._sandbox.close()
