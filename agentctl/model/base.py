"""What the harness asks of a model, whichever it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from agentctl.canonical import JsonObject
from agentctl.events.preview import Preview

__all__ = ["Model", "ModelRequest", "ModelResponse", "Preview", "ShowPreview"]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One request to the Messages API: ``body`` as it is sent, without ``stream``."""

    body: JsonObject
    betas: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelResponse:
    """One whole message, accepted only after the stream said that it was whole.

    ``raw`` is the message's JSON with every block, field and key in the order received: the next
    request must repeat its content exactly. ``message`` is the same, decoded. A tool call whose
    input is not valid JSON, or was cut, has ``{"INVALID_JSON": "<the text>"}`` as its input.
    """

    raw: str
    message: JsonObject
    request_id: str | None = None


ShowPreview: TypeAlias = Callable[[Preview], None]


class Model(Protocol):
    """Something that answers a request of the Messages API."""

    def respond(self, request: ModelRequest, show: ShowPreview) -> ModelResponse:
        """Answer one request, showing pieces as they come.

        Raises ModelError. Makes exactly one attempt: trying again is the harness's choice.
        """
        ...

    def cancel(self) -> None:
        """End the request that is being made, if one is; ``respond`` raises ModelError then. From any thread."""
        ...

    def close(self) -> None:
        """Give back what is held; may be called twice."""
        ...
