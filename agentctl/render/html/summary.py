"""The head of a page: what session it is, what it came to, and tables of its tools, models and connections."""

from collections.abc import Sequence

from agentctl.canonical import JsonObject
from agentctl.render.facts import Known, facts_told
from agentctl.render.html.markup import NOTHING, Html, join, line, table, tag, text
from agentctl.render.layout import stopped
from agentctl.render.numbers import duration, many, money, size
from agentctl.session.completeness import Aspect
from agentctl.session.egress import EgressSums
from agentctl.session.glance import Glance
from agentctl.session.summary import Summary

_MOST_HOSTS = 100


def heading(glance: Glance, known: Known, aspects: Sequence[Aspect]) -> Html:
    """Write the title, the result and the facts of a session."""
    summary = glance.summary
    created, result = summary.created, summary.result
    agent = created.agent.get("name") if created else ""
    title = (created and created.title) or agent or "session"
    is_begun = result.stop_reason is not None
    word, tone = stopped(result.stop_reason) if is_begun else ("not begun", "warning")
    word, tone = (word, tone) if known.status == "idle" else (known.status, "warning")
    usage = result.used
    parts = [money(usage.cost), many(usage.requests, "turn"), many(usage.tool_calls, "call")]
    parts += [duration(usage.active_seconds), many(result.events, "event")]
    said = tag("p", tag("b", line(word), kind=tone), Html(" · "), text(" · ".join(parts)), kind="result")
    error = result.body()["error"]
    why = tag("p", text(error["message"]), kind="bad") if error else NOTHING
    name = tag("p", tag("code", line(result.session_id or "")), kind="dim")
    facts = [
        join([tag("dt", line(fact)), tag("dd", line(" · ".join(parts)))])
        for fact, parts in facts_told(glance, known, aspects, None)
    ]
    return tag("header", tag("h1", line(title)), name, said, why, tag("dl", *facts))


def tables(summary: Summary) -> list[tuple[str, Html]]:
    """Return the tables that have something in them, each with its title."""
    found = [("Tools", _tools(summary)), ("Network", _network(summary.network)), ("Outputs", _outputs(summary.outputs))]
    return [(title, written) for title, written in found if written]


def _tools(summary: Summary) -> Html:
    rows = [
        (tag("code", line(name)), text(f"{tool.calls:,}"), _failures(tool.failed), text(duration(tool.seconds)))
        for name, tool in sorted(summary.tools.items(), key=lambda item: -item[1].calls)
    ]
    return table(("tool", "calls", "failed", "time inside"), rows) if rows else NOTHING


def _failures(number: int) -> Html:
    return tag("b", text(f"{number:,}"), kind="bad") if number else NOTHING


def _network(network: EgressSums) -> Html:
    hosts = sorted(network.hosts.items(), key=lambda item: (not item[1].refused, item[0]))
    rows = [
        (
            tag("code", line(f"{host}:{port}")),
            text(f"{found.allowed:,}" if found.allowed else ""),
            _failures(found.refused),
            text(f"{size(found.bytes_sent)} / {size(found.bytes_received)}" if found.allowed else ""),
            line("; ".join([*found.reasons, *(f"with {name}" for name in found.credentials)])),
        )
        for (host, port), found in hosts[:_MOST_HOSTS]
    ]
    rows += [
        (tag("code", line(f"{begun.host}:{begun.port}")), text("1"), NOTHING, NOTHING, text("not ended in the record"))
        for begun in network.unfinished[:_MOST_HOSTS]
    ]
    return table(("host", "let out", "refused", "sent / received", "why"), rows) if rows else NOTHING


def _outputs(files: Sequence[JsonObject]) -> Html:
    rows = [
        (tag("code", line(file.get("path", ""))), text(size(int(file.get("size") or 0))), line(file.get("skipped", "")))
        for file in files
    ]
    return table(("file", "size", ""), rows) if rows else NOTHING
