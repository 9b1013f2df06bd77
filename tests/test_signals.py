"""What signals are called, where somebody is told of one."""

import signal

from agentctl.signals import name_of


def test_a_signal_has_its_name_or_where_it_has_none_its_number() -> None:
    assert name_of(9) == "SIGKILL"
    assert name_of(signal.SIGRTMIN + 3) == f"signal {signal.SIGRTMIN + 3}"
