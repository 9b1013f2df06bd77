"""Repositories for a session: cloned with nothing of the person's in the clone, and nothing run that they hold."""

import functools
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from agentctl.errors import UsageError
from agentctl.launch.cloning import (
    Clone,
    RepositoryAuthenticationError,
    RepositoryCheckoutError,
    RepositoryError,
    RepositoryForbiddenError,
    RepositoryNotFoundError,
    cloned,
)
from agentctl.launch.repositories import read_repository


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.invalid", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository with two branches, a tag, and a commit that nothing names."""
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for number, name in enumerate(("one", "two", "lost")):
        (folder / "file").write_text(f"{name}\n")
        (folder / "run.sh").write_text("#!/bin/sh\n")
        (folder / "run.sh").chmod(0o755)
        (folder / "sub").mkdir(exist_ok=True)
        (folder / "sub" / f"{number}").write_text("")
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "-m", name)
        git(folder, "tag", name)
    git(folder, "reset", "--quiet", "--hard", "two")
    git(folder, "tag", "-d", "lost")
    git(folder, "branch", "side", "one")
    return folder


class Server(SimpleHTTPRequestHandler):
    """A repository over HTTP; folders called 401, 403 and gone answer with that."""

    def do_GET(self) -> None:
        status = next((code for code in (401, 403) if f"/{code}/" in self.path), None)
        if status is None:
            super().do_GET()
            return
        self.send_response(status)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def served(origin: Path) -> Iterator[str]:
    git(origin.parent, "clone", "--quiet", "--bare", "origin", "bare.git")
    git(origin.parent / "bare.git", "update-server-info")
    server = HTTPServer(("127.0.0.1", 0), functools.partial(Server, directory=str(origin.parent)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def take(text: str | Path, *ref: str) -> tuple[dict[str, str], str, str, list[str]]:
    """Clone; return the files but for git's own, what git's own hold, the branch, and what was told."""
    told: list[str] = []
    with cloned(read_repository("@".join([str(text), *ref])), told.append) as clone:
        files, own = read(clone)
        branch = (clone.folder / ".git" / "HEAD").read_text().strip()
        assert clone.commit == git(clone.folder, "rev-parse", "HEAD")
        assert git(clone.folder, "status", "--porcelain") == ""
    assert not clone.folder.parent.exists()
    return files, own, branch, told


def read(clone: Clone) -> tuple[dict[str, str], str]:
    paths = [path for path in clone.folder.rglob("*") if path.is_file()]
    names = {path: str(path.relative_to(clone.folder)) for path in paths}
    own = "\n".join(path.read_text(errors="replace") for path in paths if names[path].startswith(".git/"))
    return {name: path.read_text() for path, name in names.items() if not name.startswith(".git/")}, own


@pytest.mark.parametrize(
    ("ref", "content", "head"),
    [([], "two\n", "ref: refs/heads/main"), (["side"], "one\n", "ref: refs/heads/side"), (["two"], "two\n", None)],
)
def test_a_branch_a_tag_or_what_it_stands_at_is_checked_out(
    origin: Path, ref: list[str], content: str, head: str | None
) -> None:
    files, own, at, told = take(origin, *ref)
    assert files["file"] == content
    assert at == (head or git(origin, "rev-parse", "two"))
    assert told == [f"cloning {origin}"]
    assert str(origin) not in own
    assert "[remote" not in own


def test_a_commit_is_checked_out_by_its_digits(origin: Path) -> None:
    files, _, head, _ = take(origin, git(origin, "rev-parse", "one")[:10])
    assert files["file"] == "one\n"
    assert head == git(origin, "rev-parse", "one")


@pytest.mark.parametrize("ref", ["nope", "deadbeef00", "main:file", "main~1"])
def test_a_ref_that_is_not_there_is_said_so(origin: Path, ref: str) -> None:
    with pytest.raises(UsageError) as failure:
        take(origin, ref)
    assert ref in failure.value.message
    assert failure.value.type in ("repository_checkout_error", "usage_error")


def test_changes_that_are_not_committed_are_told(origin: Path) -> None:
    (origin / "file").write_text("not committed\n")
    files, _, _, told = take(origin)
    assert files["file"] == "two\n"
    assert told[-1] == f"{origin} has changes that are not committed: they are not copied in"


def test_a_url_leaves_no_user_in_the_clone(served: str) -> None:  # K8
    told: list[str] = []
    url = f"http://{served}/bare.git"
    with cloned(read_repository(f"http://somebody@{served}/bare.git@side"), told.append) as clone:
        files, own = read(clone)
        assert clone.origin == {"source": url, "repository": {"ref": "side", "commit": clone.commit}}
    assert files["file"] == "one\n"
    assert f"url = {url}" in own
    assert "somebody" not in own
    assert "somebody" not in " ".join(told)


@pytest.mark.parametrize(
    ("path", "kind", "word"),
    [
        ("401/x", RepositoryAuthenticationError, "repository_authentication_error"),
        ("403/x", RepositoryForbiddenError, "repository_forbidden_error"),
        ("gone/x", RepositoryNotFoundError, "repository_not_found_error"),
    ],
)
def test_a_repository_that_cannot_be_had_fails_in_the_words_of_the_api(
    served: str, path: str, kind: type[RepositoryError], word: str
) -> None:
    with pytest.raises(kind) as failure:
        take(f"http://{served}/{path}")
    assert failure.value.type == word
    assert failure.value.exit_code == 2
    assert failure.value.message.startswith(f"cannot clone http://{served}/{path}: fatal: ")
    assert "\n" not in failure.value.message


def test_a_folder_that_is_no_repository_or_an_empty_one_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RepositoryNotFoundError):
        take(tmp_path / "empty")
    git(tmp_path / "empty", "init", "--quiet")
    with pytest.raises(RepositoryCheckoutError, match="no commit"):
        take(tmp_path / "empty")


def test_nothing_that_a_repository_or_the_folder_one_is_in_holds_is_run(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # E13, E14
    ran = tmp_path / "ran"
    trap = tmp_path / "trap" / "git"
    trap.parent.mkdir()
    trap.write_text(f"#!/bin/sh\ntouch {ran}\n")
    trap.chmod(0o755)
    hooks = tmp_path / "template" / "hooks"
    hooks.mkdir(parents=True)
    for name in ("post-checkout", "reference-transaction", "post-index-change"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {ran}\n")
        (hooks / name).chmod(0o755)
    (tmp_path / ".gitconfig").write_text(
        f"[init]\ntemplateDir = {tmp_path}/template\n[core]\nhooksPath = {hooks}\nfsmonitor = {trap}\n"
        f'[filter "evil"]\nsmudge = {trap}\nclean = {trap}\nrequired = true\n'
    )
    (origin / ".gitattributes").write_text("* filter=evil\n")
    (origin / ".gitmodules").write_text(f'[submodule "x"]\npath = x\nurl = ext::{trap}\n')
    subprocess.run(["git", "-C", origin, "add", "."], env={"PATH": os.environ["PATH"], "HOME": "/"}, check=True)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    git(origin, "commit", "--quiet", "-m", "evil")
    monkeypatch.delenv("GIT_CONFIG_GLOBAL")
    git(origin, "config", "core.fsmonitor", str(trap))
    monkeypatch.chdir(trap.parent)
    monkeypatch.setenv("PATH", f".::{os.environ['PATH']}")
    monkeypatch.setenv("GIT_DIR", str(origin / ".git"))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-canary")
    with cloned(read_repository(str(origin)), lambda _line: None) as clone:
        assert (clone.folder / "file").read_text() == "two\n"
        assert not (clone.folder / ".git" / "hooks").exists()
        assert not (clone.folder / ".git" / "logs").exists()
    assert not ran.exists()


def test_a_machine_without_git_is_told_what_to_do(origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RepositoryError, match="git is not installed") as failure:
        take(origin)
    assert "--workspace DIR" in str(failure.value.hint)


@pytest.mark.parametrize(
    ("text", "source", "ref", "name"),
    [
        ("https://example.com/o/r", "https://example.com/o/r", None, "r"),
        ("https://example.com/o/r.git@v1.2", "https://example.com/o/r.git", "v1.2", "r"),
        ("https://me@example.com/o/r@a/b", "https://me@example.com/o/r", "a/b", "r"),
        ("ssh://git@example.com:22/o/r@main", "ssh://git@example.com:22/o/r", "main", "r"),
        ("git@example.com:o/r", "git@example.com:o/r", None, "r"),
        ("git@example.com:o/r.git@main", "git@example.com:o/r.git", "main", "r"),
        ("https://example.com/o/r@@scope/pkg@1", "https://example.com/o/r", "@scope/pkg@1", "r"),
    ],
)
def test_where_and_which_are_told_apart(text: str, source: str, ref: str | None, name: str) -> None:
    found = read_repository(text)
    assert (found.source, found.ref, found.name, found.is_local) == (source, ref, name, False)


def test_a_folder_whose_name_holds_an_at_sign_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a@b").mkdir()
    (tmp_path / "a").mkdir()
    assert read_repository("a@b").source == str(tmp_path / "a@b")
    assert (read_repository("a@c").source, read_repository("a@c").ref) == (str(tmp_path / "a"), "c")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("https://me:secret@example.com/o/r", "takes no password"),
        ("ext::sh -c evil", "no such folder"),
        ("--upload-pack=evil", "neither a URL nor a folder"),
        ("https://example.com/o/r@-evil", "can be no branch"),
        ("https://example.com/o/r@", "can be no branch"),
        ("https://example.com/o/r@a..b", "can be no branch"),
        ("https://example.com/o/..", "no name for a folder"),
        ("nowhere", "no such folder"),
    ],
)
def test_what_cannot_be_a_repository_is_refused(text: str, said: str) -> None:  # B8
    with pytest.raises(UsageError, match=said) as failure:
        read_repository(text)
    assert "secret" not in failure.value.message
