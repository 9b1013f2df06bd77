"""What changes from run to run without meaning anything, and the rules that take it out of a text.

A date is noise only where it can be the run's own: two days around the moment of the observation. The
dates inside of data stay, so that another answer is another answer. In the same way a port is noise only
where the system chooses it, and the sum of a file's contents (``sha256sum``) is none at all.
"""

import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias

from agentctl.ids import time_of
from agentctl.patience import patience
from agentctl.session.effects import OUTPUTS, WORKSPACE

_NEAR_DAYS = 2
_NEAR_SECONDS = 300
_FIRST_CHOSEN_PORT = 32_768
"""Ports from here on are those that Linux gives to whoever asks for any."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
_TIME = r"\d\d?:\d\d(?::\d\d(?:[.,]\d{1,9})?)?"


@dataclass(frozen=True, slots=True)
class Moment:
    """When something was observed; ``at`` is None where nobody knows, and then any time may be the run's own."""

    at: datetime | None

    def is_near(self, year: int | None, month: int, day: int) -> bool:
        """Say whether a date can be that of the run."""
        return self.at is None or (year, month, day) in _dates_around(self.at.year, self.at.month, self.at.day)

    def is_near_second(self, seconds: float) -> bool:
        """Say whether seconds since 1970 can be those of the run."""
        return self.at is None or abs(seconds - self.at.timestamp()) < _NEAR_DAYS * 86_400

    def is_near_time(self, minute: int, second: int) -> bool:
        """Say whether a time of day can be that of the run, in any zone that is whole hours away."""
        if self.at is None:
            return True
        apart = abs(minute * 60 + second - (self.at.minute * 60 + self.at.second))
        return min(apart, 3600 - apart) <= _NEAR_SECONDS


@lru_cache(maxsize=64)
def moment_of(text: str | None) -> Moment:
    """Read the moment of an observation as the record has it."""
    at = time_of(text)
    return Moment(None if at is None else at.astimezone(UTC))


Swap: TypeAlias = Callable[[re.Match[str], Moment], str]
"""Gives what stands for a match; the match itself where it is no noise after all."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that is taken out of a text. ``tools`` are those whose results it is for; none means all.

    One that ``is_own`` was written by a person, and nobody knows how long it takes.
    """

    name: str
    pattern: re.Pattern[str]
    swap: Swap
    tools: frozenset[str] = frozenset()
    is_own: bool = False

    def applied(self, text: str, moment: Moment) -> tuple[str, list[str]]:
        """Return the text without it, and what was taken out. Raises TooSlowError."""
        taken: list[str] = []

        def swapped(match: re.Match[str]) -> str:
            put = self.swap(match, moment)
            if put != match[0]:
                taken.append(match[0])
            return put

        with patience(self.pattern.pattern) if self.is_own else nullcontext():
            return self.pattern.sub(swapped, text), taken


def own_rule(name: str, pattern: str, replace: str, tools: frozenset[str] = frozenset()) -> Rule:
    """Make a rule of a person's. Raises re.error, also where ``replace`` names a group that is not there."""
    compiled = re.compile(pattern, re.MULTILINE)
    try:
        compiled.sub(replace, "")
    except IndexError as error:
        raise re.error(str(error), replace) from error
    return Rule(name, compiled, lambda match, _: match.expand(replace), tools, is_own=True)


@lru_cache(maxsize=64)
def _dates_around(year: int, month: int, day: int) -> frozenset[tuple[int | None, int, int]]:
    middle = datetime(year, month, day, tzinfo=UTC)
    days = [middle + timedelta(days=number) for number in range(-_NEAR_DAYS, _NEAR_DAYS + 1)]
    return frozenset((each, day.month, day.day) for day in days for each in (day.year, None))


def _always(put: str) -> Swap:
    return lambda match, moment: match.expand(put)  # noqa: ARG005 - every swap is told the moment


def _date(match: re.Match[str], moment: Moment) -> str:
    near = moment.is_near(int(match["year"]), int(match["month"]), int(match["day"]))
    return "<time>" if near else match[0]


