"""What every sandbox does alike, whatever it is made of: Docker, bubblewrap, or none at all."""

import base64
import contextlib
import hashlib
import itertools
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentctl.definitions.environment import Environment
from agentctl.errors import SandboxError
from agentctl.launch.uploading import upload
from agentctl.sandbox.base import Started, ToolCall, ToolOutcome, Upload
from agentctl.sandbox.bubblewrap import BubblewrapSandbox
from agentctl.sandbox.docker.sandbox import DockerSandbox
from agentctl.sandbox.process import ProcessSandbox
from agentctl.sandbox.supervised import SupervisedSandbox
from agentctl.session.files import File
from agentctl.store.blobs import Blobs

KINDS = [
    pytest.param("docker", marks=pytest.mark.docker),
    pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
    "none",
]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
NUMBERS = itertools.count(1)

AT_ONCE = 50.0
"""Seconds within which what waits for nothing is done, on a busy machine too; a call that hangs takes longer."""

isolated = pytest.mark.parametrize("kind", KINDS[:2], indirect=True, scope="module")
"""For what only a sandbox that is one can hold."""


class Box:
    """A sandbox, and short ways to use it."""

    def __init__(self, kind: str, folder: Path, uploads: tuple[Upload, ...] = ()) -> None:
        self.kind, self.folder = kind, folder
        self.told: list[str] = []
        self.session_id = new_session()
        self.sandbox = make(kind, folder)
        self.facts = self.sandbox.prepare(self.told.append)
        self.blobs = Blobs(folder.with_name(folder.name + "-blobs"))
        self.files = upload(uploads, self.blobs, self.told.append).files
        self.started: Started = self.sandbox.start(self.session_id, self.files, self.blobs, self.told.append)

    def tool(self, name: str, **arguments: object) -> ToolOutcome:
        call = ToolCall(f"sevt_{next(NUMBERS)}", name, arguments)
        [(call_id, outcome)] = self.sandbox.call([call])
        assert call_id == call.id
        self.sandbox.acknowledge([call_id])
        return outcome

    def bash(self, command: str, **more: object) -> ToolOutcome:
        return self.tool("bash", command=command, **more)

    def says(self, command: str, **more: object) -> str:
        return text(self.bash(command, **more))


def make(kind: str, folder: Path) -> SupervisedSandbox:
    config: dict[str, object] = {"type": "docker", "env": {"GREETING": "hello there"}}
    if kind == "docker":
        config["image"] = "agentctl-base:bookworm"
    environment = Environment(name="test", config=config)
    if kind == "docker":
        return DockerSandbox(environment, folder)
    return (BubblewrapSandbox if kind == "bubblewrap" else ProcessSandbox)(environment, folder)


def new_session() -> str:
    return f"sesn_test{os.getpid()}x{next(NUMBERS)}"


def nap() -> str:
    """Return a command that takes long and that nobody else runs."""
    return f"sleep 9{os.getpid()}{next(NUMBERS)}"


def running(*commands: str) -> int:
    """Count how many of these commands run on this machine, in whatever namespace."""
    count = 0
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            count += entry.read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode() in commands
        except (OSError, UnicodeDecodeError):
            continue
    return count


def begin_to_run(count: int, *commands: str) -> bool:
    """Say whether so many of these commands run, or do soon: what was put into the background may take its time."""
    deadline = time.monotonic() + 20
    while running(*commands) != count and time.monotonic() < deadline:
        time.sleep(0.02)
    return running(*commands) == count


