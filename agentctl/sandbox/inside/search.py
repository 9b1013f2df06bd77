# ruff: noqa: PTH110, PTH112, PTH118
"""The tools ``glob`` and ``grep``."""

from __future__ import annotations

import os
import re

from agentctl.sandbox.inside.files import open_regular
from agentctl.sandbox.inside.outcome import ToolError, printable, text_block, utf8
from agentctl.sandbox.inside.output import Collector, clean
from agentctl.sandbox.inside.processes import exit_code, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agentctl.sandbox.inside.files import Answer, Tools
    from agentctl.sandbox.inside.outcome import Message

MOST_PATHS = 200
MOST_WALKED = 200_000
MOST_LINE = 2_000


def glob(tools: Tools, arguments: Message) -> Answer:
    """List what matches a pattern, newest first."""
    pattern: str = arguments["pattern"]
    utf8(pattern, "the pattern")
    if pattern.startswith("/"):
        raise ToolError("absolute pattern not permitted; pass a relative pattern (and optionally path)")
    if ".." in pattern.split("/"):
        raise ToolError("'..' is not permitted in the pattern")
    root = root_of(tools, arguments)
    if not os.path.isdir(root):
        raise ToolError(f"{arguments.get('path')}: not a directory")
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    matches = compiled(glob_expression(parts), "pattern").fullmatch
    entries = walk(root, None if "**" in parts else len(parts), into_git=".git" in pattern)
    found = sorted((-modified(entry), entry.path) for path, entry in entries if matches(path))
    lines = [printable(path) for _, path in found[:MOST_PATHS]]
    if len(found) > MOST_PATHS:
        lines.append(f"[{len(found) - MOST_PATHS} more are not shown]")
    return answer("\n".join(lines).encode(), Collector(tools.spill_path))


def glob_expression(parts: list[str]) -> str:
    """Write a glob pattern as a regular expression on paths relative to the folder searched."""
    written = []
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            written.append(".*" if last else "(?:[^/]+/)*")
        else:
            written.append(glob_part(part) + ("" if last else "/"))
    return "(?s)" + "".join(written)


_GLOB_PIECE = r"(?s)\*+|\?|\[[!^]?\]?[^\]]*\]|\{|\}|,|."


def glob_part(part: str) -> str:
    """Write one name of a glob pattern as a regular expression; ``{a,b}`` is a choice."""
    written, depth = [], 0
    for piece in re.findall(_GLOB_PIECE, part):
        if piece[0] in "*?":
            written.append("[^/]*" if piece[0] == "*" else "[^/]")
        elif piece[0] == "[" and len(piece) > 1:
            inside = piece[1:-1].replace("\\", "\\\\").replace("[", "\\[")
            written.append("[" + ("^" + inside[1:] if inside[0] in "!^" else inside) + "]")
        elif piece == "{" and "}" in part:
            written.append("(?:")
            depth += 1
        elif piece == "}" and depth:
            written.append(")")
            depth -= 1
        else:
            written.append("|" if piece == "," and depth else re.escape(piece))
    return "".join(written) + ")" * depth


