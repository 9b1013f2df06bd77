"""Git repositories are cloned on this machine: no token goes along.

git runs here with an environment of a few variables, so no key of the person's is in it. What
fetches may use the person's own settings, for their credential helper; what checks files out uses
none, so no filter and no hook runs over what the repository holds. Submodules are left alone. The
clone names no credentials, no reflog, and of a local repository not even its path.
"""

import contextlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from agentctl.canonical import JsonObject
from agentctl.errors import UsageError
from agentctl.launch.repositories import Repository, read_repository
from agentctl.programs import absolute_path, find_program
from agentctl.sandbox.base import Progress, Upload
from agentctl.visible import visible_line

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_KEPT = (
    "HOME", "USER", "LOGNAME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "TMPDIR",
    "http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
)  # fmt: skip
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.logAllRefUpdates=false",
    "protocol.ext.allow=never",
    "submodule.recurse=false",
    "advice.detachedHead=false",
    "credential.interactive=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
)


class RepositoryError(UsageError):
    """A repository cannot be cloned; ``type`` is the Managed Agents API's word for it."""

    type: ClassVar[str] = "repository_clone_error"


class RepositoryNotFoundError(RepositoryError):
    """There is no such repository, or none that this person may know of."""

    type = "repository_not_found_error"


class RepositoryAuthenticationError(RepositoryError):
    """The host wants credentials that git does not have here."""

    type = "repository_authentication_error"


class RepositoryForbiddenError(RepositoryError):
    """The host knows who asks and refuses."""

    type = "repository_forbidden_error"


class RepositoryCheckoutError(RepositoryError):
    """The repository has no such branch, tag or commit."""

    type = "repository_checkout_error"


_WORDS: tuple[tuple[type[RepositoryError], tuple[str, ...]], ...] = (
    (RepositoryForbiddenError, ("error: 403",)),
    (
        RepositoryAuthenticationError,
        (
            "Authentication failed",
            "could not read Username",
            "could not read Password",
            "Permission denied (",
            "error: 401",
        ),
    ),
    (RepositoryNotFoundError, ("not found", "does not exist", "does not appear to be a git repository", "error: 404")),
)
_EMPTY_WORDS = "fatal: Could not read from remote repository."
_HINTS: dict[type[RepositoryError], str] = {
    RepositoryAuthenticationError: "let git know them first: its credential helper is asked, nobody else",
    RepositoryForbiddenError: "ask whoever owns it, or give git other credentials",
}


@dataclass(frozen=True, slots=True)
class Clone:
    """A repository on this machine, for as long as the session needs to copy it."""

    repository: Repository
    folder: Path
    commit: str

    @property
    def origin(self) -> JsonObject:
        """Say where it came from, as the header of a session does."""
        named = {"ref": self.repository.ref, "commit": self.commit}
        return {"source": self.repository.recorded, "repository": named}


@contextlib.contextmanager
def uploads_again(recorded: Sequence[JsonObject], progress: Progress, *, are_kept: bool) -> Iterator[list[Upload]]:
    """Give what a session was to begin with, from its header; repositories at the commit that it names.

    They are cloned once more only where the record does not have the files (``are_kept``): the process
    that made the session ended before its sandbox began.
    """
    with contextlib.ExitStack() as held:
        yield [_again(upload, progress, held, is_kept=are_kept) for upload in recorded]


def _again(upload: JsonObject, progress: Progress, held: contextlib.ExitStack, *, is_kept: bool) -> Upload:
    named = upload.get("repository")
    if named is None or is_kept:
        return Upload(Path(upload["source"]), upload["target"])
    repository = replace(read_repository(upload["source"]), ref=named["commit"])
    return Upload(held.enter_context(cloned(repository, progress)).folder, upload["target"])


@contextlib.contextmanager
def cloned(repository: Repository, progress: Progress) -> Iterator[Clone]:
    """Clone a repository into a folder that only this user sees, and that is gone in the end.

    Raises RepositoryError, with what git said last.
    """
    with tempfile.TemporaryDirectory(prefix="agentctl-clone-") as place:
        progress(f"cloning {visible_line(repository.recorded)}")
        folder = Path(place) / repository.name
        clone = _Git(folder)
        clone.fetch(repository)
        commit = clone.check_out(repository)
        clone.forget_origin(repository)
        if repository.is_local and repository.ref is None and clone.is_behind(Path(repository.source)):
            progress(f"{visible_line(repository.source)} has changes that are not committed: they are not copied in")
        yield Clone(repository, folder, commit)


