"""The models under test, and the API they talk to."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from agentctl.model.anthropic import AnthropicModel
from tests.loopback_api import Answers, LoopbackApi

Serve = Callable[..., tuple[LoopbackApi, AnthropicModel]]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start an API that gives these answers, and a model that talks to it; both end with the test."""
    with ExitStack() as stack:

        def start(answers: Answers, **options: Any) -> tuple[LoopbackApi, AnthropicModel]:
            api = stack.enter_context(LoopbackApi(answers))
            monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
            monkeypatch.setenv("ANTHROPIC_API_KEY", api.key)
            model = AnthropicModel(**options)
            stack.callback(model.close)
            return api, model

        yield start
