"""The near end of the pipe, with a far end that is broken or malicious: capped, an error, never a hang."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agentctl.definitions.environment import Environment
from agentctl.errors import SandboxError
from agentctl.sandbox import supervised
from agentctl.sandbox.base import ToolCall
from agentctl.sandbox.inside.frames import VERSION
from agentctl.sandbox.pipe import conversation
from agentctl.sandbox.pipe.program import program
from agentctl.sandbox.process import ProcessSandbox, SupervisorProcess
from agentctl.sandbox.supervised import SupervisedSandbox
from tests.cli.program import ROOT
from tests.sandbox.far_end import WrittenEnd, begin


def run(code: str, *calls: ToolCall) -> list[str]:
    sandbox = SupervisedSandbox(WrittenEnd(code))
    try:
        begin(sandbox)
        return [outcome.content[0]["text"] for _, outcome in sandbox.call(calls or [ToolCall("a", "bash", {})])]
    finally:
        sandbox.close()


def test_a_far_end_that_does_as_it_should_is_understood() -> None:
    assert run("say(**READY); say(type='result', id=message()['id'], outcome=FINE)") == ["fine"]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("", "the sandbox died: exit code 0"),
        ("sys.exit('cannot go on\\nat all')", r"exit code 1: cannot go on\\nat all"),
        ("os.kill(os.getpid(), 9)", "killed by SIGKILL"),
        ("import time; time.sleep(60)", "no sign of life"),
        ("say(type='refused', reason='too old')", "refused us: too old"),
        ("send(b'HTTP/1.1 400 Bad Request\\r\\n' * 100)", "what it must not: a frame of"),
        ("send(struct.pack('>IIB', 0xffffffff, 0, 0))", "what it must not: a frame of 4294967295 bytes"),
        ("send(frame(b'{}'*100))", "what it must not"),
        ("send(frame(b'[' * 100000))", "what it must not"),
        ("send(frame(b'\\xff\\xfe'))", "what it must not"),
        ("say(**READY); send(frame(b'{\"a\": NaN}')); message(); message()", "NaN in JSON"),
        ("say(**READY); message(); say(type='result', id='a', outcome={'content': 1})", "what it must not|none"),
        ("say(**READY); message(); say(type='result', id='a', outcome={**FINE, 'content': [0]}); message()", "none"),
        ("say(**READY); [say(type='x') for _ in range(2000)]; message(); message()", "nobody asked for"),
        ("say(**READY)\nwhile True: send(frame(bytes(1 << 20), 0, 1))", "a message of more than"),
        ("say(**READY)\nwhile True: message()", "no sign of life"),
        ("say(**READY); say(type='result', id=[]); say(type='reply', request={}); message(); sys.exit(3)", "code 3"),
        ("say(**READY)\nwhile True: send(frame(bytes(1000), 7))", "channel 7, which is not open"),
        ("say(**READY); send(frame(b'', 1 << 31, 4)); message(); message()", "not there to be opened"),
    ],
)
def test_a_far_end_that_is_broken_is_an_error_soon(code: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if says == "no sign of life":
        monkeypatch.setattr(conversation, "_PROBE_SECONDS", 0.2)
        monkeypatch.setattr(conversation, "_DEAD_SECONDS", 1.0)
    began = time.monotonic()
    with pytest.raises(SandboxError, match=says) as raised:
        run(code)
    assert time.monotonic() - began < 25
    assert "\n" not in raised.value.message


def test_the_first_result_counts_and_those_nobody_asked_for_do_not() -> None:  # T17
    code = """
say(**READY)
say(type='result', id='unheard of', outcome=FINE)
say(type='result', id=message()['id'], outcome=FINE)
say(type='result', id='a', outcome={**FINE, 'is_error': True})
say(type='result', id=message()['id'], outcome=FINE)
message()
"""
    assert run(code, ToolCall("a", "bash", {}), ToolCall("b", "bash", {})) == ["fine", "fine"]


def test_a_far_end_that_answers_with_other_things_for_ever_is_an_error_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "SPARE_SECONDS", -599.0)
    with pytest.raises(SandboxError, match="did not finish within 1 s"):
        run(
            "say(**READY)\nwhile True: say(type='reply', request=7)",
            ToolCall("a", "bash", {"timeout_ms": 600_000}),
        )


def test_a_far_end_that_takes_nothing_is_an_error_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = SupervisedSandbox(WrittenEnd("say(**READY)\nimport time; time.sleep(60)"))
    try:
        begin(sandbox)
        monkeypatch.setattr(conversation, "ANSWER_SECONDS", 1.0)
        with pytest.raises(SandboxError, match="took nothing"):
            sandbox.call([ToolCall("a", "write", {"content": "x" * (8 << 20)})])
    finally:
        sandbox.close()


@pytest.mark.parametrize("size", [2, -1, "3", True, None])
def test_an_output_is_no_longer_than_it_was_said_to_be(size: object) -> None:
    code = f"""
