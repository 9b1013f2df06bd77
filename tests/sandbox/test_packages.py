"""The packages of an image, by the files that their managers leave."""

import json
import subprocess
import sys
from pathlib import Path

from agentctl.sandbox.docker.known import KnownPackages
from agentctl.sandbox.inside import packages
from agentctl.sandbox.inside.packages import packages_in
from agentctl.session.packages import packages_as_bytes, packages_of_items, read_packages

STATUS = """\
Package: curl
Status: install ok installed
Version: 7.88.1-10

Package: gone
Status: deinstall ok config-files
Version: 1.0
"""

FILES = {
    "usr/lib/python3/dist-packages/six-1.16.0.egg-info": "",
    "usr/lib/python3/dist-packages/PyYAML-6.0-py3.11.egg-info": "",
    "usr/local/lib/python3.11/dist-packages/six-1.17.0.dist-info/METADATA": "",
    "usr/local/lib/python3.11/site-packages/typing_extensions-4.1.dist-info/METADATA": "",
    "usr/lib/node_modules/left-pad/package.json": json.dumps({"name": "left-pad", "version": "1.3.0"}),
    "usr/lib/node_modules/@scope/tool/package.json": json.dumps({"name": "@scope/tool", "version": "2.0.0"}),
    "usr/lib/node_modules/broken/package.json": "{",
    "var/lib/gems/3.1.0/specifications/rack-3.0.0.gemspec": "",
    "var/lib/gems/3.1.0/specifications/rack-2.2.0.gemspec": "",
    "usr/local/.crates.toml": '[v1]\n"ripgrep 14.1.0 (registry+https://x)" = ["rg"]\n',
    "opt/miniconda3/conda-meta/numpy-base-2.1.0-py311_0.json": "{}",
    "var/lib/dpkg/status": STATUS,
    "lib/apk/db/installed": "P:musl\nV:1.2.5-r0\n\nP:busybox\nV:1.36\n",
}


def test_each_manager_is_read_and_what_hides_another_counts(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert packages_in(tmp_path) == {
        "pip": {"pyyaml": "6.0", "six": "1.17.0", "typing-extensions": "4.1"},
        "npm": {"left-pad": "1.3.0", "@scope/tool": "2.0.0"},
        "gem": {"rack": "2.2.0, 3.0.0"},
        "cargo": {"ripgrep": "14.1.0"},
        "conda": {"numpy-base": "2.1.0"},
        "Debian": {"curl": "7.88.1-10"},
        "Alpine": {"musl": "1.2.5-r0", "busybox": "1.36"},
    }


def test_nothing_is_found_where_there_is_nothing(tmp_path: Path) -> None:
    assert packages_in(tmp_path) == {}


def test_what_the_program_prints_is_read_and_kept_by_the_image(tmp_path: Path) -> None:
    program = [sys.executable, "-I", "-S", packages.__file__]
    printed = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    found = packages_of_items(printed.split("\0") if printed else ())
    assert found == packages_in(Path("/"))
    known, image = KnownPackages(tmp_path), "sha256:" + "a1" * 32
    assert known.find(image) is None
    known.keep(image, packages_as_bytes(found))
    assert read_packages(known.find(image) or b"") == found
    known.forget(image)
    assert known.find(image) is None
    known.keep(image, b"")  # cut off, when the machine went down
    assert known.find(image) is None
    known.keep("sha256:../../etc/passwd", b"")
    assert not list(tmp_path.rglob("passwd"))
