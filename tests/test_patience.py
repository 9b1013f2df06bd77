"""An expression is given up after so much work, however long that takes by the clock on the wall."""

import re
import signal
import time

import pytest

from agentctl.patience import TooSlowError, patience


def test_who_works_too_long_is_given_up_and_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentctl.patience.SECONDS", 0.02)
    with pytest.raises(TooSlowError, match="takes too long"), patience("(a+)+$"):
        re.search("(a+)+$", "a" * 40 + "b")
    assert signal.getsignal(signal.SIGVTALRM) is signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)


def test_who_is_stopped_or_waits_for_its_turn_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentctl.patience.SECONDS", 0.02)
    with patience("a"):
        time.sleep(0.1)
