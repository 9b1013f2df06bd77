"""Reading a file of limited size into a document, whatever is behind its name.

YAML, JSON, and Markdown that begins with YAML between two lines of ``---``. Every error about what a
file holds is a DefinitionError with its place; a file that is not there is a NotFoundError.
"""

import errno
import os
import re
import stat
from pathlib import Path

from agentctl.definitions.document import Document, Node, Source
from agentctl.definitions.jsontext import parse_json
from agentctl.definitions.yamltext import parse_yaml
from agentctl.errors import DefinitionError, NotFoundError

LARGEST_FILE = 1024 * 1024
"""Bytes; a longer file is refused."""

_OPENING = re.compile(r"---[ \t]*\r?\n")
_CLOSING = re.compile(r"^(?:---|\.\.\.)[ \t]*\r?$", re.MULTILINE)
_BLANK_LINES = re.compile(r"(?:[ \t]*\r?\n)*")


def read_yaml(path: Path) -> Document:
    """Read a YAML file, or a JSON file where the name ends in ``.json``."""
    source = read_source(path)
    parse = parse_json if path.suffix == ".json" else parse_yaml
    return Document(source, parse(source))


def read_definition(path: Path) -> tuple[Document, Node | None]:
    """Read a YAML, JSON or Markdown file; the second part is the text below the front matter, if any."""
    if path.suffix in {".yaml", ".yml", ".json"}:
        return read_yaml(path), None
    if path.suffix == ".md":
        return _read_markdown(read_source(path))
    read_source(path)
    raise DefinitionError("has a name that does not end in .yaml, .yml, .json or .md", path=str(path))


def read_source(path: Path) -> Source:
    """Read a regular file of at most 1 MiB of UTF-8; a byte order mark at its beginning is dropped."""
    data = _read_bytes(path)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = Source(str(path), data[: error.start].decode("utf-8"))
        raise before.problem(len(before.text), f"holds a byte that is not UTF-8 (0x{data[error.start]:02x})") from None
    return Source(str(path), text.removeprefix("\ufeff"))


def _read_bytes(path: Path) -> bytes:
    # Without waiting: opening a named pipe would otherwise hang until somebody writes to it.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DefinitionError("is not a regular file", path=str(path))
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise _unreadable(path, error) from None
    finally:
        os.close(descriptor)
    if len(data) > LARGEST_FILE:
        raise DefinitionError("is larger than 1 MiB", path=str(path))
    return data


def _unreadable(path: Path, error: OSError | ValueError) -> DefinitionError | NotFoundError:
    if isinstance(error, OSError) and error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return NotFoundError(f"{path}: there is no such file")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return DefinitionError(f"cannot be read: {reason}", path=str(path))


def _read_markdown(source: Source) -> tuple[Document, Node | None]:
    opening = _OPENING.match(source.text)
    if opening is None:
        raise source.problem(
            0, "has no front matter", hint="A Markdown file begins with a line of ---, YAML, and another line of ---."
        )
    closing = _CLOSING.search(source.text, opening.end())
    if closing is None:
        raise source.problem(0, "has front matter that never ends: a second line of --- is missing")
    root = parse_yaml(source, opening.end(), closing.start())
    return Document(source, root), _prose(source, closing.end())


def _prose(source: Source, begin: int) -> Node | None:
    """Return the text from ``begin`` on, without the blank lines around it."""
    blank = _BLANK_LINES.match(source.text, begin)
    begin = blank.end() if blank else begin
    text = source.text[begin:].rstrip()
    if "\0" in text:
        raise source.problem(begin + text.index("\0"), "holds the character U+0000")
    return Node(text.replace("\r\n", "\n"), begin, begin) if text else None
