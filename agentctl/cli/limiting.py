"""Limits on the command line; they hold in place of those in the agent's file."""

from typing import Annotated, TypeAlias

import typer

from agentctl.definitions.amounts import parse_duration
from agentctl.definitions.local import parse_dollars
from agentctl.errors import UsageError
from agentctl.policy.budget import Limits

MaxCostOption: TypeAlias = Annotated[
    str | None, typer.Option(metavar="DOLLARS", help="Most US dollars at list prices, for the whole session.")
]
MaxTurnsOption: TypeAlias = Annotated[
    int | None, typer.Option(metavar="N", min=1, max=1_000_000, help="Most requests to the model for one message.")
]
TimeoutOption: TypeAlias = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Ask the model no more after this long: 90s, 30m, 1h30m.")
]


def limits_of(max_cost: str | None, max_turns: int | None, timeout: str | None) -> Limits:
    """Read the limits that were given. Raises UsageError."""
    try:
        cost = parse_dollars(max_cost) if max_cost is not None else None
    except ValueError as error:
        raise UsageError(f"--max-cost {max_cost}: {error}") from error
    try:
        seconds = parse_duration(timeout) if timeout is not None else None
    except ValueError as error:
        raise UsageError(f"--timeout {timeout}: {error}") from error
    if seconds is not None and seconds <= 0:
        raise UsageError(f"--timeout {timeout}: must be longer than nothing")
    return Limits(max_cost=cost, max_turns=max_turns, timeout_seconds=seconds)
