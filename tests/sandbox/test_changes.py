# ruff: noqa: PTH101, PTH103, PTH104, PTH108, PTH112, PTH114, PTH115, PTH118
"""What has changed under some folders, by word of the kernel and without it, on a real file system."""

import contextlib
import hashlib
import mmap
import os
import random
import resource
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentctl.canonical import JsonObject
from agentctl.sandbox.inside import changes as changes_module
from agentctl.sandbox.inside.changes import Changes
from agentctl.sandbox.inside.report import MOST_CHANGES, Contents, Reporter
from agentctl.sandbox.inside.watches import NoWatchesError, Watches

Tree = dict[str, tuple[str, int, str]]


class Watched:
    """Two folders that are watched, and what was told of them."""

    def __init__(self, folder: Path, *, by_kernel: bool = True) -> None:
        self.folder, self.roots = folder, [str(folder / "work"), str(folder / "out")]
        for root in self.roots:
            os.makedirs(root, exist_ok=True)
        self.tree = walked(self.roots)
        self.changes = Changes(self.roots)
        self.changes.begin()
        if not by_kernel:
            self.changes.stop_watching()
        self.reporter = Reporter(self.changes)

    def told(self) -> dict[str, str]:
        """Look, bring the tree up to date, and return what is told by path."""
        contents = Contents(str(self.folder))
        report = self.reporter.report(contents) or {"changes": []}
        contents.close()
        for body in report["changes"]:
            self.take(body)
        return {body["path"].removeprefix(f"{self.folder}/"): body["change"] for body in report["changes"]}

    def take(self, body: JsonObject) -> None:
        assert (body["path"] in self.tree) == (body["change"] != "created"), body
        self.tree.pop(body["path"], None)
        if body["change"] != "deleted":
            self.tree[body["path"]] = (body["kind"], body["mode"], body.get("sha256") or body.get("target") or "")


