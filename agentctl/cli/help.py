"""What ``--help`` shows of a command beside what it says of itself: plain names of arguments, and examples."""

from functools import partial
from typing import Any

EXAMPLES = {
    "run": (
        'agentctl run agent.yaml "Why did the import stop?" --workspace ./logs',
        "agentctl run agent.yaml -f question.txt -e environment.yaml --max-cost 2",
        "agentctl run agent.yaml -f question.txt --session report-2026-11-20 -o json",
    ),
    "send": ('agentctl send @ "And what did it cost us?"', "agentctl send @ -f question.txt"),
    "resume": ("agentctl resume @", "agentctl resume @ --max-cost 5"),
    "deny": ('agentctl deny @ -m "Not on a Friday"',),
    "fork": (
        "agentctl fork @ --at 25",
        'agentctl fork @ --at 25 "Count by the gauge, not by the label." --model claude-opus-5-5',
        "agentctl fork @ --at 25 --no-run",
    ),
    "rerun": (
        "agentctl rerun @ --live sandbox",
        "agentctl rerun @ --live model --max-cost 1",
        "agentctl rerun @ --which-moved --max-cost 1",
    ),
    "events": ("agentctl events @ --follow", "agentctl events @ --type 'agent.*,user.*' -o jsonl"),
    "replay": (
        "agentctl replay @",
        "agentctl replay @ --step --from 30",
        "agentctl replay @ --speed max --only 'agent.*'",
        "agentctl replay @ --html session.html",
    ),
    "diff": (
        "agentctl diff @~1 @",
        "agentctl diff =good @ --layer trajectory,files --all",
        "agentctl diff =good @ --fail-on 'cost>+20%,trajectory'",
        "agentctl diff yesterday today --runs 5",
    ),
    "files": ("agentctl files @", "agentctl files @ 30", "agentctl files @ --patch | git apply --check"),
    "outputs": ("agentctl outputs @", "agentctl outputs @ report.md -d results"),
    "search": ('agentctl search "disk was full"', "agentctl search timeout -retry --since 7d --type 'agent.*'"),
    "stats": ("agentctl stats --by day,model --since 7d", "agentctl stats --by tool --agent data-analyst"),
    "apply": ("agentctl apply @ --check", "agentctl apply @ --only 'src/*'"),
    "export": ("agentctl export @ -d exported", "agentctl export @ -d - > session.agentctl"),
    "import": ("agentctl import session.agentctl", "agentctl import ~/.claude/projects/*/*.jsonl"),
    "prune": ("agentctl prune --dry-run", "agentctl prune --sessions --older-than 90d --keep 20 --dry-run"),
    "check": ("agentctl check @ checks.yaml", "agentctl check @ checks.yaml --junit checks.xml"),
    "bisect": ("agentctl bisect @ checks.yaml",),
}
"""Command lines as people type them, by the command."""


def explain(command: Any, name: str = "") -> None:
    """Have the help of a command, and of those below it, show arguments by their names, and examples."""
    for each in getattr(command, "commands", {}).values():
        explain(each)
        each.short_help = each.help.strip().split("\n")[0]  # or the list of them would cut it
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            parameter.get_usage_pieces = partial(_usage, parameter)
            parameter.get_help_record = partial(_record, parameter, parameter.get_help_record)
    if lines := EXAMPLES.get(name):
        command.epilog = "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


def _usage(parameter: Any, ctx: Any) -> list[str]:  # noqa: ARG001 - the shape of Typer's own
    name = _name(parameter)
    if parameter.required or name.startswith("["):
        return [name]
    return [f"[{name}]" if parameter.nargs == 1 else f"[{name}]..."]


def _record(parameter: Any, record: Any, ctx: Any) -> tuple[str, str] | None:
    """Leave out what an argument is in Python, unless it is one of a few words."""
    found = record(ctx)
    if found is None:
        return None
    words = found[0].partition(" ")[2] if parameter.metavar is None and "|" in found[0] else ""
    return f"{_name(parameter)} {words}".rstrip(), found[1]


def _name(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())
