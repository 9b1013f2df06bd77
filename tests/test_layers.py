"""Who may import whom. A module sees only what stands above it, and nothing is imported inside functions."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import agentctl

ROOT = Path(agentctl.__file__).parent

RANKS = [
    {"agentctl", "errors", "canonical", "ids", "paths", "visible", "catalog", "signals", "redaction"}
    | {"programs", "private", "profiles", "shapes", "patience", "spelling", "unseen"},
    {"definitions", "events"},
    {"session"},
    {"compare"},
    {"policy", "store", "replay", "render", "network", "vault", "patch", "checks", "exchange"},
    {"model", "sandbox"},
    {"tools"},
    {"harness"},
    {"launch"},
    {"cli"},
]

APART = [
    ("model", "sandbox"),
    ("store", "replay"),
    ("store", "render"),
    ("policy", "store"),
    ("policy", "replay"),
    ("policy", "render"),
    ("definitions", "events"),
    ("compare", "definitions"),
    ("patch", "store"),
    ("network", "store"),
    ("network", "render"),
    ("vault", "render"),
    ("vault", "replay"),
    ("checks", "store"),
    ("exchange", "store"),
    ("exchange", "render"),
    ("exchange", "checks"),
]
"""Rooms of one rank that do not see each other."""

ONLY_BASE = {"tools", "harness"}
"""Rooms that see of the model and the sandbox what the protocols say, and no implementation."""

LAZY = {"launch/parts.py", "cli/main.py", "cli/blaming.py"}
"""Files that import inside functions: the composition root, the door that finds a command, and what looks for
the cause of a failure."""

HEAVY = {
    "anthropic": {"model/sdk.py"},
    "docker": {
        "sandbox/docker/asking.py",
        "sandbox/docker/attach.py",
        "sandbox/docker/checkpoints.py",
        "sandbox/docker/containers.py",
        "sandbox/docker/daemon.py",
        "sandbox/docker/death.py",
        "sandbox/docker/end.py",
        "sandbox/docker/making.py",
        "sandbox/docker/image.py",
        "sandbox/docker/origin.py",
        "sandbox/docker/sealing.py",
    },
    "httpx2": {"model/anthropic.py", "model/connection.py", "model/failure.py"},
    "sqlite_utils": {"store/migrations.py"},
    "cryptography": {"vault/sealing.py", "network/authority.py"},
}
"""Packages that take long to import, and the files that may name them."""

FILES = sorted(ROOT.rglob("*.py"))


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "agentctl"


def rank(name: str) -> int:
    for number, names in enumerate(RANKS):
        if name in names:
            return number
    raise AssertionError(f"agentctl/{name} has no rank: give it one in RANKS")


def imports(path: Path) -> list[str]:
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            found.append(node.module or "")
    return found


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_module_imports_only_what_stands_above_it(path: Path) -> None:
    own = room(name_of(path))
    if name_of(path) == "agentctl.__main__":
        return
    for module in imports(path):
        if not module.startswith("agentctl"):
            continue
        other = room(module)
        assert rank(other) <= rank(own), f"{name_of(path)} imports {module}"
        assert (own, other) not in APART, f"{name_of(path)} imports {module}"
        assert (other, own) not in APART, f"{name_of(path)} imports {module}"
        if own in ONLY_BASE and other in ("model", "sandbox"):
            assert module in ("agentctl.model.base", "agentctl.model.request", "agentctl.sandbox.base")


@pytest.mark.parametrize("path", [path for path in FILES if "sandbox" in path.parts], ids=name_of)
def test_one_kind_of_sandbox_does_not_see_another(path: Path) -> None:
    kinds = ("agentctl.sandbox.docker", "agentctl.sandbox.bubblewrap")  # the latter is a process with more around it
    own = next((kind for kind in kinds if name_of(path).startswith(kind)), "")
    is_pipe = name_of(path).startswith("agentctl.sandbox.pipe")
    for module in imports(path):
        kind = next((kind for kind in kinds if module.startswith(kind)), None)
        assert kind is None or kind == own or not (own or is_pipe), f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_is_imported_inside_a_function(path: Path) -> None:
    where = path.relative_to(ROOT).as_posix()
    if where in LAZY or where.startswith("sandbox/inside/"):  # the supervisor is a program of its own
        return
    tree = ast.parse(path.read_text())
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = [node for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom)]
            assert not inner, f"{where}:{inner[0].lineno} imports inside {function.name}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_slow_packages_are_named_only_where_they_are_used(path: Path) -> None:
    where = path.relative_to(ROOT).as_posix()
    for module in imports(path):
        allowed = HEAVY.get(module.partition(".")[0])
        assert allowed is None or where in allowed, f"{where} imports {module}"


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("agentctl.cli.main", {"rich", "yaml", "pydantic", "sqlite3", "docker", "anthropic", "asyncio"}),
        ("agentctl.cli.ls", {"yaml", "pydantic", "docker", "anthropic", "sqlite_utils"}),
        ("agentctl.cli.show", {"yaml", "pydantic", "docker", "anthropic", "sqlite_utils"}),
        ("agentctl.cli.events", {"yaml", "pydantic", "docker", "anthropic", "sqlite_utils"}),
        ("agentctl.cli.search", {"yaml", "pydantic", "docker", "anthropic", "sqlite_utils"}),
        ("agentctl.cli.stats", {"yaml", "pydantic", "docker", "anthropic", "sqlite_utils"}),
        ("agentctl.cli.replay", {"yaml", "pydantic", "docker", "anthropic", "sqlite_utils"}),
        ("agentctl.cli.outputs", {"yaml", "pydantic", "docker", "anthropic", "sqlite_utils"}),
        ("agentctl.cli.files", {"yaml", "pydantic", "docker", "anthropic", "sqlite_utils"}),
        ("agentctl.cli.diff", {"pydantic", "docker", "anthropic", "sqlite_utils"}),
        ("agentctl.cli.apply", {"yaml", "pydantic", "docker", "anthropic", "sqlite_utils"}),
        ("agentctl.cli.verify", {"yaml", "pydantic", "docker", "anthropic", "sqlite_utils"}),
        ("agentctl.cli.baseline", {"yaml", "pydantic", "docker", "anthropic"}),
        ("agentctl.cli.check", {"docker", "anthropic", "sqlite_utils"}),
        ("agentctl.cli.bisect", {"docker", "anthropic", "sqlite_utils"}),
        ("agentctl.cli.export", {"docker", "anthropic", "sqlite_utils"}),
        ("agentctl.cli.import_", {"docker", "anthropic"}),
        ("agentctl.launch.starting", {"docker", "anthropic", "sqlite_utils", "rich"}),
        ("agentctl.cli.run", {"docker", "anthropic", "sqlite_utils", "rich", "cryptography", "html"}),
        ("agentctl.cli.run", {"agentctl.store.snapshots", "agentctl.session.completeness", "agentctl.network.gateway"}),
        ("agentctl.cli.run", {"agentctl.checks", "agentctl.compare", "agentctl.exchange", "agentctl.vault"}),
    ],
)
def test_importing_a_module_loads_nothing_slow_that_it_does_not_need(module: str, absent: set[str]) -> None:
    code = f"import sys, {module}; print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    names = run.stdout.split()
    assert not {*names, *(name.partition(".")[0] for name in names)} & absent
