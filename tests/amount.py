"""How much the tests do of what takes long: a sample, or with AGENTCTL_TEST_ALL=1 all of it."""

import os

ALL = os.environ.get("AGENTCTL_TEST_ALL") == "1"  # read here: the tests themselves run without such variables


def amount(sample: int, whole: int) -> int:
    """Return how many to do: a sample that fails where the thing is broken, or the whole that was once promised."""
    return whole if ALL else sample
