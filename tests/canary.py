"""Looks for secrets wherever they must not be: in files, texts and processes, raw and as common tools write them."""

import os
from collections.abc import Iterator
from pathlib import Path

from agentctl.redaction import encodings_of


class Canaries:
    """Secrets that exist nowhere else, so that each place where one is found is a leak."""

    def __init__(self, *values: str) -> None:
        self._forms = {form.encode() for value in values for form in encodings_of(value)}

    def are_in(self, data: bytes | str) -> bool:
        """Say whether one is in there; line breaks do not hide it."""
        raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        flat = raw.replace(b"\n", b"").replace(b"\r", b"")
        return any(form in raw or form in flat for form in self._forms)

    def files(self, folder: Path) -> list[Path]:
        """Return the files of a folder that hold one."""
        return [path for path in folder.rglob("*") if path.is_file() and self.are_in(path.read_bytes())]

    def processes(self) -> dict[int, str]:
        """Return the processes whose environment or command line holds one, with their command lines."""
        return {pid: line for pid, line, environ in _processes() if self.are_in(environ) or self.are_in(line)}


def _processes() -> Iterator[tuple[int, str, bytes]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                yield int(entry.name), line, (entry / "environ").read_bytes()
            except OSError:
                continue
