"""The whole page of a session, as one piece of text that needs nothing else.

What the browser may do is said first, in the page itself: it may run the one program and use the one
style sheet that are in it, named by their hashes, and may ask nobody for anything.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from agentctl.errors import AgentctlError
from agentctl.events.base import Event
from agentctl.events.local import LocalModelResponse
from agentctl.ids import time_of
from agentctl.render.facts import Known
from agentctl.render.html.changes import changed
from agentctl.render.html.markup import NOTHING, Html, empty_tag, folded, join, line, tag, text
from agentctl.render.html.rows import LETTERS, Row, Telling, grouped, row_of
from agentctl.render.html.summary import heading, tables
from agentctl.render.html.timeline import Passed, legend, timeline
from agentctl.render.moments import NONE as NO_KIND
from agentctl.render.moments import Moments
from agentctl.render.numbers import many, money
from agentctl.render.story import Item, Story
from agentctl.session.completeness import Aspect
from agentctl.session.effects import Effect, FilesHistory
from agentctl.session.files import Contents
from agentctl.session.glance import Glance
from agentctl.session.log import Record
from agentctl.session.timing import Activity, activity

_MOST_TEXT, _LEAST_TEXT = 20_000, 700
_ALL_TEXT = 16_000_000
_ROWS_OF_A_SECTION = 50
_KEYS = (
    ("j →, k ←", "next, previous event"),
    ("e E", "next, previous error"),
    ("a A", "next, previous approval"),
    ("f F", "next, previous change of files"),
    ("c C", "next, previous jump of the cost"),
    ("] [", "next, previous of all these"),
    ("/ n N", "search; next, previous"),
    ("g G", "first, last event"),
    ("o", "open, close what is folded"),
    ("O", "all that is folded"),
    ("v", "every event, or those that tell"),
    ("?", "these keys"),
)


def most_text(events: int) -> int:
    """Return how many characters of one text are kept, so that a page of so many events can still be opened."""
    return max(_LEAST_TEXT, min(_MOST_TEXT, _ALL_TEXT // max(1, events)))


class Page:
    """Takes the events of a session, one after the other, and becomes its page.

    Of a text ``most`` characters are kept.
    """

    def __init__(self, name: str, most: int, contents: Contents) -> None:
        self.glance = Glance()
        self._name = name
        self._contents = contents
        self._most = most
        self._telling = Telling(name, self._most)
        self._story = Story()
        self._moments = Moments()
        self._files = FilesHistory(contents)
        self._trouble: str | None = None
        self._rows: list[Row] = []
        self._passed: list[Passed] = []
        self._result: Row | None = None
        self._began: datetime | None = None
        self._cost: Decimal | None = Decimal(0)
        self._paid = ""

    def add(self, record: Record, *, wanted: bool) -> None:
        """Take one more event. Raises StoreError for files that are written down wrongly."""
        event = record.event
        what, seconds = self._pass(record)
        cost = self.glance.summary.result.usage.cost
        kinds = self._moments.after(event, cost)
        row = row_of(record.seq, event, self._since(event), kinds)
        for item in self._story.after(event, wanted=wanted):
            self._tell(row, item)
        effects = self._effects(event)
        if not wanted:
            return
        if effects:
            whole = f"agentctl files {self._name} {record.seq} --patch"
            row.body.append(changed(effects, self._contents, self._most, whole))
        self._result = row if self._story.held_back else None
        self._rows.append(row)
        self._passed.append(Passed(record.seq, what, seconds, kinds))
        self._pay(event, cost, row)

    def html(self, known: Known, aspects: Sequence[Aspect]) -> Iterator[str]:
        """Yield the page. ``aspects`` say what the record has and lacks."""
        for item in self._story.rest_of():
            if self._result is not None:
                self._result.body.append(self._telling.told(item, self._result.seq))
        yield "<!doctype html>\n"
        yield f'<html lang="en">{self._head()}<body>'
        yield heading(self.glance, known, aspects)
        told = legend(self.glance.timing.seconds, self._passed)
        yield tag("nav", timeline(self._passed), told, aria_label="the session in time")
        yield join(_part(title, written) for title, written in tables(self.glance.summary))
        yield self._changes()
        yield _controls(self._rows)
        yield f"<main>{tag('h2', text('Events'), kind='away')}"
        yield from grouped(self._rows, _ROWS_OF_A_SECTION)
        yield "</main>"
        yield f"{tag('script', _own('page.js'))}</body></html>\n"

    def _pass(self, record: Record) -> tuple[Activity, float]:
        """Take an event into the sums; return what passed until it: what was done, and for how many seconds."""
        what = activity(self.glance.summary.state)
        before = self.glance.timing.seconds[what]
        self.glance.add(record)
        return what, max(0.0, self.glance.timing.seconds[what] - before)

    def _tell(self, row: Row, item: Item) -> None:
        """Put what is told where it belongs: a result, which comes with what is known beside it, to its own event."""
        place, self._result = self._result or row, None
        if place is not row:
            # An exit code is known one event later than the output that it goes with.
            place.kinds, row.kinds = place.kinds | row.kinds, NO_KIND
        if told := self._telling.told(item, place.seq):
            place.body.append(told)

    def _effects(self, event: Event) -> list[Effect]:
        if self._trouble is not None:
            return []
        try:
            return self._files.add(event)
        except AgentctlError as error:
            self._trouble = error.message
            return []

    def _changes(self) -> Html:
        effects = self._files.effects()
        trouble = (
            tag("p", text(f"not all of it can be shown: {self._trouble}"), kind="cut") if self._trouble else NOTHING
        )
        if not effects:
            return trouble
        told = changed(effects, self._contents, self._most, f"agentctl files {self._name} --patch")
        return _part("Files, as a whole", trouble, told)

    def _pay(self, event: Event, cost: Decimal | None, row: Row) -> None:
        """Say on the first row that tells something of an answer what it has cost."""
        if isinstance(event, LocalModelResponse) and cost is not None and self._cost is not None:
            self._paid = money(cost - self._cost) if cost > self._cost else ""
        self._cost = cost
        if self._paid and row.body:
            row.paid, self._paid = self._paid, ""

    def _since(self, event: Event) -> float:
        at = time_of(event.processed_at)
        self._began = self._began or at
        return (at - self._began).total_seconds() if at and self._began else self._rows[-1].seconds if self._rows else 0

    def _head(self) -> Html:
        policy = (
            f"default-src 'none'; style-src {_hash(_own('page.css'))}; script-src {_hash(_own('page.js'))}; "
            "base-uri 'none'; form-action 'none'"
        )
        created = self.glance.summary.created
        title = (created and (created.title or created.agent.get("name"))) or self._name
        return tag(
            "head",
            empty_tag("meta", charset="utf-8"),
            empty_tag("meta", http_equiv="Content-Security-Policy", content=policy),
            empty_tag("meta", name="referrer", content="no-referrer"),
            empty_tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            empty_tag("meta", name="color-scheme", content="light dark"),
            tag("title", line(title if title == self._name else f"{title} · {self._name}")),
            tag("style", _own("page.css")),
        )


def page(name: str, events: int, records: Iterable[tuple[Record, bool]], contents: Contents) -> Page:
    """Make the page of a session from its events, about so many, each with whether it is to be shown.

    Raises StoreError.
    """
    made = Page(name, most_text(events), contents)
    for record, wanted in records:
        made.add(record, wanted=wanted)
    return made


def _part(title: str, *inner: Html) -> Html:
    return folded(tag("h2", text(title)), *inner, kind="part")


def _controls(rows: Sequence[Row]) -> Html:
    search = empty_tag("input", id="find", type="search", placeholder="search ( / )", aria_label="search")
    every = tag("label", empty_tag("input", id="every", type="checkbox"), text(" every event"))
    steps = [
        tag("button", text(sign), type="button", data_go=key, aria_label=told, title=f"{told} ({key})")
        for sign, key, told in (("↑", "k", "previous event"), ("↓", "j", "next event"))
    ]
    told = [join([tag("dt", text(key)), tag("dd", text(does))]) for key, does in _KEYS]
    keys = tag("details", tag("summary", text("keys")), tag("dl", *told), id="keys")
    said = join([tag("output", id="said"), tag("output", id="read", kind="away")])
    return tag("div", search, *steps, _goals(rows), every, said, keys, id="bar", role="search")


def _goals(rows: Sequence[Row]) -> Html:
    """Write the choice of what the two buttons go to, for those who have no keyboard: what there is on the page."""
    counted = [(letter, kind.noun, sum(kind in row.kinds for row in rows)) for kind, letter in LETTERS.items()]
    goals = [("", "events"), *((letter, many(number, noun)) for letter, noun, number in counted if number)]
    options = [tag("option", text(told), value=key) for key, told in [*goals, ("n", "found")]]
    return tag("select", *options, id="goal", aria_label="what the arrows go to")


def _own(name: str) -> Html:
    return Html(Path(__file__).with_name(name).read_text(encoding="utf-8"))


def _hash(inner: Html) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()}'"