say(**READY)
request = message()
say(type='reply', request=request['request'], size={size!r})
send(frame(b'abc', request['channel']) + frame(b'', request['channel'], 2))
message()
"""
    sandbox = SupervisedSandbox(WrittenEnd(code))
    try:
        begin(sandbox)
        with pytest.raises(SandboxError, match=r"longer than|what it must not"):
            list(sandbox.read_output("x"))
    finally:
        sandbox.close()


@pytest.mark.parametrize(
    ("files", "complete", "count", "is_whole"),
    [
        ("[['a', 1, 0o644], ['a', 2, 0o644], ['A', 3, 0o644]]", True, 2, True),
        ("[[str(number), 1, 0o644] for number in range(12_000)]", True, 10_000, False),
        ("[['a', 1 << 62, 0o644]]", False, 1, False),
        ("'no list'", "yes", 0, False),
    ],
)
def test_outputs_are_listed_once_and_not_for_ever(  # O5
    files: str, complete: object, count: int, is_whole: bool
) -> None:
    code = f"""
say(**READY)
say(type='reply', request=message()['request'], files={files}, complete={complete!r})
message()
"""
    sandbox = SupervisedSandbox(WrittenEnd(code))
    try:
        begin(sandbox)
        found = sandbox.outputs()
        assert (len(found.files), found.is_whole) == (count, is_whole)
    finally:
        sandbox.close()


def test_files_with_names_that_lead_elsewhere_are_not_listed() -> None:
    names = ["ok", "a/b", "../x", "/etc/passwd", "a/../b", "a//b", ".", "", "x\0y", 3, "l" * 5000]
    code = f"""
say(**READY)
files = [[name, 1, 0o777] for name in {names!r}] + [['neg', -1, 0], ['short'], 'text', ['suid', 1, 0o104755]]
say(type='reply', request=message()['request'], files=files, complete=True)
message()
"""
    sandbox = SupervisedSandbox(WrittenEnd(code))
    try:
        begin(sandbox)
        files = {file.path: file.mode for file in sandbox.outputs()}
        assert files == {"a/b": 0o777, "ok": 0o777, "suid": 0o755}
    finally:
        sandbox.close()


def test_a_sandbox_that_is_left_alone_hears_from_us(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(conversation, "PING_SECONDS", 0.1)
    code = "say(**READY)\ncount = 0\nwhile count < 3: count += message()['type'] == 'ping'\n"
    sandbox = SupervisedSandbox(WrittenEnd(f"{code}open({str(tmp_path / 'three')!r}, 'w')"))
    try:
        begin(sandbox)
        deadline = time.monotonic() + 20
        while not (tmp_path / "three").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        sandbox.close()


def test_nobody_is_pinged_before_it_has_its_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def written_slowly() -> list[memoryview]:
        time.sleep(0.5)
        return program()

    monkeypatch.setattr(conversation, "PING_SECONDS", 0.1)
    monkeypatch.setattr(supervised, "program", written_slowly)
    code = "say(**READY)\nwhile message()['type'] != 'call': pass\nsay(type='result', id='a', outcome=FINE)\nmessage()"
    assert run(code) == ["fine"]


def test_a_message_that_the_supervisor_does_not_know_is_a_mismatch_and_no_fault_of_a_call(tmp_path: Path) -> None:
    sandbox = ProcessSandbox(Environment(name="x"), tmp_path)
    says = rf"does not know the message dance: it is of version {VERSION}, and this agentctl speaks version {VERSION}"
    try:
        begin(sandbox)
        calls = sandbox.call([ToolCall("a", "bash", {"command": "sleep 60"})])
        sandbox._conversation.say({"type": "dance"})
        began = time.monotonic()
        with pytest.raises(SandboxError, match=says):
            next(iter(calls))
        with pytest.raises(SandboxError, match=says):
            sandbox._conversation.request({"type": "ping"})
        assert time.monotonic() - began < 15
    finally:
        sandbox.close()


STOPPED = """
import os, subprocess, sys
from pathlib import Path
from agentctl.definitions.environment import Environment
from agentctl.sandbox.base import ToolCall
from agentctl.sandbox.pipe import conversation
from agentctl.sandbox.process import ProcessSandbox
from tests.sandbox.far_end import begin

conversation._PROBE_SECONDS, conversation._DEAD_SECONDS = 0.2, 3.0
sandbox = ProcessSandbox(Environment(name="x"), Path(sys.argv[1]))
begin(sandbox)
calls = sandbox.call([ToolCall("a", "bash", {"command": "sleep 4.5; echo done"})])
stop = subprocess.Popen(["sh", "-c", f"sleep 0.4; kill -STOP {os.getpid()}; sleep 3.5; kill -CONT {os.getpid()}"])
print(*(outcome.content[0]["text"] for _, outcome in calls))
stop.wait()
sandbox.close()
"""


def test_a_harness_that_was_stopped_for_long_does_not_take_its_sandbox_for_dead(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, str(tmp_path)], env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout == "done\n", done.stderr


@pytest.mark.parametrize(("number", "how"), [(9, "SIGKILL"), (37, "signal 37")])  # one that has no name of its own
def test_a_sandbox_that_a_signal_has_ended_says_which(number: int, how: str) -> None:
    process = SupervisorProcess([sys.executable, "-c", f"import os; os.kill(os.getpid(), {number})"], {})
    try:
        assert process.cause_of_death() == f"the sandbox died: killed by {how}"
    finally:
        process.close(at_once=True)
