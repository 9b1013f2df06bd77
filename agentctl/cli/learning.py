"""``agentctl env learn``: the smallest allow-list that would have served a session."""

from collections.abc import Iterator
from typing import Annotated

import typer

from agentctl.canonical import JsonObject
from agentctl.cli.looking import Opened, opened
from agentctl.cli.options import Output, OutputOption, SessionArgument
from agentctl.cli.output import print_json, reporting, write_out
from agentctl.events.local import LocalEgress, LocalEgressStarted
from agentctl.network.learned import Learned, Reached, learn
from agentctl.visible import visible_line


def learn_hosts(
    session: SessionArgument,
    patterns: Annotated[
        bool, typer.Option("--patterns", help="Fold several hosts below one name into a pattern such as *.example.com.")
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Print the networking that would have allowed what a session reached, and nothing else."""
    with reporting(output), opened(session) as found:
        learned = learn(_verdicts(found), patterns=patterns)
        if output is Output.TEXT:
            write_out("".join(f"{line}\n" for line in _yaml(learned)))
        else:
            print_json(_body(found.row.id, learned))


def _verdicts(found: Opened) -> Iterator[Reached]:
    for record in found.records():
        if isinstance(record.event, LocalEgress | LocalEgressStarted):
            yield record.event


def _yaml(learned: Learned) -> Iterator[str]:
    yield "networking:"
    for name, value in learned.networking().items():
        if isinstance(value, list):
            yield f"  {name}:{'' if value else ' []'}"
            yield from (f'    - "{visible_line(host)}"' for host in value)
        else:
            yield f"  {name}: {'true' if value is True else value}"
    for host in learned.refused:
        yield f"# not reached: {visible_line(host)}"


def _body(session_id: str, learned: Learned) -> JsonObject:
    return {
        "type": "learned",
        "schema": "agentctl.learned/1",
        "session_id": session_id,
        "networking": learned.networking(),
        "refused": list(learned.refused),
    }