def text(outcome: ToolOutcome) -> str:
    assert [block["type"] for block in outcome.content] == ["text"]
    said: str = outcome.content[0]["text"]
    said.encode()  # valid UTF-8, and never empty
    assert said
    return said


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def shared(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    os.environ["CANARY_OF_THE_HOST"] = "a secret"
    box = Box(kind, tmp_path_factory.mktemp(kind))
    del os.environ["CANARY_OF_THE_HOST"]
    yield box
    box.sandbox.close()


@pytest.fixture
def box(shared: Box) -> Box:
    """The shared sandbox with a fresh shell in an empty workspace."""
    shared.tool("bash", restart=True)
    shared.bash("chmod -R u+rwX . ; find . -mindepth 1 -delete")
    return shared


@pytest.fixture
def own_box(kind: str, tmp_path: Path) -> Iterator[Callable[..., Box]]:
    """Make sandboxes that a test may wreck."""
    boxes: list[Box] = []

    def factory(*uploads: Upload) -> Box:
        boxes.append(Box(kind, tmp_path / f"box{len(boxes)}", uploads))
        return boxes[-1]

    yield factory
    for box in boxes:
        box.sandbox.close()


# The shell.


def test_what_a_command_prints_comes_back_in_order(box: Box) -> None:
    assert box.says("echo one; echo two >&2; echo three") == "one\ntwo\nthree"
    assert box.says("true") == "(no output)"


def test_folder_variables_and_functions_are_kept(box: Box) -> None:
    box.bash("mkdir sub; cd sub; export A=1; b=2; greet() { echo hi $1; }")
    assert box.says("pwd; echo $A $b; greet you") == f"{box.sandbox.layout.workspace}/sub\n1 2\nhi you"


def test_the_exit_code_is_told(box: Box) -> None:
    outcome = box.bash("echo so far; (exit 3)")
    assert outcome.is_error
    assert text(outcome) == "so far\n[exit code 3]"
    assert outcome.facts["exit_code"] == 3
    assert not box.bash("true").is_error


def test_death_by_a_signal_is_named(box: Box) -> None:  # T8
    assert box.says("sh -c 'kill -SEGV $$'").endswith("[exit code 139 (SIGSEGV)]")
    assert box.says("(exit 255)") == "[exit code 255]"


def test_standard_input_is_empty(box: Box) -> None:  # T7
    began = time.monotonic()
    assert box.says("cat; read x || echo nothing; python3 -c 'print(repr(input()))'").endswith("[exit code 1]")
    assert "nothing" in box.says("read x || echo nothing")
    assert box.says("test -t 0 || test -t 1 || test -t 2 || echo no terminal") == "no terminal"
    assert time.monotonic() - began < AT_ONCE


def test_a_background_child_does_not_hold_the_call(box: Box) -> None:  # T2
    began, long = time.monotonic(), nap()
    assert box.says(f"{long} & echo hi") == "hi"
    assert time.monotonic() - began < AT_ONCE
    assert begin_to_run(1, long)


def test_what_a_background_child_prints_later_never_shows_up(box: Box) -> None:
    box.bash("(while :; do echo tick; sleep 0.02; done) & echo started")
    time.sleep(0.1)
    assert box.says("sleep 0.1; echo mine") == "mine"


def test_a_background_child_that_floods_its_output_goes_on(box: Box) -> None:
    box.bash("(head -c 30000000 /dev/zero; touch done) & true")
    assert box.says("for i in $(seq 1000); do test -e done && break; sleep 0.05; done; ls") == "done"


def test_a_daemon_that_holds_the_output_holds_no_call(box: Box) -> None:  # T3
    long, began = nap(), time.monotonic()
    code = (
        "import os\nif os.fork() == 0:\n os.setsid()\n if os.fork() == 0:\n"
        f'  os.system("{long}; echo late")\n os._exit(0)'
    )
    assert box.says(f"python3 -c '{code}'; echo first") == "first"
    assert box.says("sleep 0.3; echo second") == "second"
    assert time.monotonic() - began < AT_ONCE
    assert begin_to_run(1, long), "it goes on, as a job of the background does"
    box.tool("bash", restart=True)
    assert running(long) == 0


def test_a_shell_that_closes_its_own_streams_still_answers(box: Box) -> None:  # T8
    assert box.says("bash -c 'exec >&-; echo x' 2>&1").startswith("bash: line 1: echo: write error")
    box.bash("exec >&- 2>&- <&-; true")
    assert box.says("echo still here") == "still here"


@pytest.mark.parametrize("command", ["echo 'unclosed", "if true; then", "for x in", ")", "echo $(("])
def test_an_unfinished_command_is_an_ordinary_error(box: Box, command: str) -> None:
    box.bash("kept=yes")
    began = time.monotonic()
    outcome = box.bash(command)
    assert outcome.is_error
    assert text(outcome).startswith("bash: line ")
    assert time.monotonic() - began < AT_ONCE
    assert box.says("echo $kept") == "yes"


def test_exit_reports_its_code_and_a_new_shell_is_where_the_old_one_was(box: Box) -> None:
    box.bash("mkdir here; export KEPT=1; lost=1")
    said = box.says("cd here; exit 7")
    assert said.endswith("[exit code 7]")
    assert "a new shell was started in" in said
    assert box.says("pwd; echo .$KEPT.$lost.") == f"{box.sandbox.layout.workspace}/here\n.1.."


def test_set_e_ends_one_shell_and_no_more(box: Box) -> None:
    assert box.bash("set -euo pipefail; false; echo not here").facts["exit_code"] == 1
    assert box.says("false; echo here") == "here"


def test_a_shell_that_kills_itself_is_replaced(box: Box) -> None:
    assert box.says("kill -9 $$").endswith("[exit code 137 (SIGKILL)]")
    assert box.says("echo here") == "here"


def test_a_folder_that_goes_away_does_no_harm(box: Box) -> None:
    box.bash("mkdir gone; cd gone; rmdir ../gone")
    assert box.says("echo still here") == "still here"
    assert "exit code" in box.says("exit 1")
    assert box.says("pwd") == box.sandbox.layout.workspace


def test_restart_gives_a_fresh_shell_and_ends_what_ran(box: Box) -> None:
    one, other = nap(), nap()
    box.bash(f"export A=1; cd /; setsid {one} & {other} &")
    assert box.says("", restart=True) == "bash session restarted"
    assert box.says("echo .$A.; pwd") == f"..\n{box.sandbox.layout.workspace}"
    assert running(one, other) == 0


def test_a_call_without_a_command_is_refused(box: Box) -> None:
    assert "command is required" in text(box.tool("bash"))
    assert "NUL" in box.says("echo \0")
    assert "surrogate" in box.says("echo \ud800")


def test_temporary_files_may_all_be_deleted(box: Box) -> None:
    box.bash(f"find {box.sandbox.layout.temporary} -mindepth 1 -delete")
    assert box.says("echo still here") == "still here"
    assert box.says("mktemp").startswith(box.sandbox.layout.temporary)


# Time.


def test_a_command_that_takes_too_long_is_ended_with_all_it_started(box: Box) -> None:  # T1
    earlier, *hidden = (nap() for _ in range(5))
    box.bash(f"mkdir here; {earlier} & cd here")
    began = time.monotonic()
    hide = f"(setsid {hidden[0]} &); ({hidden[1]} & disown); nohup {hidden[2]} >/dev/null 2>&1 &"
    outcome = box.bash(f"echo part; {hide} {hidden[3]}; echo never", timeout_ms=2000)
    assert time.monotonic() - began < AT_ONCE
    assert outcome.is_error
    assert outcome.facts["timed_out"] is True
    assert text(outcome).startswith("part\n")
    assert text(outcome).endswith("bash command timed out after 2s")
    assert running(*hidden) == 0
    assert begin_to_run(1, earlier), "a job of an earlier call goes on"
    assert box.says("pwd").endswith("/here")


def test_a_command_that_ignores_sigterm_is_killed(box: Box) -> None:  # T1
    began = time.monotonic()
    assert "timed out" in box.says("trap '' TERM; while :; do sleep 1; done", timeout_ms=200)
    assert time.monotonic() - began < AT_ONCE
    assert box.says("echo next") == "next"


def test_a_call_that_runs_can_be_cancelled_and_so_can_those_behind_it(box: Box) -> None:
    first, second, third = (ToolCall(f"sevt_{next(NUMBERS)}", "bash", {"command": c}) for c in ("sleep 99", "a", "b"))
    outcomes = box.sandbox.call([first, second, third])
    box.sandbox.cancel(second.id)
    box.sandbox.cancel(first.id)
    said = {call_id: text(outcome) for call_id, outcome in outcomes}
    assert said[first.id].endswith("bash command cancelled")
    assert said[second.id] == "cancelled before it began"
    assert "not found" in said[third.id]


def test_ten_thousand_orphans_leave_no_zombies(box: Box) -> None:  # T13
    parents = 10 if box.kind == "none" else 200
    code = (
        f"import os, time\nfor _ in range({parents}):\n if os.fork() == 0:\n"
        "  for _ in range(50):\n   while True:\n    try:\n     os.fork() or os._exit(0)\n     break\n"
        "    except OSError: time.sleep(0.02)\n  os._exit(0)\n os.wait()"
    )
    assert box.says(f"python3 -c '{code}'; echo done", timeout_ms=600_000) == "done"
    zombies = "cat /proc/[0-9]*/stat 2>/dev/null | awk '$3 == \"Z\" && $4 == '$PPID | wc -l"
    assert box.says(f"for i in $(seq 200); do n=$({zombies}); test $n = 0 && break; sleep 0.1; done; echo $n") == "0"


# Output.


def test_long_output_goes_to_a_file_in_bounded_memory(box: Box) -> None:  # T5
    outcome = box.bash("head -c 200000000 /dev/zero | tr '\\0' 'y'; echo the end")
    said = text(outcome)
    assert len(said) < 25_000
    assert said.startswith("yyyy")
    assert said.endswith("the end")
    assert outcome.facts["output_bytes"] == 200_000_008
    path = outcome.facts["spilled_to"]
    assert path in said
    assert box.says(f"stat -c %s {path}; rm {path}") == str(64 << 20)
    assert int(box.says("awk '/^VmRSS/ {print $2}' /proc/$PPID/status")) < 60_000


def test_output_that_never_ends_ends_with_the_time(box: Box) -> None:  # T5
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # of all tests that this process has done
    outcome = box.bash("yes 'to both' | tee /dev/stderr", timeout_ms=2000)
    assert outcome.facts["timed_out"] is True
    assert outcome.facts["output_bytes"] > 1 << 20
    assert len(text(outcome)) < 25_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    box.bash(f"rm {outcome.facts['spilled_to']}")


def test_one_character_over_the_limit_makes_the_difference(box: Box) -> None:
    assert len(box.says("printf %0100000d 0")) == 100_000
    outcome = box.bash("printf %0100001d 0")
    assert box.says(f"wc -c <{outcome.facts['spilled_to']}") == "100001"


def test_output_that_is_no_text_becomes_text(box: Box) -> None:  # T6
    assert box.says(r"printf 'a\0b\xff\xc3c\xed\xa0\x80'") == r"a\x00b\xff\xc3c\xed\xa0\x80"
    assert box.says(r"printf '\e[31mred\e[0m \e]0;title\a plain \e]8;;x\e\\link'") == "red  plain link"
    assert box.says("head -c 100000 /dev/urandom")
    assert box.says("printf 'a\\n' | iconv -t UTF-16LE 2>/dev/null || printf 'a\\0\\n\\0'") == "a\\x00\n\\x00"
    assert box.says("head -c 200000 /bin/bash").startswith("\x7fELF")


# Files.


def test_a_text_file_is_written_and_read_as_it_is(box: Box) -> None:
    content = "héllo\r\nwörld\n\n\ttab 🙂 no newline at the end"
    size = len(content.encode())
    assert text(box.tool("write", file_path="a/b/c.txt", content=content)) == f"wrote {size} bytes to a/b/c.txt"
    assert text(box.tool("read", file_path="a/b/c.txt")) == content
    assert text(box.tool("read", file_path=f"{box.sandbox.layout.workspace}/a/b/c.txt")) == content


def test_relative_paths_start_at_the_workspace_wherever_the_shell_is(box: Box) -> None:
    box.bash("cd /")
    box.tool("write", file_path="x", content="1")
    assert box.says(f"cat {box.sandbox.layout.workspace}/x") == "1"


def test_an_empty_file_is_said_to_be_empty(box: Box) -> None:
    assert text(box.tool("write", file_path="empty", content="")) == "wrote 0 bytes to empty"
    assert text(box.tool("read", file_path="empty")) == "(the file is empty)"
    assert box.says("stat -c %s empty") == "0"


def test_a_file_that_is_no_text_is_read_in_escapes(box: Box) -> None:
    box.bash(r"printf 'a\0b\xff' >binary")
    assert text(box.tool("read", file_path="binary")) == r"a\x00b\xff"


@pytest.mark.parametrize(
    ("view_range", "lines"),
    [([1, 2], "1\n2"), ([199999, 200000], "199999\n200000"), ([199999, -1], "199999\n200000"), ([0, 1], "1")],
)
def test_a_large_file_is_read_by_lines(box: Box, view_range: list[int], lines: str) -> None:
    box.bash("seq 200000 >large")
    whole = box.tool("read", file_path="large")
    assert whole.is_error
    assert "view_range" in text(whole)
    assert text(box.tool("read", file_path="large", view_range=view_range)) == lines


def test_lines_that_are_not_there_are_an_error(box: Box) -> None:
    box.bash("seq 3 >three")
    assert "three has 3 lines" in text(box.tool("read", file_path="three", view_range=[5, 9]))
    assert "empty" in text(box.tool("read", file_path="three", view_range=[3, 2]))


def test_images_and_documents_come_back_as_such(box: Box) -> None:
    for name, start, block, media_type in [
        ("a.png", PNG, "image", "image/png"),
        ("b", b"\xff\xd8\xff\xe0", "image", "image/jpeg"),
        ("c", b"GIF89a", "image", "image/gif"),
        ("d", b"RIFF1234WEBP", "image", "image/webp"),
        ("e.pdf", b"%PDF-1.7", "document", "application/pdf"),
    ]:
        box.bash(f"echo {base64.b64encode(start).decode()} | base64 -d >{name}")
        [found] = box.tool("read", file_path=name).content
        assert found["type"] == block
        assert found["source"]["media_type"] == media_type
        assert base64.b64decode(found["source"]["data"]) == start


def test_an_image_that_is_too_large_is_refused(box: Box) -> None:
    box.bash(r"(printf '\x89PNG\r\n\x1a\n'; head -c 4000000 /dev/zero) >big.png")
    assert "exceeds 3932160-byte limit" in text(box.tool("read", file_path="big.png"))


@pytest.mark.parametrize("tool", ["read", "edit", "write"])
def test_what_is_no_file_is_refused_at_once(box: Box, tool: str) -> None:  # T9
    box.bash("mkfifo fifo; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"socket\")'; mkdir folder")
    began = time.monotonic()
    arguments = {"edit": {"old_string": "a", "new_string": "b"}, "write": {"content": "a"}}.get(tool, {})
    no_file = "not a regular file"
    for path, why in [("fifo", no_file), ("/dev/zero", no_file), ("folder", "is a directory")]:
        outcome = box.tool(tool, file_path=path, **arguments)
        assert outcome.is_error
        assert why in text(outcome)
    assert box.tool(tool, file_path="socket", **arguments).is_error
    assert "no such file" in text(box.tool("read", file_path="missing"))
    assert box.kind == "none" or box.tool(tool, file_path="/proc/kmsg", **arguments).is_error
    box.bash("truncate -s 5G large")
    assert tool == "write" or "exceeds" in text(box.tool(tool, file_path="large", **arguments))
    assert time.monotonic() - began < AT_ONCE


def test_hostile_names_are_names(box: Box) -> None:
    names = ["a b", "-rf", "'\"", "$(touch hacked)", "ü\u202e", "*", "\\", "a\tb", "new\nline"]
    for name in names:
        assert text(box.tool("write", file_path=name, content=name)).startswith("wrote")
        assert text(box.tool("read", file_path=name)) == name
    assert box.says("ls -1b | wc -l") == str(len(names))
    box.bash("touch $'\\xff'")
    assert "\\xff" in text(box.tool("glob", pattern="*"))
    assert "NUL" in text(box.tool("read", file_path="a\0b"))
    assert "surrogate" in text(box.tool("write", file_path="\udcff", content=""))


def test_a_write_replaces_the_whole_file_and_keeps_its_mode(box: Box) -> None:
    box.bash("echo old >file; chmod 750 file; ln -s file link")
    box.tool("write", file_path="link", content="new")
    assert box.says("stat -c %a file; cat file; readlink link; ls -A") == "750\nnewfile\nfile\nlink"


def test_whoever_reads_while_a_file_is_written_sees_the_old_or_the_new(box: Box) -> None:  # T11
    old, new = "a" * 4_000_000, "b" * 3_000_000
    box.tool("write", file_path="file", content=old)
    box.bash("chmod 750 file; (while :; do head -c 1 file; stat -c ' %s %a' file; done >seen 2>&1) &")
    box.bash("for i in $(seq 1000); do test -s seen && break; sleep 0.02; done")
    for content in (new, old) * 3:
        box.tool("write", file_path="file", content=content)
    box.tool("bash", restart=True)
    seen = set(box.says("sed '$d' seen | sort -u").splitlines())
    # One line is of one file, or of two when it was replaced in between.
    assert {f"{letter} {size} 750" for letter in "ab" for size in (len(old), len(new))} >= seen
    assert box.says("ls -A") == "file\nseen"


def test_a_file_is_whole_when_its_writer_is_killed(kind: str, own_box: Callable[..., Box]) -> None:  # T11
    if kind != "none":
        return  # its files go with it; the supervisor, whose work it is, is the same
    for wait in (0.0, 0.01, 0.03):
        box = own_box()
        box.tool("write", file_path="file", content="a" * 20_000_000)
        with contextlib.suppress(SandboxError):
            box.bash(f"(sleep {wait}; kill -9 $PPID) >/dev/null 2>&1 &")
            for letter in "bababa":
                box.tool("write", file_path="file", content=letter * 20_000_000)
        [path] = box.folder.rglob("workspace/file")
        data = path.read_bytes()
        assert data in (b"a" * 20_000_000, b"b" * 20_000_000)


@isolated
def test_what_may_not_be_read_or_written_is_said_so(box: Box) -> None:
    box.bash("echo x >secret; chmod 0 secret; mkdir locked; chmod 500 locked")
    assert "permission denied" in text(box.tool("read", file_path="secret"))
    assert "permission denied" in text(box.tool("write", file_path="secret", content=""))
    assert "permission denied" in text(box.tool("write", file_path="locked/new", content=""))
    assert box.tool("write", file_path="/usr/bin/new", content="").is_error


@pytest.mark.parametrize(
    ("before", "old", "new", "after", "said"),
    [
        (b"one two", "one", "1", b"1 two", "edited f (1 replacement(s))"),
        (b"a a", "a", "b", b"a a", "old_string appears 2 times in f (must be unique)"),
        (b"a", "b", "c", b"a", "old_string not found in f"),
        (b"a\r\nb", "a\nb", "c", b"a\r\nb", "old_string not found in f (its lines end in CRLF)"),
        (b"a\r\nb", "a\r\nb", "c\r\n", b"c\r\n", "edited f (1 replacement(s))"),
        (b"\xef\xbb\xbfa", "a", "b", b"\xef\xbb\xbfb", "edited f (1 replacement(s))"),
        (b"\xff\x00a", "a", "\u00e4", b"\xff\x00\xc3\xa4", "edited f (1 replacement(s))"),
        (b"a", "", "b", b"a", "old_string is empty"),
    ],
)
def test_an_edit_changes_what_it_says_and_no_other_byte(  # T10
    box: Box, before: bytes, old: str, new: str, after: bytes, said: str
) -> None:
    box.bash(f"echo {base64.b64encode(before).decode()} | base64 -d >f; chmod 640 f")
    outcome = box.tool("edit", file_path="f", old_string=old, new_string=new)
    assert text(outcome).removeprefix("edit: ") == said
    assert outcome.is_error == (before == after)
    assert box.says("base64 -w0 f; stat -c ' %a' f") == base64.b64encode(after).decode() + " 640"


def test_an_edit_can_replace_every_occurrence(box: Box) -> None:
    box.bash("echo a a a >f")
    outcome = box.tool("edit", file_path="f", old_string="a", new_string="b", replace_all=True)
    assert text(outcome) == "edited f (3 replacement(s))"
    assert box.says("cat f") == "b b b"


def test_glob_lists_the_newest_first(box: Box) -> None:
    box.bash("mkdir -p a/b .git/x; touch .git/x/y.py")
    box.bash("touch -d @1 old.py; touch -d @3 a/b/new.py; touch -d @2 a/mid.pyi")
    root = box.sandbox.layout.workspace
    assert text(box.tool("glob", pattern="**/*.py")) == f"{root}/a/b/new.py\n{root}/old.py"
    assert text(box.tool("glob", pattern="**/*.{py,pyi}")) == f"{root}/a/b/new.py\n{root}/a/mid.pyi\n{root}/old.py"
    assert text(box.tool("glob", pattern="*.py[!x]", path="a")) == f"{root}/a/mid.pyi"
    assert text(box.tool("glob", pattern="*.txt")) == "no matches"
    assert "absolute" in text(box.tool("glob", pattern="/etc/*"))
    assert "'..'" in text(box.tool("glob", pattern="../*"))
    assert box.tool("glob", pattern="*", path="missing").is_error


def test_glob_lists_no_more_than_200(box: Box) -> None:
    box.bash("for i in $(seq 205); do : >f$i; done")
    lines = text(box.tool("glob", pattern="f*")).splitlines()
    assert len(lines) == 201
    assert lines[-1] == "[5 more are not shown]"


def test_grep_gives_path_number_and_line(box: Box) -> None:
    box.bash("mkdir src; cd src; printf 'one\\ntwo\\n' >a; printf two >../b; printf 'two\\0' >bin; ln -s /etc/passwd l")
    root = box.sandbox.layout.workspace
    assert text(box.tool("grep", pattern="^tw")) == f"{root}/b:1:two\n{root}/src/a:2:two"
    assert text(box.tool("grep", pattern="one|root", path="src")) == f"{root}/src/a:1:one"
    assert text(box.tool("grep", pattern="o", path="src/a")) == f"{root}/src/a:1:one\n{root}/src/a:2:two"
    assert text(box.tool("grep", pattern="three")) == "no matches"
    assert not box.tool("grep", pattern="three").is_error
    assert box.tool("grep", pattern="(").is_error
    assert box.tool("grep", pattern="x", path="missing").is_error


def test_an_unknown_tool_is_an_outcome(box: Box) -> None:
    assert "no such tool" in text(box.tool("teleport"))


# Calls.


def test_calls_sent_together_run_one_after_another(box: Box) -> None:
    commands = ["sleep 0.2; echo a >>log", "echo b >>log", "cat log"]
    calls = [ToolCall(f"sevt_{next(NUMBERS)}", "bash", {"command": command}) for command in commands]
    calls.insert(2, ToolCall(f"sevt_{next(NUMBERS)}", "write", {"file_path": "other", "content": "x"}))
    outcomes = list(box.sandbox.call(calls))
    assert [call_id for call_id, _ in outcomes] == [call.id for call in calls]
    assert text(outcomes[-1][1]) == "a\nb"


def test_two_edits_at_once_are_made_one_after_the_other(box: Box) -> None:  # T15
    box.bash("echo one two >file")
    edits = [("one", "1"), ("two", "2"), ("one", "3")]
    calls = [
        ToolCall(f"sevt_{next(NUMBERS)}", "edit", {"file_path": "file", "old_string": old, "new_string": new})
        for old, new in edits
    ]
    said = [text(outcome) for _, outcome in box.sandbox.call(calls)]
    assert [line.startswith("edited") for line in said] == [True, True, False]
    assert "not found" in said[2]
    assert box.says("cat file") == "1 2"


def test_a_call_is_never_run_twice(box: Box) -> None:
    call = ToolCall(f"sevt_{next(NUMBERS)}", "bash", {"command": "echo x >>log; wc -l <log"})
    first = list(box.sandbox.call([call]))
    assert box.sandbox.status(call.id) == "done"
    assert list(box.sandbox.call([call])) == first, "the outcome is kept until it is acknowledged"
    box.sandbox.acknowledge([call.id])
    assert box.sandbox.status(call.id) == "acknowledged"
    [(_, again)] = box.sandbox.call([call])
    assert again.is_error
    assert box.says("wc -l <log") == "1"
    assert box.sandbox.status("sevt_unheard_of") == "unknown"


def test_a_fault_in_a_tool_is_an_outcome(box: Box) -> None:
    assert box.tool("read", file_path=3).is_error
    assert box.tool("read").is_error
    assert box.tool("bash", command=3).is_error
    assert box.tool("bash", command="x", timeout_ms="soon").is_error
    assert box.says("echo still here") == "still here"


# What is inside.


def test_no_variable_of_the_host_is_seen(box: Box) -> None:
    names = {line.partition("=")[0] for line in box.says("env").splitlines()}
    assert "CANARY_OF_THE_HOST" not in names
    allowed = {"GREETING", "HOME", "HOSTNAME", "LANG", "OLDPWD", "PATH", "PWD", "SHLVL", "TERM", "_"} | (
        {"AGENTCTL_SANDBOX", "TMPDIR"} if box.kind == "none" else set()
    )
    assert names - allowed == set()
    assert box.says("echo $GREETING") == "hello there"
    assert box.says("cat /proc/$PPID/environ | grep -c CANARY").startswith("0")


def test_workspace_outputs_temporary_folder_and_home_can_be_written(box: Box) -> None:
    layout = box.sandbox.layout
    for folder in (layout.workspace, layout.outputs, layout.uploads, layout.temporary, "$HOME"):
        assert box.says(f"touch {folder}/x && rm {folder}/x && echo ok") == "ok"


@isolated
def test_there_is_no_network(box: Box) -> None:
    assert box.says("ls /sys/class/net 2>/dev/null || tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '") == "lo"
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 2)"
        assert "ConnectionRefused" in box.says(f'python3 -c "{code}"')
    code = "import socket; socket.create_connection(('192.0.2.1', 80), 2)"
    assert "unreachable" in box.says(f'python3 -c "{code}"')


@isolated
def test_there_is_no_privilege(box: Box) -> None:
    assert box.says("id -u; id -g") == "10001\n10001"
    status = dict(line.split(":\t") for line in box.says("cat /proc/self/status").splitlines() if ":\t" in line)
    assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    assert box.says("ls -A /root /home 2>/dev/null | grep -v -e : -e agent; true") == "(no output)"
    assert box.says("ls /var/run/docker.sock /run/docker.sock 2>/dev/null; true") == "(no output)"
    assert box.says("ulimit -c") == "0"


# Outputs.


def test_outputs_are_the_regular_files_and_nothing_else(box: Box) -> None:
    box.bash(
        f"cd {box.sandbox.layout.outputs}; find . -mindepth 1 -delete; mkdir -p a/b; echo report >a/b/r.md; "
        "head -c 3000000 /dev/urandom >big; chmod 640 big; : >empty; chmod 4755 empty; "
        "ln -s /etc/passwd link; ln -s / root; mkfifo fifo; ln -s b a/alias"
    )
    files = {file.path: file for file in box.sandbox.outputs()}
    assert list(files) == ["a/b/r.md", "big", "empty"]
    assert (files["big"].size, files["big"].mode) == (3_000_000, 0o640)
    assert files["empty"].mode == 0o755
    big = list(box.sandbox.read_output("big"))
    assert max(map(len, big)) <= 1 << 20
    digest = box.says("sha256sum <big").split()[0]
    assert hashlib.sha256(b"".join(big)).hexdigest() == digest
    assert b"".join(box.sandbox.read_output("a/b/r.md")) == b"report\n"
    assert b"".join(box.sandbox.read_output("empty")) == b""


@pytest.mark.parametrize(
    "path", ["link", "root/etc/passwd", "fifo", "../x", "/etc/passwd", "a/alias/r", "", ".", "no\0"]
)
def test_an_output_that_leads_elsewhere_is_not_read(box: Box, path: str) -> None:
    box.bash(
        f"cd {box.sandbox.layout.outputs}; find . -mindepth 1 -delete; mkdir -p a/b; echo x >a/b/r; "
        "ln -s /etc/passwd link; ln -s / root; mkfifo fifo; ln -s b a/alias"
    )
    with pytest.raises(SandboxError):
        list(box.sandbox.read_output(path))
    assert box.says("echo still here") == "still here"


def test_reading_an_output_may_be_given_up(box: Box) -> None:
    box.bash(f"head -c 30000000 /dev/zero >{box.sandbox.layout.outputs}/big")
    pieces = box.sandbox.read_output("big")
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert box.says("echo still here") == "still here"
    box.bash(f"rm {box.sandbox.layout.outputs}/big")


# Beginning and end.


def test_a_workspace_is_copied_as_it_is(own_box: Callable[..., Box], tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / ".git/objects").mkdir(parents=True)
    (source / "deep/er").mkdir(parents=True)
    (source / "empty").mkdir()
    (source / ".git/objects/x").write_bytes(b"object")
    (source / ".git/objects/x").chmod(0o444)
    (source / "deep/er/tool").write_text("#!/bin/sh\necho run\n")
    (source / "deep/er/tool").chmod(0o755)
    (source / "link").symlink_to("deep/er/tool")
    (source / "dangling").symlink_to("/nonexistent")
    (source / ("long" * 60)).write_text("long")
    (source / "ünï\ncode").write_text("odd")
    os.mkfifo(source / "fifo")
    single = tmp_path / "data.csv"
    single.write_text("a,b\n")
    box = own_box(Upload(source, "."), Upload(single, "in/renamed.csv"), Upload(single, "in/"))
    assert any("fifo" in line for line in box.told)
    assert box.says("./link; stat -c %a .git/objects/x deep/er/tool") == "run\n444\n755"
    assert box.says("readlink dangling; cat in/renamed.csv in/data.csv") == "/nonexistent\na,b\na,b"
    assert box.says("cat longlong*; ls -d empty; cat ünï*; test -e fifo || echo no fifo") == "longempty\noddno fifo"
    assert box.says("find . -type f | wc -l") == "7"
    assert box.says("stat -c %Y deep/er/tool") == str(int((source / "deep/er/tool").stat().st_mtime))


def test_a_thousand_files_are_copied(own_box: Callable[..., Box], tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(1000):
        (source / f"{number}.txt").write_text(str(number) * 100)
    box = own_box(Upload(source, "many"))
    size = sum(path.stat().st_size for path in source.iterdir())
    assert box.says("cd many; ls | wc -l; cat *.txt | wc -c") == f"1000\n{size}"


def test_a_file_for_where_nothing_may_be_written_fails_and_leaves_nothing(kind: str, tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    digest, size = blobs.put([b"x"])
    sandbox = make(kind, tmp_path / "box")
    sandbox.prepare(lambda _line: None)
    with pytest.raises(SandboxError, match="cannot copy files into the sandbox: /proc/self/nowhere"):
        sandbox.start(new_session(), [File("/proc/self/nowhere/x", "file", 0o644, size, digest)], blobs, print)
    with pytest.raises(SandboxError):
        list(sandbox.call([ToolCall("sevt_1", "bash", {"command": "true"})]))


def test_a_dead_supervisor_is_noticed(own_box: Callable[..., Box]) -> None:
    box, one, other = own_box(), nap(), nap()
    began = time.monotonic()
    with pytest.raises(SandboxError) as raised:
        box.bash(f"setsid {one} & kill -9 $PPID; {other}")
    assert time.monotonic() - began < AT_ONCE
    assert "\n" not in raised.value.message
    assert "137" in raised.value.message or "SIGKILL" in raised.value.message
    with pytest.raises(SandboxError):
        box.bash("true")
    box.sandbox.close()
    deadline = time.monotonic() + 20  # the kernel ends the processes of a namespace, but not before it says so
    while running(one, other) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert running(one, other) == 0


def test_closing_ends_everything_and_can_be_done_twice(own_box: Callable[..., Box]) -> None:
    box, naps = own_box(), (nap(), nap(), nap())
    box.bash(f"{naps[0]} & setsid {naps[1]} & (trap '' TERM; exec {naps[2]}) & true")
    assert begin_to_run(3, *naps)
    began = time.monotonic()
    box.sandbox.close()
    assert time.monotonic() - began < AT_ONCE
    box.sandbox.close()
    assert running(*naps) == 0
    assert not [path for path in box.folder.glob("*") if path.is_dir() and path.name not in ("uses", "packages")]
    with pytest.raises(SandboxError, match="closed"):
        box.bash("true")


def test_nobody_there_means_that_the_sandbox_ends_itself(kind: str, tmp_path: Path) -> None:
    long = nap()
    sandbox = left_alone(kind, tmp_path, long, 1.0) or left_alone(kind, tmp_path, long, 10.0)
    assert sandbox is not None
    deadline = time.monotonic() + 60
    while running(long):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with pytest.raises(SandboxError):
        sandbox.ping()
    sandbox.close()


def left_alone(kind: str, folder: Path, command: str, silence_seconds: float) -> SupervisedSandbox | None:
    """Start a sandbox that runs a command; None where this machine was too slow, and it ended itself before that."""
    environment = Environment(name="test", config={"type": "docker", "image": "agentctl-base:bookworm"})
    implementations = {"docker": DockerSandbox, "bubblewrap": BubblewrapSandbox, "none": ProcessSandbox}
    sandbox = implementations[kind](environment, folder / "box", silence_seconds=silence_seconds)
    sandbox.prepare(lambda _line: None)
    try:
        sandbox.start(new_session(), [], Blobs(folder), lambda _line: None)
        call = ToolCall("sevt_1", "bash", {"command": f"{command} & sleep 0.1; jobs -r"})
        [(_, outcome)] = sandbox.call([call])
    except SandboxError:
        sandbox.close()
        return None
    assert command in text(outcome)
    return sandbox
