"""The sandbox as the harness uses it: begun in the background, and heard of where it is waited for."""

from pathlib import Path

import pytest

from agentctl.canonical import JsonObject
from agentctl.definitions.environment import Environment
from agentctl.errors import SandboxError
from agentctl.harness.hands import Hands, Supplied
from agentctl.sandbox.process import ProcessSandbox


@pytest.mark.parametrize("failure", [SandboxError("no room"), ZeroDivisionError("a bug")], ids=["failure", "bug"])
def test_whatever_keeps_a_sandbox_from_starting_is_raised_where_it_is_waited_for(
    failure: Exception, tmp_path: Path
) -> None:
    def supply(_facts: JsonObject, _attached: bool) -> Supplied:
        raise failure

    def make() -> ProcessSandbox:
        return ProcessSandbox(Environment(name="x"), tmp_path / "box")

    hands = Hands(make(), make, supply, lambda _line: None)
    hands.begin("s")
    for _ in range(2):
        with pytest.raises(type(failure), match=str(failure)):
            hands.ready("s")
    hands.close()
