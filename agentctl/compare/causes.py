"""Why a call came to something else in another sandbox: the likeliest cause that the record can show.

A cause is read from what is in one observation and not in the other. Where nothing tells, the first
line that differs is named and no cause.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal, TypeAlias

from agentctl.compare.calls import Call, Observation
from agentctl.compare.normalise import alike
from agentctl.compare.places import short
from agentctl.compare.rules import moment_of

CauseKind: TypeAlias = Literal[
    "version_moved",
    "command_missing",
    "module_missing",
    "network_denied",
    "permission",
    "timeout",
    "memory",
    "earlier_difference",
    "file_missing",
    "files_differ",
    "exit_code",
    "output_differs",
    "not_made",
    "sandbox_lost",
]


@dataclass(frozen=True, slots=True)
class Cause:
    """Why, in one line that may hold untrusted text.

    ``subject`` is what it is about, ``event`` the number of an earlier difference that it comes from.
    """

    kind: CauseKind
    line: str
    subject: str | None = None
    event: int | None = None


@dataclass(frozen=True, slots=True)
class MovedPackage:
    """A package that has another version in another image; None where it is not there at all."""

    kind: str
    name: str
    before: str | None
    after: str | None

    @property
    def line(self) -> str:
        """Say it in a few words."""
        return f"{self.kind} package {self.name} {self.before or 'none'} -> {self.after or 'none'}"

    def is_named_in(self, text: str) -> bool:
        """Say whether a text in small letters names it, as managers or as programs write it."""
        names = {self.name.lower(), self.name.lower().replace("-", "_")}
        return any(name in text and re.search(rf"(?<![\w-]){re.escape(name)}(?!\w|-[a-z])", text) for name in names)


_COMMAND = re.compile(
    r"(?:^|[\s:])(?P<name>[\w./+-]+): (?:command )?not found|(?P<file>[\w./+-]+): No such command", re.MULTILINE
)
_MODULE = re.compile(r"No module named '?(?P<py>[\w.]+)|Cannot find (?:module|package) '(?P<js>[^']+)'")
_PERMISSION = re.compile(r"[^\n]*(?:[Pp]ermission denied|Operation not permitted|Read-only file system)[^\n]*")
_FILE = re.compile(
    r"(?:(?:cannot (?:open|access|stat)|can't open)[^'\n]*'(?P<quoted>[^'\n]+)'"
    r"|(?P<plain>[\w./+-]+): (?i:no such file or directory)"
    r"|(?i:no such file or directory): '(?P<python>[^'\n]+)'"
    r"|(?i:file not found|does not exist):? (?P<said>[\w./+-]+))"
)
_NETWORK = re.compile(
    r"(?i)[^\n]*(?:could not resolve|name or service not known|temporary failure in name resolution|network is "
    r"unreachable|connection refused|failed to establish a new connection|no route to host|tunnel connection failed"
    r"|(?:couldn't|could not|failed to) connect\b"
    r"|proxyerror|getaddrinfo|\bENOTFOUND\b|\bECONNREFUSED\b|not allowed by the environment)[^\n]*"
)
_MEMORY = re.compile(
    r"[^\n]*(?:\bMemoryError\b|[Cc]annot allocate memory|[Oo]ut of memory|std::bad_alloc|\bENOMEM\b)[^\n]*"
)
_EXIT_NOTICE = re.compile(r"(?:^|\n)\[exit code \d+\]\Z")
_VERSION = re.compile(r"(?<![\w.])v?\d+(?:\.\d+)+(?:[-+.]?[A-Za-z]\w*)*")
_OF_VERSIONS = re.compile(
    r"(?i)\bversions?\b|==|\b(?:pip3?|uv|npm|gem|cargo|apt|dpkg)\b.*\b(?:list|show|freeze|ls)\b|\bdpkg -l"
)
_ASKED = re.compile(
    r"([A-Za-z_][\w.]*)\.__version__|\bversion\(\\?['\"]([\w.-]+)|([\w.+-]+) (?:--version|-V|version)\b"
)
_NAME_BEFORE = re.compile(r"([A-Za-z][\w.+-]*)(?:[\s=@:(,'\"v-]|version)*$")
_MOST_TEXT = 200_000
_OUT_OF_MEMORY, _NOT_FOUND = 137, 127


def cause_of(recorded: Call, live: Call, moved_by: Mapping[str, int], packages: Sequence[MovedPackage] = ()) -> Cause:
    """Return why a call that was made twice came to something else.

    ``moved_by`` names, by path, the number of the earlier call whose files came out otherwise; ``packages`` are
    those that are known to have another version where the call was made again.
    """
    before, after = recorded.observation, live.observation
    if before is None or after is None:
        return Cause("not_made", "it has no result in the rerun")
    if before.facts and not after.facts:
        return Cause("sandbox_lost", "the fresh sandbox was lost while the call ran there", "sandbox")
    old, new = before.text[:_MOST_TEXT], after.text[:_MOST_TEXT]
    found = (
        _limit(before, after)
        or _earlier(new, recorded, moved_by)
        or _memory(old, new)
        or _command(old, new, after)
        or _known_package(recorded, old, new, packages)
        or _module(old, new)
        or _network(old, new)
        or _permission(old, new)
        or _version(recorded, before, after)
        or _file(old, new)
    )
    if found is not None:
        return found
    if packages:
        return Cause("version_moved", "; ".join(each.line for each in packages[:3]), packages[0].name)
    return _plain(before, after)


def _limit(before: Observation, after: Observation) -> Cause | None:
    if after.facts.get("timed_out") and not before.facts.get("timed_out"):
        return Cause("timeout", f"it took too long: {after.seconds or 0:.0f} s, and {before.seconds or 0:.1f} s then")
    if after.exit_code == _OUT_OF_MEMORY != before.exit_code:
        return Cause("memory", "it was killed (exit code 137), perhaps for want of memory")
    return None


def _earlier(new: str, call: Call, moved_by: Mapping[str, int]) -> Cause | None:
    """Find a path in what is asked for, or said, whose contents an earlier call left otherwise."""
    if not moved_by:
        return None
    asked = " ".join(str(value) for value in call.input.values())
    for path, seq in moved_by.items():
        name = short(path)
        for text in (asked, new):
            if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text):
                return Cause("earlier_difference", f"{name} is another since #{seq}", name, seq)
    return None


def _command(old: str, new: str, after: Observation) -> Cause | None:
    for match in _only_in(_COMMAND, new, old):
        name = posixpath.basename(match["name"] or match["file"])
        return Cause("command_missing", f"command missing: {name}", name)
    if after.exit_code == _NOT_FOUND:
        return Cause("command_missing", "a command is missing (exit code 127)")
    return None


def _module(old: str, new: str) -> Cause | None:
    for match in _only_in(_MODULE, new, old):
        name = match["py"] or match["js"]
        return Cause("module_missing", f"package missing: {name}", name)
    return None


def _network(old: str, new: str) -> Cause | None:
    for match in _only_in(_NETWORK, new, old):
        return Cause("network_denied", f"network denied: {match[0].strip()}")
    return None


def _permission(old: str, new: str) -> Cause | None:
    for match in _only_in(_PERMISSION, new, old):
        return Cause("permission", f"permission: {match[0].strip()}")
    return None


def _file(old: str, new: str) -> Cause | None:
    for match in _only_in(_FILE, new, old):
        name = next(filter(None, match.groups()))
        return Cause("file_missing", f"file missing: {name}", name)
    return None


def _known_package(call: Call, old: str, new: str, packages: Sequence[MovedPackage]) -> Cause | None:
    """Find a package that is known to have moved, and is named by the call or in what it said."""
    text = "\n".join((*(str(value) for value in call.input.values()), old, new)).lower()
    named = next((each for each in packages if each.is_named_in(text)), None)
    return None if named is None else Cause("version_moved", named.line, named.name)


def _memory(old: str, new: str) -> Cause | None:
    for match in _only_in(_MEMORY, new, old):
        return Cause("memory", f"not enough memory: {match[0].strip()}")
    return None


def _version(call: Call, before: Observation, after: Observation) -> Cause | None:
    """Find lines that part at a version: those that are the same but for it, or that say whose it is."""
    asked = _asked_for(call)
    for one, other in _differing_lines(before, after):
        for was, now in zip(_VERSION.finditer(one), _VERSION.finditer(other), strict=False):
            if was[0] == now[0]:
                continue
            if _VERSION.sub("", one[: was.start()]) != _VERSION.sub("", other[: now.start()]):
                break
            if asked is None and not _is_of_version(call, one, other, was[0]):
                break
            named = _NAME_BEFORE.search(one[: was.start()])
            name = named[1].rstrip("-.+") if named else asked
            return Cause("version_moved", f"{name or 'version'} {was[0]} -> {now[0]}", name)
    return None


def _is_of_version(call: Call, one: str, other: str, found: str) -> bool:
    """Say whether a number is a version though nobody asked for one: 240.0 is not, unless something tells."""
    if _VERSION.sub("", one) != _VERSION.sub("", other):
        return False
    return found.count(".") > 1 or any(map(_OF_VERSIONS.search, (one, str(call.input.get("command", "")))))


def _asked_for(call: Call) -> str | None:
    """Name what a command asks the version of, as in ``import x; print(x.__version__)`` or ``x --version``."""
    command = str(call.input.get("command", ""))
    match = _ASKED.search(command)
    return next(filter(None, match.groups()), None) if match else None


def _plain(before: Observation, after: Observation) -> Cause:
    for one, other in _differing_lines(before, after):
        shown = (f"“{line.strip()[:80]}”" if line.strip() else "nothing" for line in (one, other))
        return Cause("output_differs", "output: {} -> {}".format(*shown))
    if before.exit_code != after.exit_code:
        return Cause("exit_code", f"exit code {before.exit_code} -> {after.exit_code}")
    paths = sorted({effect[0] for effect in before.effects ^ after.effects})
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    name = short(paths[0]) if paths else None
    return Cause("files_differ", f"it leaves another {name}{more}" if name else "the result differs", name)


def _differing_lines(before: Observation, after: Observation) -> Iterator[tuple[str, str]]:
    """Yield the lines that differ by more than noise; the exit code that stands behind them is a fact of its own."""
    moments = moment_of(before.at), moment_of(after.at)
    texts = (_EXIT_NOTICE.sub("", seen.text[:_MOST_TEXT]).removesuffix("(no output)") for seen in (before, after))
    for one, other in zip_longest(*(text.split("\n") for text in texts), fillvalue=""):
        if one != other and alike(one, other, *moments) is None:
            yield one, other


def _only_in(pattern: re.Pattern[str], new: str, old: str) -> Iterator[re.Match[str]]:
    known = {match[0] for match in pattern.finditer(old)}
    return (match for match in pattern.finditer(new) if match[0] not in known)
