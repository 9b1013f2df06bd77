"""One session on one screen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from agentctl.canonical import JsonObject
from agentctl.events.local import LocalSessionCreated
from agentctl.ids import time_of
from agentctl.render.files import counts_text, files_counted
from agentctl.render.layout import STOPPED, Layout, tokens_in
from agentctl.render.lines import EMPTY, Line, Span, clip, fit, plain, shown, shown_lines
from agentctl.render.listing import table
from agentctl.render.look import Look
from agentctl.render.numbers import age, count, duration, many, money, size, whole
from agentctl.render.spent import (
    checkpoints_told,
    limits_told,
    missing_told,
    models_body,
    models_told,
    time_body,
    time_line,
)
from agentctl.render.verification import aspects_body
from agentctl.session.completeness import Aspect
from agentctl.session.effects import WORKSPACE
from agentctl.session.glance import Glance
from agentctl.session.summary import ToolSum

_MESSAGE_LINES = 6
_LEAST_MESSAGE_LINES = 2
_MOST_TOOLS = 5
_MOST_FORKS = 3
_MOST_FILES = 6
_MOST_HOSTS = 4
_HASH_CHARACTERS = 12
_STYLES = {"running": "accent", "rescheduling": "accent", "interrupted": "warning", "terminated": "bad"}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a session beside its own record.

    ``status`` is what it does now; ``hosted_cost`` what it would have cost on the hosted service, in US
    dollars, None where that is not known; ``forks`` are the sessions that were forked from it.
    """

    status: str
    hosted_cost: Decimal | None = None
    forks: Sequence[str] = ()


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
        """Return the whole page; the last message gets the lines that the rest leaves of the screen."""
        page: list[Line] = []
        for part in filter(None, [self._head(), self._facts(), self._tools(), self._waiting()]):
            page += [EMPTY, *part] if page else part
        room = self._look.rows - len(page) - 3  # the blank line, the mark of what is left out, the shell's prompt
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
        kind = shown(result.stop_reason.get("type"), self._look)
        word, style = STOPPED.get(kind, (kind, "warning"))
        return f"{word} ({kind}, exit {result.exit_code})", style

    def _error(self) -> list[Line]:
        error = self._summary.result.body()["error"]
        if error is None:
            return []
        rows = [
            (row, style)
            for text, style in ((error["message"], "bad"), (error["hint"], "dim"))
            for line in (shown_lines(str(text), self._look) if text else [])
            for row in self._layout.rows(line)
        ]
        return [plain("  " + row, style) for row, style in rows]

    def _facts(self) -> list[Line]:
        created, summary = self._summary.created, self._summary
        if created is None:
            return []
        sandbox, usage = summary.sandbox, summary.result.used
        read = tokens_in(usage)
        cached = f" ({summary.cache_share:.0%} from the cache)" if summary.cache_share is not None else ""
        facts: list[tuple[str, Iterable[object]]] = [
            ("agent", (created.agent.get("name"), _short(created.agent_hash))),
            ("environment", (created.environment.get("name"), _short(created.environment_hash))),
            ("model", (created.model, _answering(created.model, summary.answered_by))),
            ("sandbox", (_kind(sandbox), sandbox.get("image"), _short(sandbox.get("image_digest")))),
            ("family", self._family()),
            ("created", self._created(created)),
            ("tokens", (f"{count(read)} in{cached}", f"{count(usage.output_tokens)} out")),
            ("cost", self._cost()),
            ("limits", limits_told(self._glance.limits, usage)),
            ("files", self._changed()),
            ("network", self._network()),
            ("outputs", self._files()),
            ("kept", checkpoints_told(self._glance)),
            ("missing", missing_told(self._aspects)),
        ]
        rows = [(name, [str(part) for part in parts if part]) for name, parts in facts]
        return [self._fact(name, parts) for name, parts in rows if parts]

    def _created(self, created: LocalSessionCreated) -> list[str]:
        told = [_when(created.processed_at, self._now), many(self._summary.result.events, "event")]
        return [*told, f"by agentctl {created.agentctl_version}"]

    def _family(self) -> list[str]:
        fork, again = self._summary.fork, (self._summary.created and self._summary.created.rerun_of) or {}
        parts = [f"from #{fork.at} of {fork.parent}"] if fork else []
        forks = ", ".join(self._known.forks[:_MOST_FORKS]) + (", …" if len(self._known.forks) > _MOST_FORKS else "")
        own = [f"{many(len(self._known.forks), 'fork')}: {forks}"] if forks else []
        return [*parts, *([f"a rerun of {again.get('session_id')}"] if again else []), *own]

    def _cost(self) -> list[str]:
        usage, hosted = self._summary.result.used, self._known.hosted_cost
        if not usage.spent or hosted is None:
            return []  # a script costs nothing anywhere
        own = "at prices of your own" if usage.prices else ""
        kept = f"{money(usage.unsettled)} of it for answers that never came" if usage.unsettled else ""
        return [
            money(usage.cost),
            own,
            kept,
            f"on the hosted service {money(hosted)}",
            *models_told(self._glance.models),
        ]

    def _fact(self, name: str, parts: Sequence[str]) -> Line:
        text = f" {self._look.symbols.dot} ".join(shown(part, self._look) for part in parts)
        return clip([Span(f"  {name:<12}", "dim"), Span(text)], self._columns, self._more)

    def _changed(self) -> list[str]:
        counts = self._summary.files.counts(WORKSPACE)
        return [counts_text(counts), "see: agentctl files"] if counts else []

    def _files(self) -> list[str]:
        files = self._summary.outputs
        names = [f"{file.get('path')} {size(whole(file.get('size')))}" for file in files[:_MOST_FILES]]
        return [*names, f"{len(files) - _MOST_FILES} more"] if len(files) > _MOST_FILES else names

    def _network(self) -> list[str]:
        network = self._summary.network
        total = network.total()
        reached = {host for host, found in network.hosts.items() if found.allowed}
        reached |= {(begun.host, begun.port) for begun in network.unfinished}
        refused = [f"{host}:{port}" if port else host for (host, port), found in network.hosts.items() if found.refused]
        parts = []
        if total.allowed:
            parts.append(f"{many(total.allowed, 'connection')} to {many(len(reached), 'host')}")
            parts.append(f"{size(total.bytes_sent)} sent, {size(total.bytes_received)} received")
        if refused:
            more = f" and {len(refused) - _MOST_HOSTS:,} more" if len(refused) > _MOST_HOSTS else ""
            parts.append(f"{total.refused:,} refused: {', '.join(refused[:_MOST_HOSTS])}{more}")
        return parts

    def _tools(self) -> list[Line]:
        tools = sorted(self._summary.tools.items(), key=lambda item: -item[1].calls)
        shown_tools = tools if len(tools) <= _MOST_TOOLS + 1 else tools[:_MOST_TOOLS]
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
        steps = self._layout.next_steps(self._summary.result, self._known.status, self._summary.waiting)
        return [*waiting, *steps]

    def _last_message(self, most: int) -> list[Line]:
        text = self._summary.result.text
        if not text.strip():
            return []
        rows = [row for line in shown_lines(text, self._look) for row in self._layout.rows(line)]
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
        },
        "complete": aspects_body(aspects),
        "cache_share": None if summary.cache_share is None else round(summary.cache_share, 4),
        "waiting": [{"tool_use_id": call.id, "name": call.name, "input": call.input} for call in summary.waiting],
        "network": summary.network.body(),
        "files": files_counted(summary.files),
        "outputs": summary.outputs,
        "result": result,
    }


def _short(name: object) -> str:
    """Shorten ``sha256:<64 digits>``, wherever in a name it stands."""
    text = str(name or "")
    start, mark, digits = text.rpartition("sha256:")
    return f"{start}{mark}{digits[:_HASH_CHARACTERS]}" if mark else text


def _answering(asked: str, models: Sequence[str]) -> str:
    others = [model for model in models if model != asked]
    return f"answered as {', '.join(others)}" if others else ""


def _kind(sandbox: JsonObject) -> str:
    kind = str(sandbox.get("kind", ""))
    if kind == "none":
        return "none: NO ISOLATION"
    return f"{kind}, root inside" if sandbox.get("user") == "root" else kind


def _when(text: str | None, now: datetime) -> str:
    time = time_of(text)
    return "" if time is None else f"{time:%Y-%m-%d %H:%M:%S} UTC, {age(time, now)} ago".replace("now ago", "now")