def walked(roots: list[str]) -> Tree:
    """Look at the tree as it is, with nothing of what is tested."""
    found: Tree = {}
    for root in roots:
        for folder, folders, files in os.walk(root):
            for path in (os.path.join(folder, name) for name in folders + files):
                mode = os.lstat(path).st_mode
                if stat.S_ISLNK(mode):
                    found[path] = ("link", 0o777, os.readlink(path))
                elif stat.S_ISDIR(mode):
                    found[path] = ("folder", mode & 0o777, "")
                else:
                    found[path] = ("file", mode & 0o777, hashlib.sha256(Path(path).read_bytes()).hexdigest())
    return found


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory, where thousands of files are soon made and gone."""
    folder = Path(f"/dev/shm/agentctl-test-{os.getpid()}-{os.urandom(4).hex()}")
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


class Vandal:
    """Does what programs do to files, at random."""

    def __init__(self, seed: int, watched: Watched) -> None:
        self.random, self.roots, self.outside = random.Random(seed), watched.roots, watched.folder / "elsewhere"
        self.outside.mkdir(exist_ok=True)

    def act(self) -> None:
        often, seldom = [self.make, self.remove, self.move, self.link, self.mode], [self.out, self.back, self.wipe]
        deed = self.random.choice([self.write] * 5 + often * 2 + seldom)
        with contextlib.suppress(OSError):  # the name is taken, or what was picked has gone
            deed(Path(self.pick(folders_only=True)) / self.random.choice("abcdef"))

    def pick(self, *, folders_only: bool = False) -> str:
        found = [*self.roots] + [
            path for path, (kind, _, _) in walked(self.roots).items() if kind == "folder" or not folders_only
        ]
        return self.random.choice(found)

    def some(self) -> str:
        path = self.pick()
        if path in self.roots:
            raise OSError
        return path

    def write(self, path: Path) -> None:
        path.write_bytes(self.random.randbytes(self.random.randrange(9)))

    def make(self, path: Path) -> None:
        (path / "x/y").mkdir(parents=True)
        (path / "x/y/z").write_text("1")

    def remove(self, _: Path) -> None:
        path = self.some()
        shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)

    def move(self, path: Path) -> None:
        os.rename(self.some(), path)

    def link(self, path: Path) -> None:
        path.symlink_to(self.pick())

    def mode(self, _: Path) -> None:
        os.chmod(self.some(), self.random.choice([0o755, 0o700, 0o4775]))

    def out(self, _: Path) -> None:
        os.rename(self.some(), self.outside / str(self.random.random()))

    def back(self, path: Path) -> None:
        os.rename(self.random.choice([*self.outside.iterdir(), self.outside / "none"]), path)

    def wipe(self, _: Path) -> None:
        if self.random.random() < 0.2:
            shutil.rmtree(self.roots[1])
        os.makedirs(self.roots[1], exist_ok=True)


@pytest.mark.parametrize("by_kernel", [True, False])
@pytest.mark.parametrize("seed", range(12))
def test_what_is_told_leads_from_the_tree_before_to_the_tree_after(memory: Path, seed: int, by_kernel: bool) -> None:
    watched = Watched(memory, by_kernel=by_kernel)
    vandal = Vandal(seed, watched)
    for number in range(40):
        for _ in range(number % 12):
            vandal.act()
        watched.told()
        assert watched.tree == walked(watched.roots), number
        assert watched.told() == {}, "nothing is told twice"


def test_a_queue_that_overflows_is_made_up_for_by_a_look_at_everything(memory: Path) -> None:
    watched = Watched(memory)
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for number in range(most // 3 + 200):
        (memory / f"work/{number:06}").write_text(str(number))
    (memory / "work/000001").unlink()
    watches = watched.changes.watches
    assert watches is not None
    watches.hear()
    assert watches.missed
    assert len(watched.told()) == min(most // 3 + 199, MOST_CHANGES)
    (memory / "work/000002").write_text("again")
    assert watched.told() == {"work/000002": "modified"}, "and the kernel is listened to again"
    assert not watches.missed


def test_without_watches_everything_is_looked_at(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(memory)
    (memory / "work/a").mkdir()
    assert watched.told() == {"work/a": "created"}

    def no_more(self: Watches, folder: str) -> None:
        raise NoWatchesError

    monkeypatch.setattr(Watches, "add", no_more)
    (memory / "work/a/b").mkdir()
    (memory / "work/a/b/f").write_text("1")
    assert watched.told() == {"work/a/b": "created", "work/a/b/f": "created"}
    assert watched.changes.watches is None
    (memory / "work/a/b/f").write_text("22")
    assert watched.told() == {"work/a/b/f": "modified"}


def test_where_no_descriptor_is_left_everything_is_looked_at(memory: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        changes = Changes([str(memory)])
        changes.begin()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert changes.watches is None


def test_more_files_than_are_kept_in_mind_end_the_telling_and_it_is_said(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes_module, "MOST_KNOWN", 100)
    watched = Watched(memory)
    for number in range(99):
        (memory / f"work/{number}").touch()
    assert len(watched.told()) == 99
    (memory / "work/d").mkdir()
    (memory / "work/d/1").touch()
    (memory / "work/d/2").touch()
    for _ in range(2):
        report = watched.reporter.report(Contents(str(memory)))
        assert report is not None
        assert report["changes"] == []
        assert "so that changes are not recorded any more" in report["cut"]


@pytest.mark.parametrize(("more", "is_kept"), [(100, True), (2 << 20, False)])
def test_a_file_that_is_written_while_it_is_read_is_what_was_read(memory: Path, more: int, is_kept: bool) -> None:
    watched = Watched(memory)
    path = memory / "work/log"
    path.write_bytes(b"x" * (15 << 20))
    contents = Contents(str(memory))
    real = os.fstat

    def growing(fd: int) -> os.stat_result:
        status = real(fd)
        with path.open("ab") as file:
            file.write(b"y" * more)
        return status

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fstat", growing)
        report = watched.reporter.report(contents)
    assert report is not None
    [body] = report["changes"]
    if is_kept:
        os.lseek(contents.spool, 0, os.SEEK_SET)
        sent = os.read(contents.spool, 20 << 20)
        assert len(sent) == body["size"] > (15 << 20)
        assert hashlib.sha256(sent).hexdigest() == body["sha256"]
    else:
        assert body["cut"] == "it has more than 16 MiB"
    contents.close()
    path.write_text("less")
    watched.tree[str(path)] = ("file", 0o644, "")
    assert watched.told() == {"work/log": "modified"}


def test_a_file_that_is_written_twice_in_one_tick_is_seen_twice(memory: Path) -> None:
    watched = Watched(memory)
    path = memory / "work/f"
    path.write_text("1")
    assert watched.told() == {"work/f": "created"}
    for number in range(2, 50):
        status = path.stat()
        path.write_text(str(number % 10))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert watched.told() == {"work/f": "modified"}


def test_a_mapping_that_is_written_to_is_seen_when_it_goes(memory: Path) -> None:
    (memory / "work").mkdir()
    path = memory / "work/f"
    path.write_bytes(bytes(4096))
    watched = Watched(memory)
    with path.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 4096)
    watched.told()
    mapped[0] = 1
    mapped.close()
    assert watched.told() == {"work/f": "modified"}


def test_there_is_no_room_for_contents(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(memory)
    (memory / "work/f").write_bytes(os.urandom(1 << 20))
    (memory / "work/g").write_bytes(b"small")
    contents = Contents(str(memory / "nowhere"))
    report = watched.reporter.report(contents)
    assert report is not None
    one, other = report["changes"]
    assert one["cut"].startswith("there is no room to keep it: ")
    assert "sha256" in other
