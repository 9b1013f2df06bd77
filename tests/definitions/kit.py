"""Writing a file, loading it, and saying what its problems were."""

from pathlib import Path

import pytest

from agentctl.definitions.load import load_any
from agentctl.errors import DefinitionError


def written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def problems(path: Path) -> list[str]:
    """Load a file that is wrong; return its problems as ``line:column: message``."""
    with pytest.raises(DefinitionError) as caught:
        load_any(path)
    return [str(problem).removeprefix(f"{path}:").removeprefix(" ") for problem in caught.value.problems]
