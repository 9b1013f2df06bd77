"""Failures as a person sees them: one line of what, one of what to do."""

import os
import sys
import time
import traceback

from agentctl.errors import AgentctlError
from agentctl.paths import home
from agentctl.redaction import KNOWN, learn_own_keys
from agentctl.visible import visible, visible_line


def complain(error: AgentctlError) -> None:
    """Write a failure to standard error: what happened, then what to do."""
    learn_own_keys()
    lines = [f"agentctl: {visible_line(str(error))}"]
    if error.hint:
        lines.append(f"  {visible(error.hint)}".replace("\n", "\n  "))
    write_error("\n".join(lines))


def report_bug(error: Exception, versions: str) -> None:
    """Write a report of a bug to a file, and one line about it to standard error."""
    learn_own_keys()
    place = home().reports / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    text = f"{versions}\n{' '.join(sys.argv[1:2])}\n\n{''.join(traceback.format_exception(error))}"
    summary = visible_line(f"{type(error).__name__}: {error}")[:300]
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.write_text(KNOWN.text(text), encoding="utf-8", errors="backslashreplace")
        place.chmod(0o600)
    except OSError as trouble:
        write_error(f"agentctl: a bug: {summary}\n  no report could be written to {place}: {trouble.strerror}")
    else:
        write_error(f"agentctl: a bug: {summary}\n  please send {place}; nothing that was recorded is lost")


def write_error(text: str) -> None:
    """Write lines to standard error, if there is one, without what is known to be secret."""
    if sys.stderr is not None:
        sys.stderr.write(KNOWN.text(text) + "\n")
        sys.stderr.flush()
