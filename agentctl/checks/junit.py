"""A report in the form that CI systems read (JUnit's XML): one suite, a case for each check."""

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from agentctl.checks.checking import Checked

# What XML 1.0 has no way to write at all.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(session_id: str, checked: Sequence[Checked], *, allow_unknown: bool) -> str:
    """Write the report. A check that nothing decides is an error, or skipped where that is allowed."""
    failed = sum(each.verdict.status == "fail" for each in checked)
    unknown = sum(each.verdict.status == "unknown" for each in checked)
    counts = f'tests="{len(checked)}" failures="{failed}" errors="{0 if allow_unknown else unknown}"'
    skipped = f'skipped="{unknown if allow_unknown else 0}"'
    cases = "".join(_case(session_id, each, allow_unknown=allow_unknown) for each in checked)
    suite = f"  <testsuite name={_attribute(session_id)} {counts} {skipped}>\n{cases}  </testsuite>\n"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites {counts}>\n{suite}</testsuites>\n'


def _case(session_id: str, each: Checked, *, allow_unknown: bool) -> str:
    head = f"    <testcase classname={_attribute(f'agentctl.{session_id}')} name={_attribute(each.name)}"
    verdict = each.verdict
    if verdict.status == "pass":
        return f"{head}/>\n"
    word = "failure" if verdict.status == "fail" else "skipped" if allow_unknown else "error"
    place = "" if verdict.event is None else f"event #{verdict.event}"
    return f"{head}>\n      <{word} message={_attribute(verdict.why)}>{_text(place)}</{word}>\n    </testcase>\n"


def _attribute(text: str) -> str:
    return quoteattr(_UNWRITABLE.sub("\ufffd", text))


def _text(text: str) -> str:
    return escape(_UNWRITABLE.sub("\ufffd", text))
