"""One session on one screen."""

from collections.abc import Sequence
from datetime import datetime

from agentctl.canonical import JsonObject
from agentctl.render.facts import Known, facts_told
from agentctl.render.files import files_counted
from agentctl.render.layout import Layout, stopped
from agentctl.render.lines import EMPTY, Line, Span, clip, fit, plain, shown, shown_lines, width
from agentctl.render.listing import table
from agentctl.render.look import Look
from agentctl.render.numbers import duration, many
from agentctl.render.spent import models_body, time_body, time_line
from agentctl.render.verification import aspects_body
from agentctl.session.completeness import Aspect
from agentctl.session.glance import Glance
from agentctl.session.summary import ToolSum

_MESSAGE_LINES = 6
_LEAST_MESSAGE_LINES = 2
_MOST_TOOLS, _LEAST_TOOLS = 5, 1
_ORDINARY_ROWS = 24
_ROWS_AROUND = 3
"""The blank line before the last message, what marks that some of it is left out, and the shell's prompt."""
_LEAST_ERROR_LINES = 3
_HERE = "agentctl show"
_SEE = {"files": "see: agentctl files"}
"""What shows more of a fact; the session is named with it where there is room."""
_STYLES = {"running": "accent", "rescheduling": "accent", "interrupted": "warning", "terminated": "bad"}


