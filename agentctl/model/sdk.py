"""What is used of Anthropic's SDK, without the two thousand modules of it that are not.

``import anthropic`` loads the types of every request and answer that the API has, which takes half of the time
that a session needs to its first request. Here its packages are deferred (``model.deferring``): a name that is
not loaded yet is, when somebody asks for it. The modules named here are not part of the SDK's interface; where it
does not have them, or they do not load like this, it is imported as usual.
"""

import os
from importlib import import_module

from agentctl.model.deferring import deferred, forget

__all__ = [
    "APIConnectionError",
    "APIResponse",
    "APIStatusError",
    "Anthropic",
    "AnthropicError",
    "DefaultHttpxClient",
    "Messages",
    "Stream",
]

_GATHERING = ("anthropic.lib", "anthropic.resources", "anthropic.types")

try:
    if os.environ.get("ANTHROPIC_LOG"):
        import_module("anthropic")  # sets up its log, which deferring it would forget
    with deferred("anthropic", _GATHERING):
        from anthropic._base_client import DefaultHttpxClient
        from anthropic._client import Anthropic
        from anthropic._exceptions import AnthropicError, APIConnectionError, APIStatusError
        from anthropic._response import APIResponse
        from anthropic._streaming import Stream
        from anthropic.resources.messages import Messages
except Exception:  # noqa: BLE001 - whatever it is, the usual way is the one that has to work
    forget("anthropic")
    from anthropic import (
        Anthropic,
        AnthropicError,
        APIConnectionError,
        APIResponse,
        APIStatusError,
        DefaultHttpxClient,
        Stream,
    )
    from anthropic.resources.messages import Messages