def walk(root: str, depth: int | None = None, *, into_git: bool = False) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield everything under a folder with its path relative to it, in the order of names; links are not followed."""
    folders, seen = [("", 0)], 0
    while folders:
        folder, level = folders.pop()
        try:
            entries = sorted(os.scandir(os.path.join(root, folder)), key=lambda entry: entry.name)
        except OSError:
            continue
        seen += len(entries)
        if seen > MOST_WALKED:
            raise ToolError(f"more than {MOST_WALKED:,} files; pass a path or a narrower pattern")
        for entry in entries:
            path = os.path.join(folder, entry.name)
            yield path, entry
            descend = entry.is_dir(follow_symlinks=False) and (into_git or entry.name != ".git")
            if descend and (depth is None or level + 1 < depth):
                folders.append((path, level + 1))


def modified(entry: os.DirEntry[str]) -> int:
    """Return when a file was changed, 0 if it has gone."""
    try:
        return entry.stat(follow_symlinks=False).st_mtime_ns
    except OSError:
        return 0


def grep(tools: Tools, arguments: Message) -> Answer:
    """Search for a regular expression."""
    pattern: str = arguments["pattern"]
    utf8(pattern, "the pattern")
    root = root_of(tools, arguments)
    if not os.path.exists(root):
        raise ToolError(f"{arguments.get('path')}: no such file or directory")
    collector = Collector(tools.spill_path)
    rg = find_program("rg", tools)
    if rg is not None:
        grep_with_rg(rg, pattern, root, tools, collector)
    else:
        grep_with_python(compiled(pattern, "regex").search, root, collector)
    return answer(b"", collector)


def grep_with_rg(rg: str, pattern: str, root: str, tools: Tools, collector: Collector) -> None:
    """Search with ripgrep, in the order of the paths, so that the same files give the same answer."""
    arguments = [rg, "--no-config", "-nH", "--no-heading", "--color=never", "--sort=path"]
    arguments += [f"--max-columns={MOST_LINE}", "--no-messages", "-e", pattern, "--", root]
    (out, out_in), (err, err_in) = os.pipe(), os.pipe()
    null = os.open(os.devnull, os.O_RDONLY)
    pid = spawn(arguments, tools.environment, (null, out_in, err_in), tools.workspace)
    os.close(out_in)
    os.close(err_in)
    for piece in iter(lambda: os.read(out, 1 << 16), b""):
        collector.add(piece)
    complaint = os.read(err, 1 << 14)
    if exit_code(os.waitpid(pid, 0)[1]) > 1 and complaint and not collector.total:
        raise ToolError(f"rg failed: {clean(complaint).strip()}")


def grep_with_python(search: Callable[[str], object], root: str, collector: Collector) -> None:
    """Search without ripgrep: as it does, but for ignore files."""
    if not os.path.isdir(root):
        grep_file(search, root, collector)
        return
    paths = [os.path.join(root, path) for path, entry in walk(root) if entry.is_file(follow_symlinks=False)]
    for path in sorted(paths):
        if not is_passed_over(path[len(root) :]):
            grep_file(search, path, collector)


def is_passed_over(path: str) -> bool:
    """Say whether a search leaves a file out: hidden ones, and packages of Node.js."""
    return any(part.startswith(".") or part == "node_modules" for part in path.split("/") if part)


def grep_file(search: Callable[[str], object], path: str, collector: Collector) -> None:
    """Search one file, unless it is binary."""
    try:
        fd = open_regular(path, path, os.O_NOFOLLOW)
    except (OSError, ToolError):
        return
    with os.fdopen(fd, "rb") as file:
        if b"\0" in file.read(1024):
            return
        file.seek(0)
        for number, line in enumerate(file, 1):
            text = line.rstrip(b"\r\n").decode("utf-8", "replace")
            if len(line) <= MOST_LINE and search(text):
                collector.add(f"{printable(path)}:{number}:{text}\n".encode())


def answer(data: bytes, collector: Collector) -> Answer:
    """Make the answer of a search."""
    collector.add(data)
    text, facts = collector.result()
    return [text_block(text.rstrip("\n") or "no matches")], facts


def root_of(tools: Tools, arguments: Message) -> str:
    """Return where to search."""
    return os.path.normpath(tools.find(arguments.get("path") or "."))


def compiled(expression: str, what: str) -> re.Pattern[str]:
    """Compile a regular expression. Raises ToolError."""
    try:
        return re.compile(expression)
    except re.error as error:
        raise ToolError(f"invalid {what}: {error}") from error


def find_program(name: str, tools: Tools) -> str | None:
    """Find a program on the PATH of the image, never in the workspace."""
    for folder in tools.environment.get("PATH", os.defpath).split(":"):
        path = os.path.join(folder, name)
        if folder.startswith("/") and not folder.startswith(tools.workspace) and os.access(path, os.X_OK):
            return path
    return None
