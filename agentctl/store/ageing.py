"""Which sessions are to go: by age, by number, by what all of them take."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from agentctl.ids import time_of, timestamp
from agentctl.paths import Home
from agentctl.store.baselines import list_baselines
from agentctl.store.leases import is_running
from agentctl.store.lineage import has_forks
from agentctl.store.weights import Weights


@dataclass(frozen=True, slots=True)
class Aged:
    """A session, and when it or one that has its past from it was last at work (RFC 3339).

    ``stays`` says that it is not to go: it runs, it is a baseline, or one that stays has its past from it.
    """

    key: int
    session_id: str
    parent: int | None
    updated_at: str
    stays: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """Those that were at work before ``before`` go, and the oldest until all take no more than ``most_bytes``.

    Where neither is given all go; but never one of the ``keep`` newest.
    """

    before: str | None = None
    keep: int = 0
    most_bytes: int | None = None


def aged_sessions(home: Home, connection: sqlite3.Connection) -> list[Aged]:
    """Return all sessions, the oldest first, forks before what they were forked from."""
    named = {each.session_id for each in list_baselines(connection)}
    # No parent is younger than its fork: where one is, somebody has changed the row.
    parent = "CASE WHEN parent < key THEN parent END" if has_forks(connection) else "NULL"
    rows = connection.execute(f"SELECT key, id, {parent}, updated_at FROM sessions ORDER BY key DESC").fetchall()
    return _in_order(
        Aged(key, name, above, _in_one_form(time), stays=name in named or is_running(home, name))
        for key, name, above, time in rows
    )


def choose(sessions: Sequence[Aged], rules: Rules, weights: Weights | None = None) -> list[Aged]:
    """Return those of ``aged_sessions`` that are to go, in their order. ``weights`` are spent where size counts."""
    kept = {each.key for each in sessions[max(0, len(sessions) - rules.keep) :]}
    sessions = _in_order(replace(each, stays=each.stays or each.key in kept) for each in reversed(sessions))
    is_for_all = rules.before is None and rules.most_bytes is None
    total = weights.total if weights else 0
    chosen = []
    for each in sessions:
        is_old = is_for_all or (rules.before is not None and each.updated_at < rules.before)
        is_too_much = rules.most_bytes is not None and total > rules.most_bytes
        if not each.stays and (is_old or is_too_much):
            chosen.append(each)
            total -= weights.without(each.key) if weights else 0
    return chosen


def _in_order(sessions: Iterator[Aged]) -> list[Aged]:
    """Let what holds for a fork hold for what it has its past from, then sort."""
    found = {each.key: each for each in sorted(sessions, key=lambda each: each.key, reverse=True)}
    for key in list(found):  # a fork is younger than its parent, and so comes first
        each = found[key]
        if each.parent is not None and each.parent in found:
            parent = found[each.parent]
            found[parent.key] = replace(
                parent,
                updated_at=max(parent.updated_at, each.updated_at),
                stays=parent.stays or each.stays,
            )
    # Where times are the same, as those of transcripts, the family that was stored last is the youngest.
    return sorted(found.values(), key=lambda each: (each.updated_at, _eldest(each, found), -each.key))


def _eldest(each: Aged, found: Mapping[int, Aged]) -> int:
    while each.parent is not None and each.parent in found:
        each = found[each.parent]
    return each.key


def _in_one_form(time: str) -> str:
    """Write a time so that texts sort as times do; sessions that were imported have theirs in other forms."""
    moment = time_of(time)
    return time if moment is None else timestamp(moment)
