"""The session that is mutated: some calls, each of which would show something else if one thing moved."""

from typing import Any

from tests.mutations.bench import Setting, bash

NOISE = """\
echo "pid $$"; mktemp; mktemp -d -t job-XXXXXXXX; cat /proc/sys/kernel/random/uuid; date; date +%s
python3 -B - <<'END'
import os, random, socket, time
with socket.socket() as server:
    server.bind(("127.0.0.1", 0))
    print(f"listening on http://127.0.0.1:{server.getsockname()[1]}/ in process {os.getpid()}")
print(f"finished in {random.random() + 0.01:.3f}s at {time.strftime('%Y-%m-%dT%H:%M:%S')}")
print(object())
END
"""

TABLER = '''\
"""Sets tables."""
__version__ = "{version}"


def widths(row):
    return [len(cell) {more} for cell in row.split()]
'''

REPORT = """\
#!/bin/sh
echo "lines: $(wc -l < "$1")"
echo made by report > made.txt
"""


def package(version: str, more: str = "") -> dict[str, tuple[str, int]]:
    """Return a package of a version as installers lay it out."""
    metadata = f"Metadata-Version: 2.1\nName: tabler\nVersion: {version}\n"
    return {
        "lib/tabler.py": (TABLER.format(version=version, more=more), 0o644),
        f"lib/tabler-{version}.dist-info/METADATA": (metadata, 0o644),
    }


def others(tools: Any) -> dict[str, tuple[str, int]]:
    """Return the tools without the package."""
    return {name: file for name, file in tools.items() if not name.startswith("lib/")}


PYTHON = "import tabler; print(tabler.__version__, tabler.widths('a bb ccc'))"

NAMES = ("look", "glob", "package", "report", "clock", "network", "memory", "write", "noise", "copy")
"""What each call is for, in the order of the calls."""


def base(port: int) -> Setting:
    """Return the setting of which one thing is changed at a time; ``port`` is that of the host that it asks."""
    write = {"name": "write", "input": {"file_path": "/workspace/summary.txt", "content": "Two lines.\n"}}
    return Setting(
        turns=(
            (bash("cat notes.txt; stat -c '%a %n' *"), {"name": "glob", "input": {"pattern": "*.txt"}}),
            (bash(f'python3 -B -c "{PYTHON}"'),),
            (bash("report notes.txt", timeout_ms=3_000),),
            (bash('now; date +%Z; echo "mode $MODE"'),),
            (bash(f"curl -sS http://127.0.0.1:{port}/"),),
            (bash("python3 -c 'print(len(bytearray(300 << 20)))'"),),
            (write,),
            (bash(NOISE),),
            (bash("cp summary.txt /mnt/session/outputs/ && date > /mnt/session/outputs/when.txt"),),
        ),
        workspace={"notes.txt": ("one\ntwo\n", 0o644), "run.sh": ("#!/bin/sh\n", 0o755)},
        tools={
            "bin/report": (REPORT, 0o755),
            "bin/now": ("#!/bin/sh\ndate\n", 0o755),
            **package("1.0.0"),
        },
        agent={
            "system": "You look into things.",
            "tools": [
                {
                    "type": "agent_toolset_20260401",
                    "configs": [{"name": "write", "permission_policy": {"type": "always_ask"}}],
                }
            ],
        },
        config={
            "networking": {"type": "limited", "private_hosts": [f"127.0.0.1:{port}"]},
            "env": {"PATH": "/tools/bin:/usr/bin:/bin", "PYTHONPATH": "/tools/lib", "MODE": "plain", "TZ": "UTC"},
        },
    )
