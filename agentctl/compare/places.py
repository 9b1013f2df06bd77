"""Paths as two sessions can compare them."""

import posixpath
import re

from agentctl.session.effects import OUTPUTS, WORKSPACE
from agentctl.session.gitnames import is_gits_own

_IN_WORKSPACE = re.compile(rf"(?<![\w./-]){re.escape(WORKSPACE)}(?=[/\s'\":;,)]|$)/?")
_DERIVED = re.compile(r"(?:^|/)(?:__pycache__|\.pytest_cache|\.mypy_cache|\.ruff_cache|\.hypothesis)(?:/|$)|\.py[co]$")


def relative(path: str) -> str:
    """Return a path as it is from the workspace: ``/workspace/a.py``, ``./a.py`` and ``a.py`` are one."""
    clean = posixpath.normpath(path) if path else path
    if clean == WORKSPACE:
        return "."
    return clean.removeprefix(WORKSPACE + "/")


def relative_within(text: str) -> str:
    """Return text in which paths of the workspace are relative to it."""
    return _IN_WORKSPACE.sub(lambda match: "" if match[0].endswith("/") else ".", text) if WORKSPACE in text else text


def short(path: str) -> str:
    """Return a path as it is shown: from the workspace, or from where the folder of outputs is."""
    return f"outputs/{path.removeprefix(OUTPUTS + '/')}" if path.startswith(OUTPUTS + "/") else relative(path)


def is_derived(path: str) -> bool:
    """Say whether a file is one that programs write anew each time: bytecode, caches, the inside of .git."""
    return _DERIVED.search(path) is not None or is_gits_own(path)
