"""Folders of files as tests make them: as generated values, on disk, and as the record of a session has them."""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st

from agentctl.errors import StoreError
from agentctl.session.effects import WORKSPACE, Effect
from agentctl.session.files import File


class Node(NamedTuple):
    """A file (its bytes, and whether it can be run) or a link (where it leads)."""

    data: bytes
    runs: bool = False
    is_link: bool = False


class Held:
    """Contents in memory."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self.data[digest] = data
        return digest

    def open(self, digest: str) -> Iterator[bytes]:
        if digest not in self.data:
            raise StoreError(f"blob {digest} cannot be read")
        for start in range(0, len(self.data[digest]), 1 << 20):
            yield self.data[digest][start : start + (1 << 20)]


NAMES = [
    "a", "b", "c.txt", "a b", "ü", "tab\tname", 'quo"te', "back\\slash", "new\nline", "-x", " lead", "trail ", "b/",
    "\udcff\udcfe", "\u202egpj.exe", "\x1b[2J", "a\rb", "\x7f", "diff --git", "--- a", ".gitignore",
]  # fmt: skip
NAMES = [name for name in NAMES if "/" not in name]

_LINES = st.sampled_from(
    [b"one\n", b"two\n", b"two\r\n", b"\n", b"\r\n", b"-- \n", b"+++ b/x\n", b"\xff\xfe\n", b"@@ -1 +1 @@\n"]
)
_ENDS = st.sampled_from([b"", b"", b"end", b"end\r", b"\\ No newline at end of file"])
_TEXTS = st.tuples(st.lists(_LINES, max_size=12), _ENDS).map(lambda parts: b"".join(parts[0]) + parts[1])
_LONG = st.builds(
    lambda edits: b"".join(edits.get(number, b"line %d\n" % number) for number in range(60)),
    st.dictionaries(st.integers(0, 59), st.sampled_from([b"", b"new\n", b"new\nnewer\n", b"line 7\n"]), max_size=5),
)
_BINARY = st.one_of(
    st.binary(max_size=200).map(lambda data: data + b"\0"),
    st.integers(1, 300).map(lambda times: bytes(range(256)) * times),
)
_FILES = st.builds(Node, st.one_of(_TEXTS, _LONG, _BINARY), st.booleans(), st.just(False))
_TARGETS = st.sampled_from([b"sub/x", b"../x", b"/etc/passwd", b"new\nline", "ü".encode(), b"\xff", b"nowhere"])
_LINKS = st.builds(Node, _TARGETS, st.just(False), st.just(True))
_ENTRIES = st.recursive(
    st.one_of(_FILES, _FILES, _FILES, _LINKS),
    lambda inner: st.dictionaries(st.sampled_from(NAMES), inner, min_size=1, max_size=3),
    max_leaves=8,
)
TREES = st.dictionaries(st.sampled_from(NAMES), _ENTRIES, max_size=5).map(lambda tree: dict(_flat(tree, "")))
"""Every kind of file that there is, by its path relative to the folder."""


def _flat(tree: Mapping[str, object], prefix: str) -> Iterator[tuple[str, Node]]:
    for name, entry in tree.items():
        if isinstance(entry, Node):
            yield prefix + name, entry
        elif isinstance(entry, dict):
            yield from _flat(entry, f"{prefix}{name}/")


def make(folder: Path, tree: Mapping[str, Node]) -> None:
    """Write a tree to disk."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, node in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if node.is_link:
            path.symlink_to(os.fsdecode(node.data))
        else:
            path.write_bytes(node.data)
            path.chmod(0o755 if node.runs else 0o644)


def read(folder: Path) -> dict[str, Node]:
    """Read a tree from disk, without its folders."""
    found: dict[str, Node] = {}
    for root, _folders, names in os.walk(folder):
        for name in [*names, *(one for one in _folders if (Path(root) / one).is_symlink())]:
            path = Path(root) / name
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                node = Node(os.fsencode(path.readlink()), is_link=True)
            else:
                node = Node(path.read_bytes(), bool(status.st_mode & 0o100))
            found[str(path.relative_to(folder))] = node
    return found


def effects_of(before: Mapping[str, Node], after: Mapping[str, Node], contents: Held) -> list[Effect]:
    """Say what makes one tree of another, as the record does: folders that come and go are in it."""
    old, new = (_recorded(tree, contents) for tree in (before, after))
    found = (Effect(path, old.get(path), new.get(path)) for path in sorted(old.keys() | new.keys()))
    return [effect for effect in found if effect.before != effect.after]


def _recorded(tree: Mapping[str, Node], contents: Held) -> dict[str, File]:
    files: dict[str, File] = {}
    for name, node in tree.items():
        path = f"{WORKSPACE}/{name}"
        for folder in list(Path(name).parents)[:-1]:
            inner = f"{WORKSPACE}/{folder}"
            files[inner] = File(inner, "folder", 0o755)
        if node.is_link:
            files[path] = File(path, "link", 0o777, target=os.fsdecode(node.data))
        else:
            mode = 0o755 if node.runs else 0o644
            files[path] = File(path, "file", mode, len(node.data), contents.put(node.data))
    return files
