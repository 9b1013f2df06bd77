"""What there is to tell, put into lines.

Marks in the first columns (``›``, ``●``, ``─``) are ours alone: text of people, models and tools is
set further in, behind a bar where it is a tool's, so that none of it can pass for something else.
"""

from collections.abc import Sequence

from agentctl.canonical import JsonObject
from agentctl.events.local import LocalSessionCreated
from agentctl.render.calls import asked, change, failed, went, whole_input
from agentctl.render.lines import Line, Span, cells, clip, fit, fit_tail, plain, shown, shown_lines, width, wrap
from agentctl.render.numbers import count, duration, many, money, size, whole
from agentctl.render.rows import GUTTER, MARGIN, Rows, head_of
from agentctl.render.story import (
    CallAnswered,
    CallBegan,
    CallEnded,
    Cut,
    FilesChanged,
    Item,
    Opened,
    Remark,
    Rested,
    Said,
    Thought,
)
from agentctl.session.result import Result
from agentctl.session.state import OpenCall
from agentctl.session.usage import Usage

_SCRIPT = "script:"
_HEAD_LINES = 4
_TAIL_LINES = 3
_MESSAGE_LINES = 12
_CHANGE_LINES = 3
_MOST_FILES = 6
_WIDE = 99
_STOPPED = {
    "end_turn": ("done", "good"),
    "requires_action": ("waits for a decision", "warning"),
    "budget_reached": ("stopped at a limit", "warning"),
    "retries_exhausted": ("failed", "bad"),
    "refusal": ("the model refused", "bad"),
}


