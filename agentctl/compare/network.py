"""What two sessions asked of the network and of people: hosts, verdicts, permissions."""

from collections.abc import Iterator, Sequence

from agentctl.canonical import JsonObject
from agentctl.compare.difference import NOT_IN_TRANSCRIPTS, Difference, Layer, Place, Step, kind_of
from agentctl.compare.side import Side


def network_layer(a: Side, b: Side, steps: Sequence[Step]) -> Layer:
    """Compare hosts and verdicts, then the permissions of calls. How often and how much is no difference."""
    if a.is_imported or b.is_imported:
        return Layer("network", notes=(NOT_IN_TRANSCRIPTS,), is_unknown=True)
    found = [*_hosts(a, b), *_permissions(steps)]
    return Layer("network", tuple(found), len(a.host_seqs.keys() | b.host_seqs.keys()))


def _hosts(a: Side, b: Side) -> Iterator[Difference]:
    one, other = _verdicts(a), _verdicts(b)
    for host in sorted(one.keys() | other.keys()):
        mine, theirs = one.get(host), other.get(host)
        if mine == theirs:
            continue
        first = None if mine is None else Place(a.host_seqs.get(host), "/host", mine)
        second = None if theirs is None else Place(b.host_seqs.get(host), "/host", theirs)
        yield Difference("network", kind_of(mine, theirs), _name(host), first, second)


def _verdicts(side: Side) -> dict[tuple[str, int], JsonObject]:
    """Return what the verdicts on each host were, and whether it was reached; one that is still open was allowed."""
    found: dict[tuple[str, int], JsonObject] = {
        host: {
            "allowed": bool(total.allowed),
            "refused": bool(total.refused),
            "reasons": sorted(total.reasons),
            "credentials": sorted(total.credentials),
            "reached": total.allowed > total.failed,
            "failures": sorted(total.failures),
        }
        for host, total in side.network.hosts.items()
    }
    for begun in side.network.unfinished:
        empty: JsonObject = {"refused": False, "reasons": [], "credentials": [], "failures": []}
        found.setdefault((begun.host, begun.port), empty).update(allowed=True, reached=True)
    return found


def _name(host: tuple[str, int]) -> str:
    return f"{host[0]}:{host[1]}" if host[1] else host[0]


def _permissions(steps: Sequence[Step]) -> Iterator[Difference]:
    for step in steps:
        if step.a is None or step.b is None:
            continue
        if step.a.permission != step.b.permission:
            first = Place(step.a.seq, "/evaluated_permission", step.a.permission)
            second = Place(step.b.seq, "/evaluated_permission", step.b.permission)
            yield Difference("network", "changed", f"permission of {step.a.name}", first, second, step)
        if step.a.answer != step.b.answer:
            answers = [
                None if call.answer is None else Place(call.answer_seq, "/result", call.answer)
                for call in (step.a, step.b)
            ]
            kind = kind_of(*answers)
            yield Difference("network", kind, f"answer to {step.a.name}", answers[0], answers[1], step)
