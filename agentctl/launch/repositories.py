"""Git repositories for a session, as a person names them: where each is, and which commit of it."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from agentctl.canonical import JsonObject
from agentctl.errors import UsageError

_SCHEMES = ("https", "http", "ssh", "git", "file")
_SCP = re.compile(r"(?P<place>(?:[\w.-]+@)?[\w.-]+):(?P<path>(?!//|:).+)")
_ODD = re.compile(r"[^\w.+-]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Repository:
    """What ``--repo`` names: where it is (a URL, or an absolute path), and which branch, tag or commit of it."""

    source: str
    ref: str | None
    name: str
    is_local: bool = False

    @property
    def recorded(self) -> str:
        """Name it without the person who fetches it."""
        return self.source if self.is_local else _without_user(self.source)

    @property
    def asked(self) -> str:
        """Say what was asked for, as ``asked_of`` does of a session that is there."""
        return f"{self.recorded}@{self.ref}" if self.ref else self.recorded


def asked_of(upload: JsonObject) -> str:
    """Say what was asked for, of an upload in the header of a session."""
    source, ref = str(upload["source"]), (upload.get("repository") or {}).get("ref")
    return f"{source}@{ref}" if ref else source


def refuse_same_places(repositories: Sequence[Repository], workspace: Path | None) -> None:
    """Raise UsageError for repositories that would be one folder of the workspace, or are in it already."""
    names = [repository.name for repository in repositories]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise UsageError(f"two repositories are called {name}, and would be one folder of the workspace")
        if workspace is not None and os.path.lexists(workspace / name):
            raise UsageError(f"--repo: {workspace} has something called {name} already")


def read_repository(text: str) -> Repository:
    """Read ``URL|PATH[@REF]``. Raises UsageError."""
    if "\0" in text or text.startswith("-"):
        raise UsageError(f"--repo {text}: neither a URL nor a folder")
    where, ref = _divided(text)
    if ref is not None and (not ref or ref.startswith("-") or re.search(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{", ref)):
        raise UsageError(f"--repo {text}: {ref!r} can be no branch, tag or commit")
    is_folder = not _is_url(where)
    if is_folder and not Path(where).is_dir():
        raise UsageError(f"--repo {text}: no such folder", hint="give a URL or a folder, and @REF behind it")
    if urlsplit(where).password if _has_scheme(where) else False:
        raise UsageError(
            "--repo takes no password: everybody on this machine could read it",
            hint="let git know it: its credential helper is asked",
        )
    source = str(Path(where).resolve()) if is_folder else where
    name = _ODD.sub("-", source.rstrip("/").replace(":", "/").rpartition("/")[2].removesuffix(".git"))[:100]
    if name in ("", ".", ".."):
        raise UsageError(f"--repo {text}: its last part gives no name for a folder")
    return Repository(source, ref, name, is_local=is_folder or where.lower().startswith("file:"))


def _divided(text: str) -> tuple[str, str | None]:
    """Divide at the @ before a REF; one that belongs to a URL's host, or to a folder's name, is none."""
    start = 0
    if _has_scheme(text):
        start = text.find("/", text.index("://") + 3)
    elif _is_url(text):
        start = text.index(":")
    elif Path(text).exists():
        return text, None
    else:
        where, mark, ref = text.rpartition("@")
        return (where, ref) if mark else (text, None)
    at = text.find("@", start) if start >= 0 else -1
    return (text, None) if at < 0 else (text[:at], text[at + 1 :])


def _has_scheme(text: str) -> bool:
    return text.partition("://")[0].lower() in _SCHEMES and "://" in text


def _is_url(text: str) -> bool:
    if _has_scheme(text):
        return True
    return bool(_SCP.fullmatch(text)) and not Path(text).exists() and "/" not in text.partition(":")[0]


def _without_user(url: str) -> str:
    if not _has_scheme(url):
        return url  # user@host:path, where the user is part of the address and no secret
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=host if parts.scheme != "ssh" else parts.netloc))