def _named_date(match: re.Match[str], moment: Moment) -> str:
    """Take a date with the month's name; a zone in its middle stays, for a zone that moved is a difference."""
    year = match["year"] or match["year_behind"] or match["year_first"]
    month = _MONTHS.index((match["month"] or match["month_behind"])[:3].lower()) + 1
    near = moment.is_near(int(year) if year else None, month, int(match["day"] or match["day_first"]))
    return f"<time>{match['zone'] or ''}" if near else match[0]


def _epoch(match: re.Match[str], moment: Moment) -> str:
    return "<time>" if moment.is_near_second(float(match[0][:10])) else match[0]


def _time_of_day(match: re.Match[str], moment: Moment) -> str:
    return "<time>" if moment.is_near_time(int(match["minute"]), int(match["second"])) else match[0]


def _port(match: re.Match[str], _: Moment) -> str:
    return f"{match['before']}<port>" if int(match["port"]) >= _FIRST_CHOSEN_PORT else match[0]


def _hexadecimal(match: re.Match[str], _: Moment) -> str:
    has_both = not match[0].isdigit() and any(map(str.isdigit, match[0]))
    return "<id>" if has_both else match[0]


def _host(match: re.Match[str], _: Moment) -> str:
    return "<host>" if any(map(str.isdigit, match[0])) and not match[0].isdigit() else match[0]


def _mixed(match: re.Match[str], _: Moment) -> str:
    return f"{match['start']}<tmp>" if _is_drawn(match["end"]) else match[0]


def _is_drawn(end: str) -> bool:
    """Say whether a name shows by itself that it was drawn by chance: digits or capitals among its letters."""
    return any(map(str.isdigit, end)) or (end != end.lower() and end != end.upper())


def _rule(name: str, pattern: str, swap: Swap | str, flags: int = 0) -> Rule:
    return Rule(name, re.compile(pattern, flags), _always(swap) if isinstance(swap, str) else swap)


_BAR = "|".join(
    (
        r"[━╸╺]{4,}",  # pip
        r"[█▏▎▍▌▋▊▉]{3,}|\d{1,3}%\|",  # tqdm
        r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]",  # npm
        r" eta \d+:\d\d",
        r" \d{1,3}%\s*\[[=>#. -]+\]|\[#{4,}[#. ]*\]",  # wget, apt
    )
)

WHOLE = (
    _rule("terminal codes", r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])", ""),
    _rule("progress bars", r"^[^\n]*\r(?!\n|$)", "", re.MULTILINE),
    _rule("progress bars", rf"^[^\n]*(?:{_BAR})[^\n]*\n?", "", re.MULTILINE),
)
"""Rules that take lines, or what reaches over their ends: they are applied to a whole text."""

OF_TOOLS = (
    Rule(
        "order of files",
        re.compile(r"(?s)\A.+\Z"),
        lambda match, _: "\n".join(sorted(match[0].split("\n"))),
        frozenset({"glob"}),
    ),
)
"""Rules for the results of some tools, over a whole text: ``glob`` lists the newest file first, and which of two is
the newer hangs on a moment."""

_UUID = r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"
_WITH_PREFIX = r"\b(sesn|sevt|toolu|msg|req|call|run|job|task|sess|chatcmpl)([_-])(?=\w*\d)[0-9A-Za-z]{8,}\b"
_TEMPORARY = (
    r"(?P<start>(?:/private)?/(?:var/)?tmp/(?:[\w.+-]+/)*?(?:tmp\.?|[\w.+-]*?[-_.](?=[A-Za-z0-9_]{6,}\b)))"
    r"(?P<end>[A-Za-z0-9_]{6,})"
)

_SANDBOX = r"(?:/[\w.+-]+)+/agentctl-[0-9a-f]{16}"
_PLACES = {"workspace": WORKSPACE, "outputs": OUTPUTS, "uploads": "/mnt/session/uploads", "tmp": "/tmp"}  # noqa: S108
"""Where a sandbox without a container has its files, and where every other has them."""