class _Git:
    """git over one clone."""

    def __init__(self, folder: Path) -> None:
        found = find_program("git")
        if found is None:
            raise RepositoryError(
                "git is not installed here, and --repo needs it",
                hint="install it, or clone the repository yourself and give its folder: --workspace DIR",
            )
        self._git, self._folder = found, folder

    def fetch(self, repository: Repository) -> None:
        """Clone, without any file. Raises RepositoryError."""
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        command = [*settings, "clone", "--quiet", "--no-checkout", "--no-local", "--template="]
        done = self._run([*command, "--", repository.source, str(self._folder)], _environment())
        if done.returncode:
            raise _failure(repository, done.stderr)

    def check_out(self, repository: Repository) -> str:
        """Write the files; return the commit. Raises RepositoryError."""
        ref, commit = repository.ref, self._commit_of(repository)
        branch = self._known(f"refs/remotes/origin/{ref}") if ref else None
        target = ["-B", ref, f"refs/remotes/origin/{ref}"] if ref and branch else ["--detach", commit]
        done = self._within("checkout", "--quiet", "--no-recurse-submodules", *(target if ref else ["HEAD"]))
        if done.returncode:
            raise RepositoryCheckoutError(f"cannot check out {ref or 'HEAD'}: {_last_line(done.stderr)}")
        return commit

    def forget_origin(self, repository: Repository) -> None:
        """Leave no name of the person, and no path of this machine, where the clone says what it came from."""
        if repository.is_local:
            self._within("remote", "remove", "origin")
        else:
            self._within("remote", "set-url", "origin", repository.recorded)

    def is_behind(self, folder: Path) -> bool:
        """Say whether a folder has other files than the commit. Its own git settings are not used for that."""
        if not (folder / ".git").exists():
            return False
        options = ["--no-optional-locks", f"--git-dir={self._folder / '.git'}", f"--work-tree={folder}"]
        done = self._run([*options, "status", "--porcelain", "--ignore-submodules=all"], _environment(own=False))
        return done.returncode == 0 and bool(done.stdout.strip())

    def _commit_of(self, repository: Repository) -> str:
        ref = repository.ref
        if ref is None:
            names = ["HEAD"]
        else:
            names = [f"refs/remotes/origin/{ref}", f"refs/tags/{ref}", *([ref] if _COMMIT.fullmatch(ref) else [])]
        for name in names:
            if commit := self._known(name):
                return commit
        if ref is None:
            raise RepositoryCheckoutError(f"{repository.recorded} has no commit to check out")
        raise RepositoryCheckoutError(
            f"{repository.recorded} has no branch, tag or commit {ref}", hint="write a commit with all its digits"
        )

    def _known(self, name: str) -> str | None:
        done = self._within("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        return done.stdout.decode().strip() or None if done.returncode == 0 else None

    def _within(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        return self._run([*settings, "-C", str(self._folder), *arguments], _environment(own=False))

    def _run(self, arguments: Sequence[str], environ: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [self._git, *arguments], stdin=subprocess.DEVNULL, capture_output=True, env=environ, check=False
        )


def _environment(*, own: bool = True) -> dict[str, str]:
    """Return what git may know: with the person's ``own`` settings, or without any."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    none = {} if own else {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1"}
    return {
        **kept,
        **none,
        "PATH": os.pathsep.join(absolute_path()),
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ForwardAgent=no -o ForwardX11=no",
        "GIT_LFS_SKIP_SMUDGE": "1",
    }


def _failure(repository: Repository, stderr: bytes) -> RepositoryError:
    text = stderr.decode("utf-8", "backslashreplace")
    kind = next((kind for kind, words in _WORDS if any(word in text for word in words)), RepositoryError)
    hint = _HINTS.get(kind, "try it yourself: git clone")
    return kind(f"cannot clone {repository.recorded}: {_last_line(stderr)}", hint=hint)


def _last_line(stderr: bytes) -> str:
    """Return the last line that says what happened; behind it git often says only that something did."""
    lines = [line.strip() for line in stderr.decode("utf-8", "backslashreplace").splitlines()]
    before = next((place for place, line in enumerate(lines) if line.startswith(_EMPTY_WORDS)), len(lines))
    telling = [line for line in lines[:before] if line.startswith(("fatal:", "error:"))]
    said = telling or list(filter(None, lines[:before])) or list(filter(None, lines))
    return visible_line(said[-1] if said else "git said nothing")
