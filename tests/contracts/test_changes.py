"""What every sandbox tells of files: all that a call did to them, once, and nothing else."""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentctl.canonical import JsonObject, canonical_json
from agentctl.sandbox.base import LOOK, Changes, ToolCall, ToolOutcome, Upload
from agentctl.sandbox.places import Places
from agentctl.session.files import Change, File
from tests.contracts.test_sandbox import KINDS, NUMBERS, Box, text

W, OUT = "/workspace", "/mnt/session/outputs"


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def shared(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    source = tmp_path_factory.mktemp("source")
    (source / "begun.txt").write_text("as it was copied in\n")
    box = Box(kind, tmp_path_factory.mktemp(kind), (Upload(source, "."),))
    yield box
    box.sandbox.close()


@pytest.fixture
def box(shared: Box) -> Box:
    """The shared sandbox with an empty workspace, of which all is told."""
    shared.tool("bash", restart=True)
    shared.bash(f"chmod -R u+rwX . ; find . {shared.sandbox.layout.outputs} -mindepth 1 -delete")
    return shared


def told(outcome: ToolOutcome) -> dict[str, JsonObject]:
    """Return the changes by path, without their times."""
    assert outcome.between is None
    return {} if outcome.changes is None else by_path(outcome.changes)


def by_path(changes: Changes) -> dict[str, JsonObject]:
    named = [body["path"] for body in changes.changes]
    assert named == sorted(set(named))
    for body in changes.changes:
        canonical_json(body)
        Change.from_json(body)
        if "sha256" in body and body["sha256"] in changes.contents:
            assert hashlib.sha256(changes.contents[body["sha256"]]).hexdigest() == body["sha256"]
    return {
        body["path"]: {name: body[name] for name in body if name not in ("path", "mtime")} for body in changes.changes
    }


def kinds(outcome: ToolOutcome) -> dict[str, str]:
    return {path: f"{body['change']} {body['kind']}" for path, body in told(outcome).items()}


def file(change: str, data: bytes, mode: int = 0o644) -> JsonObject:
    digest = hashlib.sha256(data).hexdigest()
    return {"change": change, "kind": "file", "mode": mode, "size": len(data), "sha256": digest}


def link(target: str) -> JsonObject:
    return {"change": "created", "kind": "link", "mode": 0o777, "target": target}


def test_a_call_tells_what_it_made_changed_and_deleted(box: Box) -> None:
    made = box.bash(f"mkdir -p a/b; echo 1 >a/b/f; ln -s nowhere l; echo out >{box.sandbox.layout.outputs}/o; umask")
    folder = {"change": "created", "kind": "folder", "mode": 0o755}
    assert told(made) == {
        f"{OUT}/o": file("created", b"out\n"),
        f"{W}/a": folder,
        f"{W}/a/b": folder,
        f"{W}/a/b/f": file("created", b"1\n"),
        f"{W}/l": link("nowhere"),
    }
    assert made.changes is not None
    assert sorted(made.changes.contents.values()) == [b"1\n", b"out\n"]
    assert told(box.bash("echo 2 >>a/b/f; chmod 750 a; rm l")) == {
        f"{W}/a": {"change": "modified", "kind": "folder", "mode": 0o750},
        f"{W}/a/b/f": file("modified", b"1\n2\n"),
        f"{W}/l": {"change": "deleted", "kind": "link"},
    }
    assert kinds(box.bash("rm -r a")) == {
        f"{W}/a": "deleted folder",
        f"{W}/a/b": "deleted folder",
        f"{W}/a/b/f": "deleted file",
    }


def test_write_and_edit_tell_the_file_and_nothing_of_how_they_wrote_it(box: Box) -> None:
    assert told(box.tool("write", file_path="d/f", content="one")) == {
        f"{W}/d": {"change": "created", "kind": "folder", "mode": 0o755},
        f"{W}/d/f": file("created", b"one"),
    }
    edited = box.tool("edit", file_path="d/f", old_string="one", new_string="two")
    assert told(edited) == {f"{W}/d/f": file("modified", b"two")}
    assert told(box.tool("edit", file_path="d/f", old_string="not there", new_string="two")) == {}


def test_what_only_looks_and_what_changes_nothing_tells_nothing(box: Box) -> None:
    box.bash("echo 1 >f; mkdir d; chmod 4755 f")
    for outcome in (
        box.tool("read", file_path="f"),
        box.tool("glob", pattern="*"),
        box.tool("grep", pattern="1"),
        box.bash("cat f; ls -l; touch f; echo 1 >f; chmod 755 f; echo x >tmp; rm tmp; mv f g; mv g f"),
        box.bash(f"echo x >{box.sandbox.layout.temporary}/elsewhere"),
    ):
        assert outcome.changes is None, outcome
        assert outcome.between is None


def test_contents_are_sent_once(box: Box) -> None:
    data = os.urandom(8).hex()
    first = box.bash(f"echo {data} >f; cp f g")
    assert first.changes is not None
    assert list(first.changes.contents.values()) == [f"{data}\n".encode()]
    second = box.bash("cp f h; rm f; mv g i")
    assert second.changes is not None
    assert second.changes.contents == {}
    assert kinds(second) == {
        f"{W}/f": "deleted file",
        f"{W}/g": "deleted file",
        f"{W}/h": "created file",
        f"{W}/i": "created file",
    }


def test_a_call_that_fails_or_takes_too_long_tells_what_it_did_all_the_same(box: Box) -> None:
    assert kinds(box.bash("echo 1 >a; false")) == {f"{W}/a": "created file"}
    assert kinds(box.bash("echo 1 >b; sleep 60", timeout_ms=1500)) == {f"{W}/b": "created file"}
    assert kinds(box.bash("echo 1 >c; exit 3")) == {f"{W}/c": "created file"}
    assert kinds(box.bash("echo 1 >d; kill -9 $$")) == {f"{W}/d": "created file"}


def test_each_of_several_calls_tells_its_own(box: Box) -> None:
    commands = ["echo a >>log", "echo b >>log", "cat log"]
    calls = [ToolCall(f"sevt_{next(NUMBERS)}", "bash", {"command": command}) for command in commands]
    outcomes = [outcome for _, outcome in box.sandbox.call(calls)]
    assert [told(outcome) for outcome in outcomes] == [
        {f"{W}/log": file("created", b"a\n")},
        {f"{W}/log": file("modified", b"a\nb\n")},
        {},
    ]


MOMENTS = (0.7, 5.0)
"""Seconds after which a job in the background works on: more, where this machine took longer for a call than that."""


def wait_for_name(box: Box, name: str) -> None:
    deadline = time.monotonic() + 30
    while name not in text(box.tool("glob", pattern="*")).split("/")[-1:]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def late(box: Box) -> bool:
    """Have a file written behind the end of a call; say whether it was behind it."""
    for seconds in MOMENTS:
        box.bash("rm -f late")
        outcome = box.bash(f"(sleep {seconds}; echo late >.late; mv .late late) & true")
        wait_for_name(box, "late")
        if f"{W}/late" not in told(outcome):
            return True
    return False


def test_what_was_changed_between_calls_is_told_apart(box: Box) -> None:
    assert late(box)
    outcome = box.bash("echo mine >mine")
    assert outcome.between is not None
    assert outcome.changes is not None
    assert by_path(outcome.between) == {f"{W}/late": file("created", b"late\n")}
    assert by_path(outcome.changes) == {f"{W}/mine": file("created", b"mine\n")}


def test_a_look_tells_what_was_changed_since_the_last_call_and_does_nothing(box: Box) -> None:
    assert told(box.tool(LOOK)) == {}
    assert late(box)
    call = ToolCall(f"sevt_{next(NUMBERS)}", LOOK, {})
    [(_, outcome)] = box.sandbox.call([call])
    assert outcome.between is not None
    assert by_path(outcome.between) == {f"{W}/late": file("created", b"late\n")}
    assert [*box.sandbox.call([call])] == [(call.id, outcome)], "it is kept until it is acknowledged"
    box.sandbox.acknowledge([call.id])
    assert told(box.tool(LOOK)) == {}


def test_an_output_that_was_told_and_not_touched_since_has_its_hash(box: Box) -> None:
    outputs = box.sandbox.layout.outputs
    for seconds in MOMENTS:
        box.bash(f"rm -f {outputs}/*")
        later = f"sleep {seconds}; echo later >{outputs}/later; mv {outputs}/told {outputs}/x"
        box.bash(f"echo told >{outputs}/told; ({later}) &")
        found = {file.path: file.digest for file in box.sandbox.outputs()}
        deadline = time.monotonic() + 30
        while "x" not in (after := {file.path: file.digest for file in box.sandbox.outputs()}):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        if "later" not in found:
            break
    assert found == {"told": hashlib.sha256(b"told\n").hexdigest()}
    assert after == {"later": None, "x": None}, "which are read, for nobody has told what is in them"


def test_folders_that_move_take_along_what_is_in_them(box: Box) -> None:
    box.bash("mkdir -p a/b; echo 1 >a/b/f; echo 2 >a/g")
    assert kinds(box.bash("mv a c; mkdir a; echo 3 >a/b; echo 4 >>c/b/f")) == {
        f"{W}/a/b": "modified file",
        f"{W}/a/b/f": "deleted file",
        f"{W}/a/g": "deleted file",
        f"{W}/c": "created folder",
        f"{W}/c/b": "created folder",
        f"{W}/c/b/f": "created file",
        f"{W}/c/g": "created file",
    }
    assert kinds(box.bash("echo 5 >c/b/h")) == {f"{W}/c/b/h": "created file"}
    elsewhere = f"{box.sandbox.layout.temporary}/moved{next(NUMBERS)}"
    assert set(kinds(box.bash(f"mv c {elsewhere}; echo 6 >{elsewhere}/b/h")).values()) == {
        "deleted folder",
        "deleted file",
    }
    assert told(box.bash(f"echo 7 >{elsewhere}/b/h")) == {}
    assert kinds(box.bash(f"mv {elsewhere} back"))[f"{W}/back/b/h"] == "created file"
    assert told(box.bash("echo 8 >back/b/h")) == {f"{W}/back/b/h": file("modified", b"8\n")}


def test_a_file_with_two_names_changes_under_both(box: Box) -> None:
    assert set(kinds(box.bash("mkdir d; echo 1 >d/f; ln d/f g"))) == {f"{W}/d", f"{W}/d/f", f"{W}/g"}
    assert told(box.bash("echo 2 >g")) == {
        f"{W}/d/f": file("modified", b"2\n"),
        f"{W}/g": file("modified", b"2\n"),
    }


def test_links_are_told_and_never_followed(box: Box) -> None:
    outcome = box.bash("ln -s /etc e; ln -s /etc/passwd p; ln -s . loop; ln -s ../../../.. up")
    assert told(outcome) == {
        f"{W}/e": link("/etc"),
        f"{W}/loop": link("."),
        f"{W}/p": link("/etc/passwd"),
        f"{W}/up": link("../../../.."),
    }
    assert outcome.changes is not None
    assert outcome.changes.contents == {}
    assert told(box.bash("ln -sfn /usr e")) == {f"{W}/e": {**link("/usr"), "change": "modified"}}


def test_what_is_neither_file_nor_folder_nor_link_is_named_and_left_out(box: Box) -> None:  # T9
    outcome = box.bash("mkfifo fifo; echo x >f; python3 -c 'import socket; socket.socket(1).bind(\"sock\")'")
    assert kinds(outcome) == {f"{W}/f": "created file"}
    assert outcome.changes is not None
    where = box.sandbox.layout.workspace
    assert outcome.changes.cut == f"neither file nor folder nor link: {where}/fifo, {where}/sock"
    assert kinds(box.bash("rm f fifo; mkfifo f"))[f"{W}/f"] == "deleted file"


def test_privileged_bits_are_not_recorded(box: Box) -> None:  # E16
    outcome = box.bash("cp /bin/true t; chmod 6755 t; mkdir s; chmod 1777 s")
    assert {body["mode"] for body in told(outcome).values()} == {0o755, 0o777}


def test_hostile_names_survive(box: Box) -> None:
    names = ["new\nline", "\udcff\udcfe", "tab\t", "ü\u202e", "-rf", "$(x)", '"', "\\"]
    code = f"import os\nfor name in {[os.fsencode(name) for name in names]!r}: open(name, 'wb').write(b'x')"
    box.tool("write", file_path="make.py", content=code)
    found = told(box.bash("python3 make.py"))
    assert set(found) == {f"{W}/{name}" for name in names}
    assert set(kinds(box.bash("rm -- *[!y]"))) == set(found)


def test_a_path_too_deep_to_be_named_is_told_as_far_as_it_can_be(box: Box) -> None:
    code = "import os\nfor _ in range(40): os.mkdir('d' * 200); os.chdir('d' * 200)\nopen('f', 'w')"
    box.tool("write", file_path="deep.py", content=code)
    found = told(box.bash("python3 deep.py"))
    assert 15 < len(found) < 22
    assert told(box.bash("echo still >here")) == {f"{W}/here": file("created", b"still\n")}


def test_a_large_file_is_told_without_its_contents(box: Box) -> None:
    outcome = box.bash("head -c 16777216 /dev/zero >most; head -c 16777217 /dev/zero >more; truncate -s 8E sparse")
    found = told(outcome)
    assert found[f"{W}/most"] == file("created", bytes(16 << 20))
    assert outcome.changes is not None
    assert list(outcome.changes.contents.values()) == [bytes(16 << 20)], "which is fetched apart from the result"
    for name, size in (("more", (16 << 20) + 1), ("sparse", 1 << 63)):
        if f"{W}/{name}" in found:
            assert found[f"{W}/{name}"]["size"] in (size, size - 1)
            assert found[f"{W}/{name}"]["cut"] == "it has more than 16 MiB"
            assert "sha256" not in found[f"{W}/{name}"]
    assert f"{W}/more" in found
    box.bash("rm most more sparse")


def test_what_is_too_much_for_one_call_is_marked(box: Box) -> None:
    outcome = box.bash("for i in 1 2 3 4 5 6; do (echo $i; head -c 15000000 /dev/zero) >big$i; done")
    found = told(outcome)
    assert [("sha256" in body) for body in found.values()] == [True] * 4 + [False] * 2
    assert found[f"{W}/big6"]["cut"] == "more than 64 MiB of new contents in one call"
    assert outcome.changes is not None
    assert sum(map(len, outcome.changes.contents.values())) == 4 * 15_000_002
    box.bash("rm big*")


def test_a_call_that_deletes_its_own_folder_and_the_workspace_itself_is_followed(box: Box) -> None:  # T8
    box.bash("mkdir d; echo 1 >d/f")
    assert set(kinds(box.bash("cd d; rm -r ../d"))) == {f"{W}/d", f"{W}/d/f"}
    root = box.sandbox.layout.workspace
    box.bash(f"cd {root}; echo 1 >f; mkdir e")
    assert set(kinds(box.bash(f"cd /; rm -rf {root}/* 2>/dev/null; rmdir {root}; mkdir -p {root}; cd {root}"))) == {
        f"{W}/e",
        f"{W}/f",
    }
    assert kinds(box.bash(f"cd {root}; echo 2 >f; mkdir e; echo 3 >e/g")) == {
        f"{W}/e": "created folder",
        f"{W}/e/g": "created file",
        f"{W}/f": "created file",
    }
    assert kinds(box.bash("echo 4 >e/g")) == {f"{W}/e/g": "modified file"}


def test_a_folder_that_may_not_be_read_keeps_what_is_known_of_it(box: Box) -> None:
    box.bash("mkdir d; echo 1 >d/f; chmod 0 d/f")
    outcome = box.bash("chmod 0 d; echo 2 >g")
    if os.geteuid() == 0 and box.kind == "none":  # root may read everything
        return
    assert kinds(outcome) == {f"{W}/d": "modified folder", f"{W}/g": "created file"}
    found = told(box.bash("chmod 755 d; chmod 200 d/f; echo 3 >d/f"))
    assert found[f"{W}/d/f"]["cut"] == "it cannot be read: permission denied"


def test_changes_applied_to_the_beginning_are_the_tree_at_the_end(kind: str, tmp_path: Path) -> None:
    (tmp_path / "source/d").mkdir(parents=True)
    (tmp_path / "source/d/f").write_text("1")
    box = Box(kind, tmp_path / "box", (Upload(tmp_path / "source", "."),))
    tree = {path.path: path for path in box.files}
    burst = (
        "git init -q -b main r && cd r && mkdir s s/{0..16} && for i in {1..300}; do echo $i >s/$((i % 17))/$i; done"
    )
    commit = "git add . && git -c user.name=a -c user.email=a@example.com commit -qm x && git gc -q"
    commands = [
        burst,
        commit,
        "git clone -q --no-hardlinks r c; mv r/s moved",
        "rm -rf c/.git; find moved -name '*7' -delete; cp -a moved/3 moved/copy",
        "for i in {1..9}; do mv moved/$i moved/x$i; done; ln -s moved l; mkdir u; tar c moved | tar x -C u",
        "sed -i s/1/2/ moved/copy/*; chmod -R g-r u; (sleep 0.1; echo late >late) & mkdir z",
        "sleep 0.3; python3 -m compileall -q . ; rm -rf u/moved/1*",
    ]
    try:
        for command in commands:
            outcome = box.bash(f"cd {box.sandbox.layout.workspace}; {command}")
            for changes in (outcome.between, outcome.changes):
                for change in map(Change.from_json, changes.changes if changes else ()):
                    assert (change.path in tree) == (change.change != "created"), change
                    tree.pop(change.path, None)
                    if change.after is not None:
                        tree[change.path] = change.after
        assert len(tree) > 400
        assert {path: state(found) for path, found in tree.items()} == walked(box)
    finally:
        box.sandbox.close()


def state(found: File) -> tuple[str, int, str]:
    return found.kind, found.mode, found.digest or found.target or ""


def walked(box: Box) -> dict[str, tuple[str, int, str]]:
    """Look at the tree as it is, with nothing of what is tested."""
    code = """
import hashlib, json, os, stat, sys
found = {}
for root in sys.argv[1:]:
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode): found[path] = ["link", 0o777, os.readlink(path)]
            elif stat.S_ISDIR(mode): found[path] = ["folder", mode & 0o777, ""]
            else: found[path] = ["file", mode & 0o777, hashlib.sha256(open(path, "rb").read()).hexdigest()]
json.dump(found, open(sys.argv[1] + "/walked.json", "w"))
"""
    layout = box.sandbox.layout
    box.tool("write", file_path=f"{layout.temporary}/walk.py", content=code)
    box.bash(f"python3 {layout.temporary}/walk.py {layout.workspace} {layout.outputs}")
    outcome = box.bash(f"mv {layout.workspace}/walked.json {layout.outputs}/walked.json")
    assert not outcome.is_error
    found = json.loads(b"".join(box.sandbox.read_output("walked.json")))
    places = Places(layout)
    return {places.recorded(path) or path: (kind, mode, target) for path, (kind, mode, target) in found.items()}