IDENTIFIERS = (
    *(_rule("sandbox folders", rf"{_SANDBOX}/{name}\b", place) for name, place in _PLACES.items()),
    _rule("sandbox folders", rf"{_SANDBOX}\b", "<sandbox>"),
    _rule("temporary paths", _TEMPORARY, _mixed),
    _rule("temporary paths", r"(/(?:var/)?tmp/tmp)[a-z_]{8}\b", r"\1<tmp>"),
    _rule("temporary paths", r"(/tmp/pytest-of-[\w.-]+/pytest-)\d+", r"\1<tmp>"),
    _rule("temporary paths", r"(/tmp/go-build)\d+", r"\1<tmp>"),
    _rule("temporary paths", r"/var/folders/\w\w/\w+/T/", "/<tmp>/"),
    _rule("ids", _UUID, "<id>"),
    _rule("ids", _WITH_PREFIX, r"\1\2<id>"),
)
"""Rules that are for arguments too: what names a thing that another run has under another name."""

_DATE = r"(?<![\d.])(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d\d?)(?P=mark)(?P<day>\d\d?)(?!\d)"
_COMPACT_DATE = r"(?<!\w)(?P<year>20\d\d)(?P<month>[01]\d)(?P<day>[0-3]\d)(?:[T_-]?\d{4,6})?(?!\w)"
_NAMED_DATE = (
    r"(?:\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? )?"
    rf"(?:\b(?P<month>{_MONTH})\.? {{1,2}}(?P<day>\d\d?)\b,?(?: {{1,2}}(?P<year_first>20\d\d)\b)?"
    rf"|\b(?P<day_first>\d\d?)(?P<gap>[ /-])(?P<month_behind>{_MONTH})(?P=gap)(?P<year>20\d\d)\b)"
    rf"(?:[ :T]{{1,3}}{_TIME}\b)?(?:(?P<zone> [A-Z]{{3,4}})? (?P<year_behind>20\d\d)\b)?"
)
_EPOCH = r"(?<![\w.])1[4-9]\d{8}(?:\d{3}|\d{6}|\d{9})?(?:\.\d+)?(?![\w.])"
_TIME_OF_DAY = r"(?<![\d:.])\d\d?:(?P<minute>[0-5]\d):(?P<second>[0-5]\d)(?:[.,]\d{1,9})?(?![\d:])"

_SHORT_UNIT = r"(?:ms|us|µs|μs|ns|milliseconds|microseconds)"
_SECONDS = r"(?:s|secs?|seconds?)"
_DURATION = rf"(?<![\w.])(?:(?:\d+m ?)?\d+\.\d+ ?{_SECONDS}|\d+(?:\.\d+)? ?{_SHORT_UNIT})\b"
_SAID_DURATION = (
    r"(?i)\b(in|took|after|elapsed|real|user|sys|total time|time taken|duration)([:= \t]+)"
    rf"(?:\d+m ?)?\d+(?:\.\d+)? ?{_SECONDS}\b"
)
_BARE_DURATION = r"(?i)\b(elapsed|took|duration|seconds|wall(?:[_ ]time)?)([\"']?[:=] ?)\d+\.\d+\b"

_PORT = r"(?i)(?P<before>(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]|\bport[s\"']?)[ =:]{1,3})(?P<port>\d{5})\b"
_NO_SUM = r"(?<!sha1[:=-])(?<!md5[:=-])(?<!sha256[:=-])(?<!sha384[:=-])(?<!sha512[:=-])(?![0-9a-fA-F]{32,128} [ *]\S)"
_HEXADECIMAL = rf"(?<!\w){_NO_SUM}(?:[0-9a-f]{{7,128}}|[0-9A-F]{{8,128}})(?!\w)"

_DRAWN_LETTERS = 8
"""What ``tempfile`` of Python draws, from small letters, digits and ``_``: one name in seventeen has letters alone."""

