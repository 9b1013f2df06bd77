"""What a session must not tell: learnt before anything is stored or shown, refused where it stands in the open."""

import ctypes
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from agentctl.canonical import canonical_json
from agentctl.definitions.environment import Environment
from agentctl.definitions.fields import Definition, snapshot
from agentctl.errors import AgentctlError, UnsavedError, UsageError
from agentctl.launch.parts import vault_secrets
from agentctl.paths import Home
from agentctl.redaction import KNOWN, Redactor, learn_own_keys
from agentctl.shapes import shapes_in

_MARK = re.compile(r"\[redacted:([^\]]+)\]")
_PR_SET_DUMPABLE = 4
_HINT = "put it into a vault, and give that to the session: agentctl vault add NAME VARIABLE; agentctl run --vault NAME"


def learn_secrets(home: Home) -> Redactor:
    """Learn this process's own keys and what is in every vault that can be opened; return who hides them.

    From here on no other process of this user can read this one's memory or environment.
    """
    _close_to_others()
    learn_own_keys()
    KNOWN.learn(vault_secrets(home))
    return KNOWN


def refuse_secrets(redactor: Redactor, message: str | None, definitions: Sequence[Definition] = ()) -> None:
    """Raise UsageError for a secret in the open: in a definition's file, or in a message."""
    for definition in definitions:
        kind = "environment" if isinstance(definition, Environment) else "agent"
        _refuse_known(redactor, canonical_json(snapshot(definition)), f"the file of the {kind}")
        if isinstance(definition, Environment):
            _refuse_shapes(definition)
    _refuse_known(redactor, message or "", "the message")


@contextmanager
def redacted_errors(redactor: Redactor) -> Iterator[None]:
    """Take secrets out of whatever failure is raised."""
    try:
        yield
    except AgentctlError as error:
        error.message = redactor.text(error.message)
        error.hint = error.hint and redactor.text(error.hint)
        error.args = (error.message,)
        if isinstance(error, UnsavedError):
            error.text = redactor.text(error.text)
        raise


def _refuse_known(redactor: Redactor, text: str, place: str) -> None:
    marked = redactor.text(text)
    if marked is not text and (found := _MARK.search(marked)):
        raise UsageError(f"{place} holds the secret {found[1]}, which the agent could read", hint=_HINT)


def _refuse_shapes(environment: Environment) -> None:
    for variable, value in environment.config.env.items():
        for name in shapes_in(value):
            raise UsageError(
                f"environment {environment.name}: env: {variable} looks like {name}, which the agent could read",
                hint=_HINT,
            )


def _close_to_others() -> None:
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
