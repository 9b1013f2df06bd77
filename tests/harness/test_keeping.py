"""What becomes of contents on their way into the record."""

from collections.abc import Iterator

import pytest

from agentctl.errors import SandboxError
from agentctl.harness.keeping import at_most


def test_a_file_that_grows_while_it_is_read_is_given_up_at_the_limit() -> None:  # O5
    given = 0

    def endless() -> Iterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield b"x" * 1000

    assert b"".join(at_most(3, iter([b"ab", b"c"]))) == b"abc"
    with pytest.raises(SandboxError, match="larger than what is kept"):
        list(at_most(5000, endless()))
    assert given == 6
