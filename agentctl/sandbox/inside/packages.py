"""Which packages an image has, by the files that their managers leave; no manager is run.

Run as a program, when an image is built or in a container of it, it prints them: manager, name and version
with tabs between, and a NUL between two packages. What ``go`` has built leaves no such file.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Found = Iterator[tuple[str, str]]

MOST = 20_000
"""Packages; an image with more of them is no image that anybody compares."""

_PYTHON = (  # in the order in which a later one hides an earlier one
    "usr/lib/python3*/*-packages",
    "usr/local/lib/python3*/*-packages",
    "opt/*/lib/python3*/*-packages",
    "home/*/.local/lib/python3*/*-packages",
    "*venv*/lib/python3*/*-packages",
)
_NODE = ("usr/lib/node_modules", "usr/local/lib/node_modules")
_RUBY = (
    "usr/lib/ruby/gems/*/specifications",
    "var/lib/gems/*/specifications",
    "usr/local/lib/ruby/gems/*/specifications",
    "usr/local/bundle/specifications",
)
_RUST = "usr/local/.crates.toml"

_PYTHON_NAME = re.compile(r"(.+?)-([^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info\Z")
_RUBY_NAME = re.compile(r"(.+)-(\d[^-]*)(?:-[\w-]+)?\.gemspec\Z")
_RUST_NAME = re.compile(r'^"(\S+) (\S+) ', re.MULTILINE)
_DEBIAN_FIELD = re.compile(r"^(Package|Version|Status): (.*)$", re.MULTILINE)
_ALPINE_FIELD = re.compile(r"^([PV]):(.*)$", re.MULTILINE)


def packages_in(root: Path) -> dict[str, dict[str, str]]:
    """Return the versions of all packages under ``root``, by manager and name; only managers that have any."""
    managers = {
        "pip": _pip(root),
        "npm": _npm(root),
        "gem": _gem(root),
        "cargo": _cargo(root),
        "conda": _conda(root),
        "Debian": _debian(root),
        "Alpine": _alpine(root),
    }
    found = {manager: dict(each) for manager, each in managers.items()}
    return {manager: each for manager, each in found.items() if each}


def _pip(root: Path) -> Found:
    for pattern in _PYTHON:
        for path in _paths(root, pattern, "*-info"):
            match = _PYTHON_NAME.match(path.name)
            if match:
                yield re.sub(r"[-_.]+", "-", match[1]).lower(), match[2]


def _npm(root: Path) -> Found:
    for folder in _NODE:
        for path in (*_paths(root, folder, "*/package.json"), *_paths(root, folder, "@*/*/package.json")):
            try:
                body = json.loads(_text(path))
                yield str(body["name"]), str(body["version"])
            except (ValueError, KeyError, TypeError):
                continue


def _gem(root: Path) -> Found:
    versions: dict[str, list[str]] = {}
    for folder in _RUBY:
        for path in _paths(root, folder, "*.gemspec"):
            match = _RUBY_NAME.match(path.name)
            if match:
                versions.setdefault(match[1], []).append(match[2])
    return ((name, ", ".join(found)) for name, found in versions.items())


def _cargo(root: Path) -> Found:
    return ((match[1], match[2]) for match in _RUST_NAME.finditer(_text(root / _RUST)))


def _conda(root: Path) -> Found:
    for path in _paths(root, "opt/*conda*/conda-meta", "*-*-*.json"):
        name, version, _ = path.name.rsplit("-", 2)
        yield name, version


def _debian(root: Path) -> Found:
    for entry in _text(root / "var/lib/dpkg/status").split("\n\n"):
        fields = dict(_DEBIAN_FIELD.findall(entry))
        if fields.get("Status", "").endswith(" installed") and "Package" in fields:
            yield fields["Package"], fields.get("Version", "")


def _alpine(root: Path) -> Found:
    for entry in _text(root / "lib/apk/db/installed").split("\n\n"):
        fields = dict(_ALPINE_FIELD.findall(entry))
        if "P" in fields:
            yield fields["P"], fields.get("V", "")


def _paths(root: Path, folder: str, name: str) -> list[Path]:
    return sorted(root.glob(f"{folder}/{name}"))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


if __name__ == "__main__":
    every = ((manager, *each) for manager, found in packages_in(Path("/")).items() for each in sorted(found.items()))
    texts = ["\t".join(re.sub(r"[\t\r\n\0]", " ", part) for part in parts) for parts in every]
    sys.stdout.write("\0".join(texts[:MOST]).encode("ascii", "backslashreplace").decode())
