"""Answers to calls that wait, from any shell: written into the record, whoever runs the session."""

from typing import Annotated, Literal, TypeAlias

import typer

from agentctl.cli.blaming import understood
from agentctl.cli.finding import id_of
from agentctl.cli.message import in_utf8
from agentctl.cli.options import Output
from agentctl.cli.output import print_json, reporting, write_out
from agentctl.errors import UsageError
from agentctl.events.make import Maker
from agentctl.events.user import UserToolConfirmation
from agentctl.launch.driving import confirmation
from agentctl.launch.telling import tell
from agentctl.paths import home
from agentctl.session.state import OpenCall, SessionState
from agentctl.visible import visible_line

CallsArgument: TypeAlias = Annotated[
    list[str] | None, typer.Argument(metavar="[TOOL_USE_ID]...", help="Which calls; all that wait unless given.")
]


def answer(
    session: str, calls: list[str], result: Literal["allow", "deny"], reason: str | None, output: Output
) -> None:
    """Append an answer to each of these calls. Raises UsageError for one that does not wait."""
    with reporting(output), understood(session):
        said = in_utf8("--message", reason)
        session_id = id_of(session)
        answers = tell(session_id, home(), lambda state, make: _answers(state, make, calls, result, said))
        ids = [str(event.tool_use_id) for event in answers if isinstance(event, UserToolConfirmation)]
        if output is not Output.TEXT:
            print_json(
                {
                    "type": "answered",
                    "schema": "agentctl.answered/1",
                    "session_id": session_id,
                    "result": result,
                    "tool_use_ids": ids,
                }
            )
            return
        word = "allowed" if result == "allow" else "denied"
        write_out(f"{word}: {', '.join(ids)}\ngo on with: agentctl resume {session_id}\n")


def _answers(
    state: SessionState, make: Maker, wanted: list[str], result: Literal["allow", "deny"], reason: str | None
) -> list[UserToolConfirmation]:
    waiting = {call.id: call for call in state.calls if call.waits and not call.custom}
    chosen = [_waiting(name, waiting) for name in wanted] if wanted else list(waiting.values())
    if not chosen:
        raise UsageError("no call of this session waits for permission")
    return [confirmation(call, result, reason, make) for call in {call.id: call for call in chosen}.values()]


def _waiting(name: str, waiting: dict[str, OpenCall]) -> OpenCall:
    found = [call for call_id, call in waiting.items() if call_id.startswith(name)]
    if len(found) != 1:
        known = ", ".join(waiting) or "none"
        raise UsageError(f"{visible_line(name)} names no call that waits for permission", hint=f"waiting: {known}")
    return found[0]
