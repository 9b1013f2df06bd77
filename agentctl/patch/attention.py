"""Changes that a person should look at twice before they bring them home, because they can make something run there.

An editor, a shell, git or a continuous integration runs what these files say without being asked
again. The list is for the eye; what must never be written is refused elsewhere.
"""

import posixpath
import re

from agentctl.session.effects import Effect
from agentctl.session.files import File
from agentctl.session.gitnames import is_gits_own

_FOLDERS = {
    ".vscode": "an editor reads it",
    ".idea": "an editor reads it",
    ".devcontainer": "an editor starts what it says",
    ".circleci": "continuous integration runs it",
    ".husky": "git runs it",
    ".githooks": "git may run it",
    ".claude": "an agent on this machine obeys it",
    ".cursor": "an agent on this machine obeys it",
}
_NAMES = {
    ".envrc": "a shell runs it",
    ".bashrc": "a shell runs it",
    ".profile": "a shell runs it",
    ".zshrc": "a shell runs it",
    ".gitattributes": "git runs the filters that it names",
    ".gitmodules": "git fetches what it names",
    ".pre-commit-config.yaml": "git runs it",
    "lefthook.yml": "git runs it",
    ".gitlab-ci.yml": "continuous integration runs it",
    "jenkinsfile": "continuous integration runs it",
    ".mcp.json": "an agent on this machine starts what it says",
    ".npmrc": "npm obeys it",
    "sitecustomize.py": "every Python runs it",
    "usercustomize.py": "every Python runs it",
    "conftest.py": "pytest runs it",
}
_GITHUB = re.compile(r"(^|/)\.github/(workflows|actions)/")


def attention(effect: Effect, name: str) -> str | None:
    """Say why a change deserves a second look. Returns None for one that does not.

    ``name`` is its path relative to the folder that it is in.
    """
    after = effect.after
    if is_gits_own(name):
        return "git itself: it is never written"
    if after is None or after.kind == "folder":
        return None
    if after.kind == "link":
        return "a link that leads outside" if _leads_outside(name, after.target or "") else None
    return _by_name(name) or _made_to_run(effect.before, after)


def _by_name(name: str) -> str | None:
    *folders, own = name.lower().split("/")
    if _GITHUB.search(name.lower()):
        return "continuous integration runs it"
    if own.endswith(".pth"):
        return "every Python runs it"
    return _NAMES.get(own) or next((_FOLDERS[folder] for folder in folders if folder in _FOLDERS), None)


def _made_to_run(before: File | None, after: File) -> str | None:
    if after.mode & 0o6000:
        return "it has rights of its owner, which are taken off"
    ran = before is not None and before.kind == "file" and bool(before.mode & 0o111)
    return "a program" if after.mode & 0o111 and not ran else None


def _leads_outside(name: str, target: str) -> bool:
    if target.startswith("/"):
        return True
    reached = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    return reached == ".." or reached.startswith("../")