class Overview:
    """Puts a session into the lines of one screen. ``aspects`` say what its record has and lacks."""

    def __init__(self, glance: Glance, known: Known, aspects: Sequence[Aspect], now: datetime, look: Look) -> None:
        self._glance = glance
        self._summary = glance.summary
        self._known = known
        self._aspects = aspects
        self._now = now
        self._look = look
        self._layout = Layout(look)

    def lines(self) -> list[Line]:
        """Return the whole page. What is least needed gives way until it fits on the screen: tools, then the message.

        The message gets the lines that the rest leaves.
        """
        above, below = [self._head(), self._facts()], self._waiting()
        least = self._look.rows - _ROWS_AROUND - _LEAST_MESSAGE_LINES
        tools = _MOST_TOOLS + max(0, self._look.rows - _ORDINARY_ROWS)
        page = _spaced([*above, self._tools(tools), below])
        while len(page) > least and tools > _LEAST_TOOLS:
            tools -= 1
            page = _spaced([*above, self._tools(tools), below])
        room = self._look.rows - len(page) - _ROWS_AROUND
        if room < _LEAST_MESSAGE_LINES and self._summary.result.body()["error"]:
            return page  # what went wrong matters more
        message = self._last_message(min(_MESSAGE_LINES, max(_LEAST_MESSAGE_LINES, room)))
        return [*page, EMPTY, *message] if message else page

    def _head(self) -> list[Line]:
        created = self._summary.created
        if created is None:
            return []
        names = [shown(name, self._look) for name in (created.session_id, created.title) if name]
        heads = [plain(fit(name, self._columns, self._more), "bold") for name in names]
        closing = self._layout.closing(*self._state(), self._summary.result, tokens=False)
        spent = time_line(self._glance.timing.seconds, self._look, self._columns)
        bar = [clip(row, self._columns, self._more) for row in spent]
        return [*heads, *closing, *bar, *self._error()]

    def _state(self) -> tuple[str, str]:
        result = self._summary.result
        if self._known.status != "idle":
            return self._known.status, _STYLES.get(self._known.status, "")
        if result.stop_reason is None:
            return "not begun", "dim"
        word, style = stopped(result.stop_reason)
        return shown(f"{word} ({result.stop_reason.get('type')}, exit {result.exit_code})", self._look), style

    def _error(self) -> list[Line]:
        error = self._summary.result.body()["error"]
        if error is None:
            return []
        told = self._rows_of(str(error["message"]))
        most = max(_LEAST_ERROR_LINES, self._look.rows // 8) if self._look.wraps else len(told)
        if len(told) > most + 1:
            told = [*told[:most], f"{self._more} {many(len(told) - most, 'more line')}: agentctl replay"]
        hint = str(error["hint"] or "")
        hints = self._rows_of(hint) if hint and _HERE not in hint else []
        return [*(plain("  " + row, "bad") for row in told), *(plain("  " + row, "dim") for row in hints)]

    def _rows_of(self, text: str) -> list[str]:
        return [row for line in shown_lines(text, self._look) for row in self._layout.rows(line)]

    def _facts(self) -> list[Line]:
        facts = facts_told(self._glance, self._known, self._aspects, self._now)
        return [self._fact(name, parts, _SEE.get(name)) for name, parts in facts]

    def _fact(self, name: str, parts: Sequence[str], see: str | None) -> Line:
        dot = f" {self._look.symbols.dot} "
        head, text = Span(f"  {name:<12}", "dim"), dot.join(shown(part, self._look) for part in parts)
        for hint in (f"{dot}{see} {self._summary.result.session_id}", f"{dot}{see}") if see else ():
            if width(line := [head, Span(text + shown(hint, self._look))]) <= self._columns:
                return line
        return clip([head, Span(text)], self._columns, self._more)

    def _tools(self, most: int) -> list[Line]:
        tools = sorted(self._summary.tools.items(), key=lambda item: -item[1].calls)
        shown_tools = tools if len(tools) <= most + 1 else tools[:most]
        rows = [self._tool(name, tool) for name, tool in shown_tools]
        more = many(len(tools) - len(rows), "more tool")
        left = [plain(f"  {self._more} {more}", "dim")] if len(tools) > len(rows) else []
        return [*table([], rows, self._look, (1, 3)), *left] if rows else []

    def _tool(self, name: str, tool: ToolSum) -> list[Span]:
        return [
            Span(f"  {fit(shown(name, self._look), 24, self._more)}"),
            Span(many(tool.calls, "call")),
            Span(f"{tool.failed:,} failed" if tool.failed else "", "bad"),
            Span(duration(tool.seconds) if tool.seconds else ""),
            Span(""),
        ]

    def _waiting(self) -> list[Line]:
        waiting = [line for call in self._summary.waiting for line in self._layout.waiting(call)]
        if self._summary.created is not None and self._summary.created.imported is not None:
            return waiting  # nobody can go on with it
        steps = self._layout.next_steps(self._summary.result, self._known.status, self._summary.waiting)
        return [*waiting, *steps]

    def _last_message(self, most: int) -> list[Line]:
        text = self._summary.result.text
        if not text.strip():
            return []
        rows = self._rows_of(text)
        left = len(rows) - most
        if left <= 1:
            return self._layout.prose(text, "")
        more = plain(f"  {self._more} {many(left, 'more line')}", "dim")
        return [*(plain("  " + row) for row in rows[:most]), more]

    @property
    def _columns(self) -> int:
        return self._layout.columns

    @property
    def _more(self) -> str:
        return self._look.symbols.ellipsis


def _spaced(parts: Sequence[Sequence[Line]]) -> list[Line]:
    """Put parts below each other, with a blank line between."""
    page: list[Line] = []
    for part in filter(None, parts):
        page += [EMPTY, *part] if page else part
    return page


def show_body(glance: Glance, result: JsonObject, known: Known, aspects: Sequence[Aspect]) -> JsonObject:
    """Write the object ``agentctl.show/1``."""
    summary, hosted_cost = glance.summary, known.hosted_cost
    created, fork = summary.created, summary.fork
    usage = summary.result.used
    return {
        "type": "session",
        "schema": "agentctl.show/1",
        "session_id": summary.result.session_id,
        "status": result["status"],
        "title": created and created.title,
        "agent": created and {"name": created.agent.get("name"), "hash": created.agent_hash},
        "environment": created and {"name": created.environment.get("name"), "hash": created.environment_hash},
        "model": {"asked": created and created.model, "answering": summary.answered_by},
        "sandbox": summary.sandbox,
        "limits": glance.limits,
        "agentctl_version": created and created.agentctl_version,
        "created_at": created and created.processed_at,
        "updated_at": summary.result.updated_at,
        "events": summary.result.events,
        "requests": usage.requests,
        "tool_calls": usage.tool_calls,
        "failed_tool_calls": summary.failed_calls,
        "tools": [
            {"name": name, "calls": tool.calls, "failed": tool.failed, "seconds": round(tool.seconds, 3)}
            for name, tool in summary.tools.items()
        ],
        "hosted_cost": None if hosted_cost is None else {"amount": f"{hosted_cost:f}", "currency": "USD"},
        "unsettled": {"amount": f"{usage.unsettled.normalize():f}", "currency": "USD"},
        "prices": created and created.prices,
        "forked_from": {"session_id": fork.parent, "at": fork.at, "at_hash": fork.at_hash} if fork else None,
        "rerun_of": created and created.rerun_of,
        "forks": list(known.forks),
        "time": time_body(glance.timing.seconds),
        "models": models_body(glance.models),
        "checkpoints": {
            "count": glance.checkpoints.count,
            "size": glance.checkpoints.size,
            "keep_until": glance.checkpoints.keep_until or None,
            "failed": glance.checkpoints.failed,
            "reason": glance.checkpoints.reason,
        },
        "complete": aspects_body(aspects),
        "cache_share": None if summary.cache_share is None else round(summary.cache_share, 4),
        "waiting": [{"tool_use_id": call.id, "name": call.name, "input": call.input} for call in summary.waiting],
        "network": summary.network.body(),
        "files": files_counted(summary.files),
        "outputs": summary.outputs,
        "result": result,
    }
