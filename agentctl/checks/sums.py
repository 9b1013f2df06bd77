"""Checks of what a session came to: its end, what it said and made, what it used."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from agentctl.checks.base import PASS, Verdict
from agentctl.checks.definition import Limits, Text
from agentctl.checks.patterns import fits
from agentctl.events.agent import AgentMessage
from agentctl.events.base import UnknownEvent
from agentctl.events.content import text_of
from agentctl.events.local import LocalOutputs, LocalSessionCreated
from agentctl.patience import patience
from agentctl.session.log import Record
from agentctl.session.result import Result
from agentctl.session.summary import Summary


class Sums:
    """What the checks of one session count together, and each event once: to be told each before they are.

    ``status`` is what those know who see more than the record does: that the process that ran the session is gone.
    """

    def __init__(self) -> None:
        self.summary = Summary()
        self.status: str | None = None

    def add(self, record: Record) -> None:
        """Take one more event."""
        self.summary.add(record.event)

    @property
    def result(self) -> Result:
        """What the session has come to."""
        return self.summary.result

    @property
    def says_less(self) -> str | None:
        """The program whose transcript it is, where that may say less than was used; None for any other session."""
        imported = (self.summary.created and self.summary.created.imported) or {}
        return str(imported.get("format")) if imported.get("says_less") else None


_SPENT = ("cost", "input_tokens", "output_tokens")
"""Limits on what a transcript may say less of than there was."""


class Limit(NamedTuple):
    """A limit: its name, what may be, and what is; None where that is not known."""

    name: str
    most: Decimal
    used: Callable[[Sums], Decimal | float | None]


class WithinLimit:
    """A sum that may not be larger."""

    def __init__(self, limit: Limit, sums: Sums) -> None:
        self.name = f"limits.{limit.name}: {limit.most.normalize():f}"
        self._limit, self._sums = limit, sums
        self._first: int | None = None

    def add(self, record: Record) -> None:
        """Take one more event."""
        used = self._limit.used(self._sums)
        if used is None or used <= self._limit.most:
            self._first = None
        elif self._first is None:
            self._first = record.seq

    def verdict(self) -> Verdict:
        """Say whether it is."""
        used = self._limit.used(self._sums)
        if used is None:
            return Verdict("unknown", "a model without a price answered")
        told = _told(Decimal(str(used)))
        if self._first is not None:
            return Verdict("fail", f"it is {told}", self._first)
        if self._limit.name in _SPENT and (form := self._sums.says_less) is not None:
            return Verdict("unknown", f"it is {told} or more: this transcript of {form} does not say all that was used")
        return Verdict("pass", told)


def _told(used: Decimal) -> str:
    text = f"{used:.6f}"  # not round(), which cannot where there are more digits than the context has
    return text.rstrip("0").rstrip(".") if "." in text else text


def limits_of(limits: Limits, sums: Sums) -> list[WithinLimit]:
    """Return a check for each limit that is set."""
    used: dict[str, Callable[[Sums], Decimal | float | None]] = {
        "cost": lambda sums: sums.result.usage.cost,
        "turns": lambda sums: sums.result.usage.requests,
        "calls": lambda sums: sums.result.usage.tool_calls,
        "failed_calls": lambda sums: sums.summary.failed_calls,
        "seconds": lambda sums: sums.result.used.active_seconds,
        "input_tokens": _tokens_in,
        "output_tokens": lambda sums: sums.result.usage.output_tokens,
    }
    set_ = {name: getattr(limits, name) for name in used if getattr(limits, name) is not None}
    return [WithinLimit(Limit(name, Decimal(str(most)), used[name]), sums) for name, most in set_.items()]


class Ends:
    """The status or the reason that a session must end with."""

    def __init__(self, what: str, wanted: str, found: Callable[[Sums], str | None], sums: Sums) -> None:
        self.name = f"{what}: {wanted}"
        self._wanted, self._found, self._sums = wanted, found, sums
        self._was: str | None = None
        self._since: int | None = None

    def add(self, record: Record) -> None:
        """Take one more event."""
        now = self._found(self._sums)
        if now != self._was or self._since is None:
            self._was, self._since = now, record.seq

    def verdict(self) -> Verdict:
        """Say what it is."""
        now = self._found(self._sums)
        if now == self._wanted:
            return Verdict("pass", "", self._since)
        return Verdict("fail", f"it is {now or 'none'}", self._since)


def ends_with_status(status: str, sums: Sums) -> Ends:
    """Check the status in the end."""
    return Ends("status", status, lambda sums: sums.status or sums.result.status, sums)


def ends_because(reason: str, sums: Sums) -> Ends:
    """Check the reason for coming to rest."""
    return Ends("stop_reason", reason, lambda sums: (sums.result.stop_reason or {}).get("type"), sums)


class Says:
    """What the agent must have said, in its last message or in any, or must not have."""

    def __init__(self, number: int, text: Text) -> None:
        kind = "contains" if text.contains else "lacks" if text.lacks else "matches"
        self.name = f"text[{number}]: {text.where} {kind} {text.contains or text.lacks or text.matches}"
        self._text = text
        self._pattern = re.compile(text.matches or re.escape(text.contains or text.lacks or ""))
        self._wanted = text.lacks is None
        self._last: tuple[int, bool] | None = None
        self._first_found: int | None = None

    def add(self, record: Record) -> None:
        """Take one more event. Raises TooSlowError."""
        if not isinstance(record.event, AgentMessage):
            return
        with patience(self._pattern.pattern):
            found = self._pattern.search(text_of(record.event.content)) is not None
        self._last = (record.seq, found)
        if found and self._first_found is None:
            self._first_found = record.seq

    def verdict(self) -> Verdict:
        """Say whether it was said."""
        if self._last is None:
            return Verdict("fail", "the agent said nothing") if self._wanted else PASS
        seq, found = self._last
        if self._text.where == "any":
            seq, found = self._first_found or seq, self._first_found is not None
        if found == self._wanted:
            return Verdict("pass", "", seq if found else None)
        return Verdict("fail", "it was not said" if self._wanted else "it was said", seq)


class Makes:
    """Output files that there must be."""

    def __init__(self, number: int, pattern: str) -> None:
        self.name = f"outputs[{number}]: {pattern}"
        self._pattern = pattern
        self._seen: tuple[int, bool] | None = None
        self._lack: str | None = None

    def add(self, record: Record) -> None:
        """Take one more event."""
        match record.event:
            case LocalSessionCreated(imported=dict(imported)):
                self._lack = f"a transcript of {imported.get('format')} does not have output files"
            case LocalOutputs() as event:
                found = any(fits(self._pattern, str(file.get("path"))) for file in event.files)
                self._seen = (record.seq, found)
                self._lack = event.cut and f"not all files are listed: {event.cut}"

    def verdict(self) -> Verdict:
        """Say whether there is one."""
        if self._seen is not None and self._seen[1]:
            return Verdict("pass", "", self._seen[0])
        if self._lack is not None:
            return Verdict("unknown", self._lack)
        return Verdict("fail", "there is no such file", self._seen and self._seen[0])


class Outcome:
    """What the outcome of the session must have been judged."""

    def __init__(self, wanted: str) -> None:
        self.name = f"outcome: {wanted}"
        self._wanted = wanted
        self._found: tuple[int, str] | None = None

    def add(self, record: Record) -> None:
        """Take one more event."""
        match record.event:
            case UnknownEvent(body={"type": "span.outcome_evaluation_end", "result": str(result)}):
                self._found = (record.seq, result)

    def verdict(self) -> Verdict:
        """Say what it was."""
        if self._found is None:
            return Verdict("unknown", "the record has no evaluation of an outcome")
        seq, result = self._found
        if result == self._wanted:
            return Verdict("pass", "", seq)
        return Verdict("fail", f"it was judged {result}", seq)


def _tokens_in(sums: Sums) -> float:
    usage = sums.result.usage
    return usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens
