"""What is noise, what is not, and which rule says so."""

import random
import re
import string
from typing import Any

import pytest

from agentctl.compare.calls import Observation
from agentctl.compare.normalise import Comparison, ladder, normalised
from agentctl.compare.rules import own_rule
from agentctl.errors import UsageError

_DRAWN_FROM = string.ascii_lowercase + string.digits + "_"
ONE, OTHER = "2026-11-20T09:00:05.123456Z", "2026-11-21T13:44:06.000000Z"
UUIDS = "123e4567-e89b-12d3-a456-426614174000", "223e4567-e89b-12d3-a456-426614174001"
COMMITS = "4b825dc642cb6eb9a060e54bf8d69288fbee4904", "5b825dc642cb6eb9a060e54bf8d69288fbee4905"
SUMS = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "1" * 31 + "a" * 33


def observed(text: str, at: str | None, **more: Any) -> Observation:
    return Observation([{"type": "text", "text": text}], at=at, **more)


def compare(one: str, other: str, **more: Any) -> Comparison:
    return ladder(observed(one, ONE), observed(other, OTHER), **more)


@pytest.mark.parametrize(
    ("one", "other", "rule"),
    [
        ("now 2026-11-20 09:00:04", "now 2026-11-21 13:44:05", "dates and times"),
        ("2026-11-20T09:00:04.123Z up", "2026-11-21T13:44:05.001Z up", "dates and times"),
        ("backup-20261120-090004.tar", "backup-20261121-134405.tar", "dates and times"),
        ("Fri Nov 20 09:00:04 UTC 2026", "Sat Nov 21 13:44:04 UTC 2026", "dates and times"),
        ("Date: Fri, 20 Nov 2026 09:00:04 GMT", "Date: Sat, 21 Nov 2026 13:44:04 GMT", "dates and times"),
        ('[20/Nov/2026:09:00:04 +0000] "GET"', '[21/Nov/2026:13:44:04 +0000] "GET"', "dates and times"),
        ("-rw-r--r-- 1 u u 12 Nov 20 09:00 a", "-rw-r--r-- 1 u u 12 Nov 21 13:44 a", "dates and times"),
        ("Modify: 2026-11-20 09:00:04.1 +0000", "Modify: 2026-11-21 13:44:05.22 +0000", "dates and times"),
        ("mtime 1795165204", "mtime 1795268645", "dates and times"),
        ("at 09:00:03 it began", "at 13:44:03 it began", "dates and times"),
        ("====== 3 passed in 0.12s ======", "===== 3 passed in 11.12s =====", "pytest timing"),
        ("== 1 failed, 2 passed in 3.1s ==", "= 1 failed, 2 passed in 63.12s (0:01:03) =", "pytest timing"),
        ("real\t0m1.234s", "real\t0m2.5s", "durations"),
        ("added 5 packages in 2s", "added 5 packages in 3s", "durations"),
        ("built in 340 ms", "built in 1.2 ms", "durations"),
        ("3 hours ago", "4 hours ago", "durations"),
        ("took: 0.123", "took: 4.5", "durations"),
        ("Fetched 12 kB (1,234 kB/s)", "Fetched 12 kB (999 kB/s)", "transfer rates"),
        ("worker pid=1234 up", "worker pid=99 up", "process ids"),
        ("[1] 1234", "[1] 4321", "process ids"),
        ("sshd[1234]: hello", "sshd[77]: hello", "process ids"),
        ("==123== Memcheck", "==456== Memcheck", "process ids"),
        ("/proc/123/fd", "/proc/45/fd", "process ids"),
        ("listening on 127.0.0.1:45123", "listening on 127.0.0.1:50111", "ports"),
        ("/tmp/tmpab12cd_x/f", "/tmp/tmpzz9_dffx/f", "temporary paths"),
        ("/tmp/tmp.aB3dE6gH1k", "/tmp/tmp.Xx3dE6gH1k", "temporary paths"),
        ("/tmp/tmpabcdefgh/f", "/tmp/tmpqrstuvwx/f", "temporary paths"),
        ("/tmp/job-bkpwrdbo", "/tmp/job-x7q_2nzr", "temporary paths"),
        ("/tmp/job-bkpwrdbo up", "/tmp/job-zzhqlnow up", "temporary paths"),
        ("/tmp/out.QWJKXZ", "/tmp/out.aB3dE6", "temporary paths"),
        ("/tmp/pytest-of-agent/pytest-0/t", "/tmp/pytest-of-agent/pytest-3/t", "temporary paths"),
        ("/tmp/pip-build-env-a1b2c3d4/x", "/tmp/pip-build-env-z9y8x7w6/x", "temporary paths"),
        ("in /home/a/sandboxes/agentctl-0f1e2d3c4b5a6978/w", "in /srv/agentctl-1f1e2d3c4b5a6978/w", "sandbox folders"),
        (f"made {UUIDS[0]}", f"made {UUIDS[1]}", "ids"),
        (f"commit {COMMITS[0]}", f"commit {COMMITS[1]}", "ids"),
        ("[main 1a2b3c4] fix", "[main 4c3b2a1] fix", "ids"),
        ("root@f00dbabe1234:/# ", "root@a00dbabe1235:/# ", "container names"),
        ("<object at 0x7f1234567890>", "<object at 0x7f9999956789>", "memory addresses"),
        ("Device: 0,35 Inode: 123", "Device: 0,35 Inode: 456", "inodes"),
        ("\x1b[32mok\x1b[0m", "ok", "terminal codes"),
        ("1%\r50%\rdone", "7%\rdone", "progress bars"),
        ("  ━━━━━━━━ 12.3/12.3 MB eta 0:00:00\nok", "  ━━━━━━ 1.3/12.3 MB eta 0:00:09\nok", "progress bars"),
        (" 45%|████▌     | 45/100 [00:01<00:01]\nok", " 90%|█████████ | 90/100 [00:01<00:01]\nok", "progress bars"),
        ("⠙ reify\nok", "⠹ idealTree\n⠼ x\nok", "progress bars"),
    ],
)  # fmt: skip
def test_what_changes_from_run_to_run_is_noise(one: str, other: str, rule: str) -> None:
    assert compare(one, other) == Comparison("normalised", (rule,))
    assert ladder(observed(other, OTHER), observed(one, ONE)) == Comparison("normalised", (rule,))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("wettest day 2015-03-15", "wettest day 2014-03-15"),  # a date in data
        ("error at 12:30:45", "error at 12:31:45"),
        ("Fri Nov 20 09:00:04 UTC 2026", "Sat Nov 21 13:44:04 CET 2026"),  # the zone moved
        ("Fri Nov 20 09:00:04 UTC 2026", "Fri Nov 20 09:00:04 UTC 2031"),  # the clock moved
        ("pandas 3.0.1", "pandas 3.0.2"),
        ("added 5 packages in 2s", "added 6 packages in 2s"),
        ("3 passed in 0.1s", "2 passed, 1 failed in 0.1s"),
        ("listening on port 8000", "listening on port 8080"),
        ("wind 5.4 m/s", "wind 6.4 m/s"),
        ("/tmp/build-output/a", "/tmp/build-results/a"),
        ("/tmp/job-passed", "/tmp/job-failed"),
        ("/tmp/job-finished", "/tmp/job-canceled"),
        ("/tmp/job-baseline", "/tmp/job-modified"),
        (f"{SUMS[0]}  data.csv", f"{SUMS[1]}  data.csv"),  # the sum of contents
        (f"sha256:{SUMS[0]}", f"sha256:{SUMS[1]}"),
        ("240.0", "241.0"),
        ("a\nb", "a\nb\nc"),
        ("a", ""),
    ],
)
def test_what_says_something_is_not_noise(one: str, other: str) -> None:
    assert compare(one, other).step == "different"


def test_where_nobody_knows_the_time_any_date_may_be_the_runs_own() -> None:
    one, other = observed("on 2015-03-15", None), observed("on 2014-03-15", None)
    assert ladder(one, other) == Comparison("normalised", ("dates and times",))


def test_the_ladder_has_four_steps() -> None:
    facts, changes = {"exit_code": 0}, [{"change": "created", "path": "/workspace/a", "kind": "file", "sha256": "1"}]

    def step(text: str, **more: Any) -> str:
        mine = observed("a", ONE, facts=facts, changes=changes)
        return ladder(mine, observed(text, OTHER, **{"facts": facts, "changes": changes} | more)).step

    assert step("a") == "exact"
    assert step("a\x1b[0m") == "normalised"
    assert step("b") == "effects"
    assert step("b", facts={"exit_code": 1}) == "different"
    assert step("a", facts={"exit_code": 1}) == "different"
    assert step("a", changes=[]) == "different"
    assert step("a", changes=[{**changes[0], "mtime": 7}]) == "exact"
    assert step("a", is_error=True) == "different"


def test_bytecode_and_the_inside_of_git_are_no_effects() -> None:
    cache = [{"change": "created", "path": "/workspace/__pycache__/a.cpython-311.pyc", "kind": "file", "sha256": "1"}]
    index = [{"change": "modified", "path": "/workspace/.git/index", "kind": "file", "sha256": "2"}]
    assert ladder(observed("a", ONE, changes=cache), observed("a", OTHER, changes=index)).step == "exact"


def test_an_image_is_compared_by_its_data() -> None:
    def picture(data: str) -> Observation:
        source = {"type": "base64", "media_type": "image/png", "data": data}
        return Observation([{"type": "image", "source": source}], at=ONE)

    assert ladder(picture("QQ=="), picture("QQ==")).step == "exact"
    assert ladder(picture("QQ=="), picture("Qg==")).step == "different"


def test_a_persons_own_rules_come_first_and_are_named() -> None:
    rule = own_rule("build", r"build #\d+", "build #N", frozenset({"bash"}))
    assert compare("build #7", "build #9", tool="bash", own=[rule]) == Comparison("normalised", ("build",))
    assert compare("build #7", "build #9", tool="read", own=[rule]).step == "different"
    with pytest.raises(re.error):
        own_rule("bad", "a", r"\1")


def test_glob_lists_the_same_files_whichever_is_the_newer() -> None:
    both = "/workspace/a\n/workspace/b", "/workspace/b\n/workspace/a"
    assert compare(*both, tool="glob") == Comparison("normalised", ("order of files",))
    assert not compare(*both, tool="bash").is_alike
    assert not compare(both[0], "/workspace/b\n/workspace/c", tool="glob").is_alike


def test_only_the_rules_that_were_needed_are_named() -> None:
    both = "2026-11-20 and /tmp/tmpab12cd_x"
    assert compare(f"{both} took 1.5s", f"{both} took 2.5s") == Comparison("normalised", ("durations",))


def test_no_draw_of_names_is_a_difference() -> None:
    """Names as Python's ``tempfile`` draws them: of 4,000 pairs some 15 have letters alone on both sides."""
    draw = random.Random(20261120)
    told_apart = 0
    for _ in range(4_000):
        one, other = ("".join(draw.choices(_DRAWN_FROM, k=8)) for _ in range(2))
        told_apart += not compare(f"made /tmp/job-{one}/x", f"made /tmp/job-{other}/x").is_alike
    assert told_apart <= 1


def test_every_rule_leaves_a_text_without_noise_as_it_is() -> None:
    plain = "Name the fruit: apple, pear (2 of each), 17 plums; total 21.\n\n    indented = True\n"
    assert normalised(plain, ONE) == plain


def test_a_long_line_takes_no_more_than_a_moment() -> None:
    one = "x" * 200_000 + " 1.5s"
    assert compare(one, one.replace("1.5s", "2.5s")).step == "normalised"
    hostile = "=" * 50_000 + "[" + "=" * 50_000 + "'\"" * 20_000
    assert compare(hostile, hostile + "!").step == "different"


def test_an_own_rule_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentctl.patience.SECONDS", 0.05)
    with pytest.raises(UsageError, match="takes too long"):
        compare("a" * 50 + "!", "a" * 51 + "!", own=[own_rule("slow", "(a+)+$", "")])
