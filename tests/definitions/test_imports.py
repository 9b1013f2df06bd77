"""Reading a definition loads nothing that only running one needs."""

import subprocess
import sys

import pytest

SLOW = {"anthropic", "docker", "rich", "typer", "sqlite3", "sqlite_utils", "asyncio", "httpx2"}


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("agentctl.definitions.load", SLOW),
        ("agentctl.definitions.schema", SLOW),
        ("agentctl.definitions.reading", SLOW | {"pydantic"}),
    ],
)
def test_importing_a_module_of_definitions_stays_light(module: str, absent: set[str]) -> None:
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(run.stdout.split()) & absent
