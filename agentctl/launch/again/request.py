"""What a rerun is asked to be."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from agentctl.compare.rules import Rule
from agentctl.definitions.environment import Environment
from agentctl.policy.budget import Limits

Live: TypeAlias = Literal["sandbox", "model"]


@dataclass(frozen=True, slots=True)
class RerunRequest:
    """How a session is done again.

    ``live`` is what is not taken from the record; None takes both from it. ``on_miss_sandbox`` sends calls
    that the record does not hold to a fresh sandbox. ``until`` is the number of the last event that is
    done again. ``environment`` takes the place of the recorded one, ``accept_image`` allows an image made
    anew. ``network`` lets the fresh sandbox reach what the environment allows, with the credentials of
    ``vaults``. ``model`` takes the place of the session's own, live. ``rules`` say what else is noise.
    """

    session_id: str
    live: Live | None = None
    on_miss_sandbox: bool = False
    until: int | None = None
    environment: Environment | None = None
    accept_image: bool = False
    network: bool = False
    vaults: tuple[str, ...] = ()
    model: str | None = None
    limits: Limits = field(default_factory=Limits)
    rules: tuple[Rule, ...] = ()