_FEW_VOWELS = 2


def rule_of_meeting(one: str, other: str) -> Rule | None:
    """Return a rule for temporary names that show only side by side that they were drawn by chance.

    Two paths that stand for each other and differ in nothing but an end of the same length are of one draw.
    Where one of the ends shows by itself that it was drawn, the other was; two that do not are taken for drawn
    where they have no more in common than chance gives, and one of them is no word.
    """
    pattern = re.compile(_TEMPORARY)
    ones, others = list(pattern.finditer(one)), list(pattern.finditer(other))
    if len(ones) != len(others):
        return None
    paths = {
        each[0]: f"{each['start']}<tmp>"
        for pair in zip(ones, others, strict=True)
        if pair[0]["start"] == pair[1]["start"] and _are_drawn(pair[0]["end"], pair[1]["end"])
        for each in pair
    }
    if not paths:
        return None
    return Rule(
        "temporary paths",
        re.compile("|".join(rf"{re.escape(path)}\b" for path in paths)),
        lambda match, _: paths[match[0]],
    )


def _are_drawn(one: str, other: str) -> bool:
    if one == other or len(one) != len(other):
        return False
    if _is_drawn(one) or _is_drawn(other):
        return True
    in_common = sum(mine == its for mine, its in zip(one, other, strict=True))
    vowels = min(sum(letter in "aeiou" for letter in end) for end in (one, other))
    return len(one) == _DRAWN_LETTERS and in_common <= 1 and vowels <= _FEW_VOWELS


LINES = (
    _rule("dates and times", rf"{_DATE}(?:[T ,_]{{1,2}}{_TIME})?", _date),
    _rule("dates and times", _COMPACT_DATE, _date),
    _rule("dates and times", _NAMED_DATE, _named_date),
    _rule("dates and times", _EPOCH, _epoch),
    _rule("dates and times", _TIME_OF_DAY, _time_of_day),
    _rule("pytest timing", r"^=+ ((?:\d+ \w+(?:, )?)+ in) .*$", r"\1 <duration>", re.MULTILINE),
    _rule("durations", r"\b\d+ (?:second|minute|hour|day|week|month)s? ago\b", "<age>"),
    _rule("durations", _DURATION, "<duration>"),
    _rule("durations", _SAID_DURATION, r"\1\2<duration>"),
    _rule("durations", _BARE_DURATION, r"\1\2<duration>"),
    _rule("transfer rates", r"\(?\b\d+(?:[.,]\d+)* ?[kKMG]?i?[Bb](?:yte)?s?/s(?:ec)?\b\)?", "<rate>"),
    _rule("process ids", r"(?i)\b(p?pid[\"']?[ \t]*[=:#]?[ \t]*|process[ =:#]+)\d+\b", r"\1<pid>"),
    _rule("process ids", r"^(\[\d+\][ +-]*)\d{2,}\b", r"\1<pid>", re.MULTILINE),
    _rule("process ids", r"(\w)\[\d{2,}\](?=:| )", r"\1[<pid>]"),
    _rule("process ids", r"==\d+==", "==<pid>=="),
    _rule("process ids", r"/proc/\d+", "/proc/<pid>"),
    _rule("ports", _PORT, _port),
    _rule("memory addresses", r"\b0x[0-9a-fA-F]{6,16}\b", "<address>"),
    _rule("inodes", r"(?i)\b(inode: ?|device: ?)[\w,/]+", r"\1<number>"),
    _rule("container names", r"(?<![\w.:/-])[0-9a-f]{12}(?![\w.-])", _host),
    _rule("ids", _HEXADECIMAL, _hexadecimal),
)
"""Rules that keep within a line."""

BUILT_IN: tuple[Rule, ...] = (*OF_TOOLS, *WHOLE, *IDENTIFIERS, *LINES)
"""All that is taken out without being asked, in this order."""

BUILT_IN_NAMES = tuple(dict.fromkeys(rule.name for rule in BUILT_IN))
