"""The events of a page: each a row that can be linked to, in the words of the story."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from agentctl.events.base import Event
from agentctl.events.codec import type_of
from agentctl.render.calls import asked, change, failed, went
from agentctl.render.gist import gist
from agentctl.render.html.markup import NOTHING, Html, folded, join, line, shortened, tag, text
from agentctl.render.layout import stopped
from agentctl.render.moments import Kind
from agentctl.render.numbers import count, duration, many, money, size, whole
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
from agentctl.session.state import OpenCall
from agentctl.visible import visible_line

_HEAD_LINES = 6
_ONE_LINE = 160
LETTERS = {Kind.ERROR: "e", Kind.APPROVAL: "a", Kind.FILES: "f", Kind.COST: "c"}
"""The keys of what an event is looked for as."""


@dataclass(slots=True)
class Row:
    """One event: its number and type, and what it says.

    ``seconds`` have passed since the session began, ``at`` is the time of day, ``kinds`` what it is looked for as.
    """

    seq: int
    event_type: str
    gist: str
    seconds: float
    at: str
    kinds: Kind = Kind(0)
    paid: str = ""
    body: list[Html] = field(default_factory=list)

    def html(self) -> Html:
        """Write it. An event that tells nothing is a quiet row: its type, and its gist in a line."""
        letters = "".join(letter for kind, letter in LETTERS.items() if kind in self.kinds)
        name = f"e{self.seq}"
        number = tag("a", text(f"#{self.seq}"), kind="n", href=f"#{name}", title=self.event_type)
        body = tag("div", *(self.body or [self._quiet()]), kind="b")
        paid = tag("b", text(self.paid)) if self.paid else NOTHING
        when = tag("span", paid, text(duration(self.seconds)), kind="t", title=(self.body and self.at) or None)
        kind = "r" if self.body else "r q"
        return tag("div", number, body, when, kind=f"{kind} bad" if Kind.ERROR in self.kinds else kind, id=name,
                   data_k=letters or None)  # fmt: skip

    def _quiet(self) -> Html:
        told = self.gist if len(self.gist) <= _ONE_LINE else self.gist[:_ONE_LINE] + "…"
        return join([tag("i", line(self.event_type)), line(told)], " ")


def row_of(seq: int, event: Event, seconds: float, kinds: Kind) -> Row:
    """Make the row of an event, which tells nothing yet."""
    return Row(seq, type_of(event), gist(event), seconds, visible_line(event.processed_at or ""), kinds)


class Telling:
    """Writes the items of a story. ``most`` is how many characters of a text are kept, ``name`` the session's."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._places: dict[str, int] = {}

    def told(self, item: Item, seq: int) -> Html:
        """Write what an item of event ``seq`` tells; nothing for what is told elsewhere."""
        match item:
            case Said():
                return tag("div", self._cut(item.text, seq), kind=item.speaker)
            case Thought():
                return self._thought(item.text, seq)
            case CallBegan():
                self._places[item.call.id] = seq
                return self._call(item.call, seq)
            case CallEnded():
                return self._result(item, seq)
            case CallAnswered():
                reason = f": {item.reason}" if item.reason else ""
                word = "allowed" if item.allowed else f"denied{reason}"
                return tag("div", tag("b", text(word)), Html(" "), line(item.call.name), kind=_tone(good=item.allowed))
            case Cut():
                return tag("div", text("the answer was not received whole"), kind="dim")
            case Remark():
                hint = tag("div", text(item.hint), kind="dim") if item.hint else NOTHING
                return tag("div", text(item.text), hint, kind=item.tone)
            case Rested():
                return self._rested(item)
            case Opened() | FilesChanged():
                return NOTHING

    def _cut(self, told: str, seq: int) -> Html:
        return shortened(
            told, self._most, f"agentctl replay {self._name} --plain --full --from {seq} --until {seq + 1}"
        )

    def _cut_input(self, told: str, seq: int) -> Html:
        return shortened(told, self._most, f"agentctl events {self._name} --from {seq} --until {seq} -o jsonl")

    def _thought(self, told: str, seq: int) -> Html:
        if told.count("\n") < _HEAD_LINES and len(told) < _HEAD_LINES * _ONE_LINE:
            return tag("div", self._cut(told, seq), kind="thought")
        first = told.strip().split("\n", 1)[0][:_ONE_LINE]
        return folded(join([text("thought: "), line(first)]), tag("div", self._cut(told, seq)), kind="thought")

    def _call(self, call: OpenCall, seq: int) -> Html:
        telling, remark, _ = asked(call.name, call.input)
        head = [tag("b", line(call.name)), tag("code", line(telling[:_ONE_LINE]))]
        head += [tag("small", line(remark))] if remark else []
        if call.waits or call.permission == "deny":
            need = "needs a result" if call.custom else f"permission: {call.permission}"
            head.append(tag("em", text(need)))
        summary = join(head, " ")
        whole_input = self._input(call, telling, seq)
        return folded(summary, whole_input, kind="call") if whole_input else tag("div", summary, kind="call")

    def _input(self, call: OpenCall, telling: str, seq: int) -> Html:
        """Write all that a call asks for, unless its own line says it already."""
        edit = change(call.name, call.input)
        if edit is not None:
            sides = [("del", "- ", edit.out), ("ins", "+ ", edit.into)]
            parts = [tag(name, self._cut_input(_signed(sign, side), seq)) for name, sign, side in sides if side]
            return tag("pre", join(parts, "\n"))
        if _is_plain(call) and set(call.input.values()) <= {telling}:
            return NOTHING if len(telling) <= _ONE_LINE else tag("pre", self._cut_input(telling, seq))
        parts = [
            join([tag("i", line(f"{name}: ")), self._cut_input(value if isinstance(value, str) else _json(value), seq)])
            for name, value in call.input.items()
        ]
        return tag("pre", join(parts, "\n")) if parts else NOTHING

    def _result(self, item: CallEnded, seq: int) -> Html:
        is_failed = failed(item.facts, is_error=item.is_error)
        facts = " · ".join(went(item.facts, is_error=item.is_error))
        output = item.text.strip("\n")
        lines = output.count("\n") + 1 if output.strip() else 0
        name, place = line(item.call.name), self._places.get(item.call.id)
        name = tag("a", name, href=f"#e{place}", title=f"the call, #{place}") if place else name
        head = tag("span", name, Html(" "), text(facts), kind="dim")
        kind = f"out {_tone(good=not is_failed)}"
        if lines <= _HEAD_LINES:
            return tag("div", head, *([tag("pre", self._cut(output, seq))] if lines else []), kind=kind)
        told = f"{many(lines, 'line')}, {size(len(output))}"
        first = output.split("\n", 1)[0][:_ONE_LINE]
        summary = join([head, tag("small", text(told)), tag("code", line(first))], " ")
        return folded(summary, tag("pre", self._cut(output, seq)), kind=kind, is_open=is_failed)

    def _rested(self, item: Rested) -> Html:
        word, tone = stopped(item.result.stop_reason)
        usage = item.result.used
        why = f": {item.why}" if item.why else ""
        parts = [word + why, money(usage.cost), many(usage.requests, "turn"), many(usage.tool_calls, "call")]
        parts += [f"{count(usage.output_tokens)} tokens written", duration(usage.active_seconds)]
        files = [f"{file.get('path', '')} {size(whole(file.get('size')))}" for file in item.outputs]
        told = tag("p", text(f"files: {', '.join(files)}")) if files else NOTHING
        waiting = [self._call(call, 0) for call in item.waiting]
        return tag("div", text(" · ".join(parts)), told, *waiting, kind=f"rest {tone}")


def _signed(sign: str, told: str) -> str:
    """Put a sign before each line: a colour alone says nothing to many."""
    return "\n".join(sign + row for row in told.split("\n"))


def _is_plain(call: OpenCall) -> bool:
    return all(isinstance(value, str) for value in call.input.values())


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)


def _tone(*, good: bool) -> Literal["good", "bad"]:
    return "good" if good else "bad"


def grouped(rows: Sequence[Row], most: int) -> list[Html]:
    """Put rows into sections, which a browser lays out when they come into sight."""
    return [tag("section", *(row.html() for row in rows[start : start + most])) for start in range(0, len(rows), most)]