class Layout(Rows):
    """Puts items into lines for one look; ``full`` leaves no line of messages and results out."""

    def lines(self, item: Item) -> list[Line]:
        """Return the lines of one item."""
        match item:
            case Opened():
                return self.header(item.created)
            case Said(speaker="user"):
                return self._message(item.text)
            case Said() | Thought():
                return self.prose(item.text, "italic" if isinstance(item, Thought) else "")
            case CallBegan():
                return [self.call(item.call)]
            case CallEnded():
                return self.ended(item)
            case CallAnswered():
                return self._answer(item)
            case Cut():
                return [plain(" " * MARGIN + "(cut off here; the answer was not received whole)", "dim")]
            case FilesChanged():
                return self.gutter([shown(item.text, self.look)], "dim" if item.is_whole else "warning")
            case Remark():
                return self._remark(item)
            case Rested():
                return self._rest(item)

    def header(self, created: LocalSessionCreated) -> list[Line]:
        """Say which agent works with which model in which sandbox."""
        script = created.model.removeprefix(_SCRIPT)
        kind = str(created.sandbox.get("kind", ""))
        parts = [
            Span(shown(created.agent.get("name", ""), self.look), "bold"),
            Span(f"scripted model {shown(script.rpartition('/')[2], self.look)}", "warning")
            if script != created.model
            else Span(shown(created.model, self.look)),
            Span("no isolation", "bad") if kind == "none" else Span(shown(kind, self.look)),
            *([Span("root inside", "warning")] if created.sandbox.get("user") == "root" else []),
            Span(shown(created.session_id, self.look), "dim"),
        ]
        title = [plain(fit(shown(created.title, self.look), self.columns, self.more))] if created.title else []
        return [*self.flow(parts), *title]

    def call(self, call: OpenCall, tone: str = "accent", right: str = "", mark: str | None = None) -> Line:
        """Put a call on one line: its name, its most telling argument, and at the right how it went."""
        name = fit(shown(call.name, self.look), max(8, self.columns // 3), self.more)
        line = [Span((mark or self.look.symbols.bullet) + " ", tone), Span(name, "bold"), Span("  ")]
        space = cells(right) + 2 if right else 0
        line += self._asked(call, self.columns - width(line) - space)
        # On a wide terminal it stays near, unless the call itself needs the room.
        gap = max(2, min(self.columns, _WIDE) - width(line) - cells(right)) if right else 0
        end = Span(right, "bad" if tone == "bad" else "dim")
        return clip([*line, Span(" " * gap), end], self.columns, self.more)

    def asking(self, call: OpenCall) -> list[Line]:
        """Put what a call asks for into lines where nothing is to be left out and its own line does not say it."""
        told = whole_input(call.name, call.input) if self.full else ""
        rows = [row for line in (shown_lines(told, self.look) if told else []) for row in self.rows(line, GUTTER)]
        if len(rows) == 1 and cells(rows[0]) <= self.columns // 2:
            return []  # the call's own line has had room for it
        return [(Span(" " * MARGIN + self.look.symbols.dashes + " ", "dim"), Span(row)) for row in rows]

    def ended(self, item: CallEnded, *, with_call: bool = True) -> list[Line]:
        """Put a call and its result into lines; without the call's own line how it went comes last."""
        is_failed = failed(item.facts, is_error=item.is_error)
        told = f" {self.look.symbols.dot} ".join(went(item.facts, is_error=item.is_error))
        body = [*self.asking(item.call), *self._change(item.call), *self._result(item.text, is_failed=is_failed)]
        tone = "bad" if is_failed else "good"
        if with_call and not self.is_narrow:
            return [self.call(item.call, tone, told), *body]
        head = [self.call(item.call, tone)] if with_call else []
        return [*head, *body, *self.gutter([told] if told else [], "bad" if is_failed else "dim")]

    def need(self, call: OpenCall) -> str:
        """Say what a call that waits is waiting for."""
        return "needs a result" if call.custom else "needs permission"

    def waiting(self, call: OpenCall) -> list[Line]:
        """Show a call that needs somebody's word, with the id by which it is answered."""
        need = self.need(call)
        name = shown(call.id, self.look)
        if self.is_narrow:
            return [self.call(call, "warning"), *self.gutter([need, name], "dim")]
        return [self.call(call, "warning", need), *self.gutter([name], "dim")]

    def _message(self, text: str) -> list[Line]:
        rows = [row for line in shown_lines(text, self.look) for row in self.rows(line)]
        kept, left = head_of(rows, None if self.full else _MESSAGE_LINES)
        start = Span(self.look.symbols.prompt + " ", "accent")
        first, *others = [Span(row, "bold") for row in kept]
        return [(start, first), *((Span(" " * MARGIN), span) for span in others), *self.left_out(left, "")]

    def _result(self, text: str, *, is_failed: bool) -> list[Line]:
        if not text.strip():
            return []
        lines = shown_lines(text, self.look)
        if self.full:
            return self.gutter([row for line in lines for row in self.rows(line, GUTTER)], "dim")
        if not is_failed:
            head, left = head_of(lines, _HEAD_LINES)
            return [*self.gutter(head, "dim"), *self.left_out(left, self.look.symbols.bar + " ")]
        head, tail = (lines, []) if len(lines) <= _TAIL_LINES + 2 else (lines[:1], lines[-_TAIL_LINES:])
        left = len(lines) - len(head) - len(tail)
        between = self.left_out(left, self.look.symbols.bar + " ")
        return [*self.gutter(head, "dim"), *between, *self.gutter(tail, "dim")]

    def _change(self, call: OpenCall) -> list[Line]:
        edit = change(call.name, call.input)
        if edit is None:
            return []
        lines: list[Line] = []
        for sign, text, style in (("-", edit.out, "bad"), ("+", edit.into, "good")):
            kept, left = head_of(shown_lines(text, self.look) if text else [], None if self.full else _CHANGE_LINES)
            lines += [*self.gutter([f"{sign} {row}" for row in kept], style), *self.left_out(left, f"{sign} ")]
        return lines

    def _answer(self, item: CallAnswered) -> list[Line]:
        reason = f": {shown(item.reason, self.look)}" if item.reason else ""
        word = Span("allowed" if item.allowed else f"denied{reason}", "good" if item.allowed else "bad")
        name = shown(item.call.name, self.look)
        told = self._asked(item.call, max(10, self.columns - cells(word.text) - cells(name) - 6))
        start = Span(self.look.symbols.prompt + " ", "accent")
        return [clip([start, word, Span("  "), Span(name, "bold"), Span("  "), *told], self.columns, self.more)]

    def _remark(self, item: Remark) -> list[Line]:
        mark = self.look.symbols.cross if item.tone == "bad" else self.look.symbols.dot
        style = "dim" if item.tone == "quiet" else item.tone
        rows = [row for line in shown_lines(item.text, self.look) for row in wrap(line, self.columns - MARGIN)]
        hint = [
            plain(" " * MARGIN + row, "dim")
            for line in (shown_lines(item.hint, self.look) if item.hint else [])
            for row in wrap(line, self.columns - MARGIN)
        ]
        first, *others = [Span(row, style) for row in rows]
        return [(Span(f"{mark} ", style), first), *((Span(" " * MARGIN), span) for span in others), *hint]

    def _rest(self, item: Rested) -> list[Line]:
        word, style = stopped(item.result.stop_reason)
        told = shown(f"{word}: {item.why}" if item.why else word, self.look)
        waiting = [line for call in item.waiting for line in self.waiting(call)]
        return [
            *waiting,
            *self.closing(told, style, item.result),
            *self._files(item.outputs, item.result),
        ]

    def next_steps(self, result: Result, status: str, calls: Sequence[OpenCall]) -> list[Line]:
        """Say with which commands somebody can go on where the session does not do so by itself."""
        name = shown(result.session_id, self.look)
        kind = (result.stop_reason or {}).get("type")
        if status == "idle" and any(call.waits and not call.custom for call in calls):
            steps = [f"agentctl approve {name}", f"agentctl deny {name}", f"agentctl resume {name}"]
        elif status == "interrupted" or (status == "idle" and kind in ("budget_reached", "retries_exhausted")):
            steps = [f"agentctl resume {name}"]
        else:
            steps = []
        rows = [row for step in steps for row in wrap(step, self.columns - MARGIN - 1)]
        return [plain(" " * (MARGIN + 1) + row, "dim") for row in rows]

    def closing(self, word: str, style: str, result: Result, *, tokens: bool = True) -> list[Line]:
        """Say in a line how it ended and what it took."""
        usage = result.used
        parts = [
            Span(word, style),
            Span(money(usage.cost)),
            Span(many(usage.requests, "turn")),
            Span(many(usage.tool_calls, "call")),
            Span(f"{count(tokens_in(usage))} in, {count(usage.output_tokens)} out" if tokens else ""),
            Span(duration(usage.active_seconds)),
        ]
        return self.flow(parts, Span(self.look.symbols.rule * MARGIN + " ", "dim"))

    def _files(self, files: Sequence[JsonObject], result: Result) -> list[Line]:
        if not files:
            return []
        names = [f"{shown(file.get('path', ''), self.look)} {size(whole(file.get('size')))}" for file in files]
        more = [f"{len(names) - _MOST_FILES} more"] if len(names) > _MOST_FILES else []
        text = ", ".join([*names[:_MOST_FILES], *more])
        told = (f"files: {text}", f"fetch them with: agentctl outputs {shown(result.session_id, self.look)} -d DIR")
        rows = [row for line in told for row in wrap(line, self.columns - MARGIN - 1)]
        return [plain(" " * (MARGIN + 1) + row, "dim") for row in rows]

    def _asked(self, call: OpenCall, room: int) -> list[Span]:
        text, remark, is_path = asked(call.name, call.input)
        remark = fit(shown(remark, self.look), room // 2, self.more)
        space = room - (cells(remark) + 2 if remark and text else cells(remark))
        cut = fit_tail if is_path else fit
        told = cut(shown(text, self.look), space, self.more)
        return [Span(told), Span("  " if told and remark else ""), Span(remark, "dim")]


def stopped(reason: JsonObject | None) -> tuple[str, str]:
    """Say in a word how a session came to rest, and in which style that is said; the word may be the record's own."""
    kind = str((reason or {}).get("type"))
    return _STOPPED.get(kind, (kind, "warning"))


def tokens_in(usage: Usage) -> int:
    """Return how many tokens the model read, from the cache or not."""
    return usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens
