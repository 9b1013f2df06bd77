"""All checks of a file over one session, each event told once."""

from collections.abc import Iterable
from dataclasses import dataclass

from agentctl.checks.base import Check, Verdict
from agentctl.checks.calls import MustCall, MustNotCall, Order
from agentctl.checks.definition import Checks
from agentctl.checks.reach import Hosts, Paths
from agentctl.checks.secrets import NoSecrets
from agentctl.checks.sums import Makes, Outcome, Says, Sums, ends_because, ends_with_status, limits_of
from agentctl.redaction import Redactor
from agentctl.session.log import Record


@dataclass(frozen=True, slots=True)
class Checked:
    """A check and how it stands in the end.

    ``since`` is the first event after which it fails and never passes again, None where it does not fail.
    ``passed_once`` says whether it ever passed before.
    """

    name: str
    verdict: Verdict
    since: int | None = None
    passed_once: bool = False


class Checking:
    """A fold over a log that holds it against a file of checks."""

    def __init__(self, checks: Checks, redactor: Redactor) -> None:
        self._sums = Sums()
        self._checks = checks_of(checks, self._sums, redactor)

    def add(self, record: Record) -> None:
        """Take one more event."""
        self._sums.add(record)
        for check in self._checks:
            check.add(record)

    def end(self, status: str) -> None:
        """Say what the session's status is, behind its last event: a record cannot say that its process is gone."""
        self._sums.status = status

    def verdicts(self) -> list[Checked]:
        """Say how each check stands."""
        return [Checked(check.name, check.verdict()) for check in self._checks]


def bisected(
    checks: Checks, redactor: Redactor, records: Iterable[Record], *, status: str | None = None
) -> list[Checked]:
    """Find for each check the first event after which it fails for good: every beginning is folded, each event once.

    ``status`` is the session's, where it is known better than the record knows it.
    """
    checking = Checking(checks, redactor)
    since: list[int | None] = []
    passed: list[bool] = []
    for record in records:
        checking.add(record)
        stands = [each.verdict.status for each in checking.verdicts()]
        since = since or [None] * len(stands)
        passed = passed or [False] * len(stands)
        for place, stand in enumerate(stands):
            passed[place] = passed[place] or stand == "pass"
            if stand != "fail":
                since[place] = None
            elif since[place] is None:
                since[place] = record.seq
    if status is not None:
        checking.end(status)
    ends = checking.verdicts()
    since, passed = since or [None] * len(ends), passed or [False] * len(ends)
    return [
        Checked(each.name, each.verdict, first if each.verdict.status == "fail" else None, once)
        for each, first, once in zip(ends, since, passed, strict=True)
    ]


def checks_of(checks: Checks, sums: Sums, redactor: Redactor) -> list[Check]:
    """Make the checks of a file, in its order of kinds."""
    made: list[Check] = [MustCall(number, call) for number, call in enumerate(checks.must_call)]
    made += [MustNotCall(number, call) for number, call in enumerate(checks.must_not_call)]
    made += [Order(checks.order)] if checks.order else []
    made += [Paths(checks.paths)] if checks.paths else []
    made += [Hosts(checks.hosts)] if checks.hosts else []
    made += limits_of(checks.limits, sums) if checks.limits else []
    made += [ends_with_status(checks.status, sums)] if checks.status else []
    made += [ends_because(checks.stop_reason, sums)] if checks.stop_reason else []
    made += [Outcome(checks.outcome)] if checks.outcome else []
    made += [Says(number, text) for number, text in enumerate(checks.text)]
    made += [Makes(number, pattern) for number, pattern in enumerate(checks.outputs)]
    made += [NoSecrets(redactor)] if checks.no_secrets else []
    return made
