"""What a session is and what it came to, in a few facts of one line each: for a screen, and for a page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from agentctl.canonical import JsonObject
from agentctl.events.local import LocalSessionCreated
from agentctl.ids import time_of
from agentctl.render.files import counts_text
from agentctl.render.layout import tokens_in
from agentctl.render.numbers import age, count, many, money, size, whole
from agentctl.render.spent import checkpoints_told, limits_told, missing_told, models_told
from agentctl.session.completeness import Aspect
from agentctl.session.effects import WORKSPACE
from agentctl.session.glance import Glance
from agentctl.session.summary import Summary
from agentctl.session.usage import Usage

_MOST_FORKS = 3
_MOST_FILES = 6
_MOST_HOSTS = 4
_HASH_CHARACTERS = 12
_SCRIPT = "script:"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a session beside its own record.

    ``status`` is what it does now; ``hosted_cost`` what it would have cost on the hosted service, in US
    dollars, None where that is not known; ``forks`` are the sessions that were forked from it.
    """

    status: str
    hosted_cost: Decimal | None = None
    forks: Sequence[str] = ()


def facts_told(
    glance: Glance, known: Known, aspects: Sequence[Aspect], now: datetime | None
) -> list[tuple[str, list[str]]]:
    """Name each fact that there is and its parts, all of them untrusted text. ``now`` says how long ago it began."""
    created, summary = glance.summary.created, glance.summary
    if created is None:
        return []
    sandbox, usage = summary.sandbox, summary.result.used
    facts: list[tuple[str, Iterable[object]]] = [
        ("agent", (created.agent.get("name"), _short(created.agent_hash))),
        ("environment", (created.environment.get("name"), _short(created.environment_hash))),
        ("model", (created.model, _answering(created.model, summary.answered_by))),
        ("sandbox", (_kind(sandbox), sandbox.get("image"), _short(sandbox.get("image_digest")))),
        ("family", _family(summary, known)),
        ("created", _created(created, summary, now)),
        ("tokens", _tokens(usage, summary.cache_share)),
        ("cost", _cost(glance, known)),
        ("limits", limits_told(glance.limits, usage)),
        ("files", _changed(summary)),
        ("network", _network(summary)),
        ("outputs", _outputs(summary)),
        ("kept", checkpoints_told(glance)),
        ("missing", missing_told(aspects)),
    ]
    told = [(name, [str(part) for part in parts if part]) for name, parts in facts]
    return [(name, parts) for name, parts in told if parts]


def _created(created: LocalSessionCreated, summary: Summary, now: datetime | None) -> list[str]:
    began = time_of(created.processed_at)
    ago = f", {age(began, now)} ago".replace("now ago", "now") if began and now else ""
    told = f"{began:%Y-%m-%d %H:%M:%S} UTC{ago}" if began else ""
    return [told, many(summary.result.events, "event"), f"by agentctl {created.agentctl_version}"]


def _family(summary: Summary, known: Known) -> list[str]:
    fork, again = summary.fork, (summary.created and summary.created.rerun_of) or {}
    parts = [f"from #{fork.at} of {fork.parent}"] if fork else []
    forks = ", ".join(known.forks[:_MOST_FORKS]) + (", …" if len(known.forks) > _MOST_FORKS else "")
    own = [f"{many(len(known.forks), 'fork')}: {forks}"] if forks else []
    return [*parts, *([f"a rerun of {again.get('session_id')}"] if again else []), *own]


def _tokens(usage: Usage, cache_share: float | None) -> list[str]:
    cached = f" ({cache_share:.0%} from the cache)" if cache_share is not None else ""
    return [f"{count(tokens_in(usage))} in{cached}", f"{count(usage.output_tokens)} out"]


def _cost(glance: Glance, known: Known) -> list[str]:
    usage, hosted = glance.summary.result.used, known.hosted_cost
    if not usage.spent or hosted is None:
        return []  # a script costs nothing anywhere
    own = "at prices of your own" if usage.prices else ""
    kept = f"{money(usage.unsettled)} of it for answers that never came" if usage.unsettled else ""
    return [money(usage.cost), own, kept, f"on the hosted service {money(hosted)}", *models_told(glance.models)]


def _changed(summary: Summary) -> list[str]:
    counts = summary.files.counts(WORKSPACE)
    return [f"{counts_text(counts)}: {_few(summary.files.names(WORKSPACE))}"] if counts else []


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_FILES:,} more" if len(names) > _MOST_FILES else ""
    return ", ".join(names[:_MOST_FILES]) + more


def _outputs(summary: Summary) -> list[str]:
    files = summary.outputs
    names = [f"{file.get('path')} {size(whole(file.get('size')))}" for file in files[:_MOST_FILES]]
    return [*names, f"{len(files) - _MOST_FILES} more"] if len(files) > _MOST_FILES else names


def _network(summary: Summary) -> list[str]:
    """Say what was refused first: that is what somebody looks for."""
    network = summary.network
    total = network.total()
    reached = {host for host, found in network.hosts.items() if found.allowed}
    reached |= {(begun.host, begun.port) for begun in network.unfinished}
    refused = [f"{host}:{port}" if port else host for (host, port), found in network.hosts.items() if found.refused]
    parts = []
    if refused:
        more = f" and {len(refused) - _MOST_HOSTS:,} more" if len(refused) > _MOST_HOSTS else ""
        parts.append(f"{total.refused:,} refused: {', '.join(refused[:_MOST_HOSTS])}{more}")
    if total.allowed:
        parts.append(f"{many(total.allowed, 'connection')} to {many(len(reached), 'host')}")
        parts.append(f"{size(total.bytes_sent)} sent, {size(total.bytes_received)} received")
    return parts


def _short(name: object) -> str:
    """Shorten ``sha256:<64 digits>``, wherever in a name it stands."""
    text = str(name or "")
    start, mark, digits = text.rpartition("sha256:")
    return f"{start}{mark}{digits[:_HASH_CHARACTERS]}" if mark else text


def _answering(asked: str, models: Sequence[str]) -> str:
    others = [model for model in models if model != asked and not model.startswith(_SCRIPT)]
    return f"answered as {', '.join(others)}" if others else ""


def _kind(sandbox: JsonObject) -> str:
    kind = str(sandbox.get("kind", ""))
    if kind == "none":
        return "none: NO ISOLATION"
    return f"{kind}, root inside" if sandbox.get("user") == "root" else kind
