"""What is behind a file's name, and the bounds of YAML, JSON and Markdown."""

import os
import time
from pathlib import Path

import pytest
import yaml

from agentctl.definitions.load import load_agent, load_any, load_environment
from agentctl.definitions.reading import LARGEST_FILE, read_yaml
from agentctl.errors import DefinitionError, NotFoundError
from tests.definitions.kit import problems, written


def value_of(folder: Path, text: str, name: str = "file.yaml") -> object:
    return read_yaml(written(folder, name, text)).value


def problem_of(folder: Path, text: str | bytes, name: str = "file.yaml") -> str:
    return problems(written(folder, name, text))[0]


# --- files ---


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such file"):
        load_agent(tmp_path / "absent.yaml")


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null"])
def test_a_device_is_refused_without_reading_it(name: str, tmp_path: Path) -> None:
    link = tmp_path / "device.yaml"
    link.symlink_to(name)
    assert problems(link) == ["is not a regular file"]


def test_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    assert problems(tmp_path / "folder.yaml") == ["is not a regular file"]


def test_a_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert problems(tmp_path / "pipe.yaml") == ["is not a regular file"]


def test_refusing_a_file_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        problems(tmp_path / "folder.yaml")
    assert len(list(Path("/proc/self/fd").iterdir())) <= before  # a thread of another test may end meanwhile


def test_a_name_that_no_file_can_have_is_a_problem_and_no_crash() -> None:
    with pytest.raises(DefinitionError, match="cannot be read"):
        load_agent(Path("a\0b.yaml"))


def test_a_file_of_exactly_1_mib_is_read_and_one_byte_more_is_refused(tmp_path: Path) -> None:
    text = "name: x\nmodel: m\n#"
    assert load_agent(written(tmp_path, "fits.yaml", text.ljust(LARGEST_FILE, "."))).name == "x"
    assert problems(written(tmp_path, "long.yaml", text.ljust(LARGEST_FILE + 1, "."))) == ["is larger than 1 MiB"]


def test_a_file_with_another_ending_is_refused(tmp_path: Path) -> None:
    assert "does not end in" in problem_of(tmp_path, "name: x", "agent.toml")


def test_bytes_that_are_not_utf8_are_refused_with_their_place(tmp_path: Path) -> None:
    assert problem_of(tmp_path, b"name: x\nsystem: caf\xe9") == "2:12: holds a byte that is not UTF-8 (0xe9)"


def test_utf16_is_refused(tmp_path: Path) -> None:
    assert "not UTF-8" in problem_of(tmp_path, "name: x".encode("utf-16"))


def test_a_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    for name, text in {"a.yaml": "name: x\nmodel: m", "a.json": '{"name":"x","model":"m"}'}.items():
        assert load_agent(written(tmp_path, name, b"\xef\xbb\xbf" + text.encode())).name == "x"


# --- YAML ---


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("No", "No"),
        ("y", "y"),
        ("12:30:45", "12:30:45"),
        ("2026-11-20", "2026-11-20"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("0o17", 15),
        ("0xff", 255),
        ("-7", -7),
        ("+7", 7),
        ("0", 0),
        ("1.10", 1.1),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.e-2", 0.01),
        ("'1.10'", "1.10"),
        ('"null"', "null"),
        ("!!str 1.10", "1.10"),
        ('!!int "12"', 12),
        ("!!float 1", 1.0),
        ("=", "="),
        ("'<<'", "<<"),
        ('"\\ud83d\\ude00"', "😀"),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_a_scalar_means_what_yaml_1_2_says(text: str, value: object, tmp_path: Path) -> None:
    found = value_of(tmp_path, f"key: {text}")
    assert found == {"key": value}
    assert type(found["key"]) is type(value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3", "3:1: a: is written twice, first in line 1"),
        ("a:\n  b: 1\n  'b': 2", "3:3: a.b: is written twice, first in line 2"),
        ("a: &x 1", "1:4: anchors (&x) are not allowed"),
        ("a: *x", "1:4: aliases (*x) are not allowed"),
        ("a: [&x {b: 1}]", "1:5: anchors (&x) are not allowed"),
        ("? *x\n: 1", "1:3: aliases (*x) are not allowed"),
        ("<<: {a: 1}", "1:1: merge keys (<<) are not allowed"),
        ("a: !!python/object/apply:os.system [x]", '1:4: the tag "tag:yaml.org,2002:python/object/apply:os.system"'),
        ("a: !thing 1", '1:4: the tag "!thing" is not allowed'),
        ("a: ! 1", '1:4: the tag "!" is not allowed'),
        ("a: !!binary aGk=", '1:4: the tag "tag:yaml.org,2002:binary" is not allowed'),
        ("a: !!set {b}", '1:4: the tag "tag:yaml.org,2002:set" is not allowed'),
        ("a: !!timestamp 2026-11-20", "1:4: the tag"),
        ("%TAG !e! tag:yaml.org,2002:python/\n---\na: !e!object:os.system x", "3:4: the tag"),
        ("a: !!int x", '1:4: the tag "tag:yaml.org,2002:int" does not fit the value'),
        ("a: !!map [1]", '1:4: the tag "tag:yaml.org,2002:map" does not fit the value'),
        ("a: !!seq {b: 1}", '1:4: the tag "tag:yaml.org,2002:seq" does not fit the value'),
        ("1: x", '1:1: a key must be text: write "1" in quotes'),
        ("true: x", '1:1: a key must be text: write "true" in quotes'),
        ("~: x", '1:1: a key must be text: write "~" in quotes'),
        ("? [a]\n: x", "1:3: a key must be text"),
        ("a: 017", '1:4: "017" begins with a zero'),
        ("a: -08", '1:4: "-08" begins with a zero'),
        ("a: .inf", "1:4: is not a finite number"),
        ("a: .NaN", "1:4: is not a finite number"),
        ("a: 1e400", "1:4: is not a finite number"),
        ("a: 9223372036854775808", "1:4: is a number that does not fit 64 bits"),
        ("a: 0x" + "f" * 5000, "1:4: is a number that does not fit 64 bits"),
        ("a: " + "9" * 5000, "1:4: is a number that does not fit 64 bits"),
        ("a: " + "9" * 5000 + ".0", "1:4: is not a finite number"),
        ('a: "\\ud83d"', "1:4: holds half a character"),
        ('a: "\\0"', "1:4: holds the character U+0000"),
        ("a: \x07", "1:4: holds the character U+0007"),
        ("# a \u2028b: 1\nc: 1", "1:5: holds an invisible line break, U+2028"),
        ('a: "\\UFFFFFFFF"', "1:7: is not valid YAML: an escape or a directive has a number"),
        ("%YAML " + "9" * 5000 + ".1\n--- a", "is not valid YAML: an escape or a directive has a number"),
        ("a: 1\n---\nb: 1", "2:1: is not valid YAML: expected a single document"),
        ("a: b: c", "1:5: is not valid YAML: mapping values are not allowed here"),
        ("a: [1", "is not valid YAML"),
        ("a:\n\tb: 1", "2:1: is not valid YAML"),
        ("", "1:1: is empty"),
        ("# nothing", "1:1: is empty"),
        ("--- just text", '1:5: must be keys and values, not "just text"'),
        ("- 1", "1:1: must be keys and values, not a list"),
    ],
)
def test_what_yaml_may_not_hold_is_refused_with_its_place(text: str, problem: str, tmp_path: Path) -> None:
    assert problem in problem_of(tmp_path, text)


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize("name", ["file.yaml", "file.json"])
def test_32_levels_are_read_and_33_are_not(name: str, tmp_path: Path) -> None:
    assert value_of(tmp_path, nested(32), name) == eval(nested(32))
    assert problem_of(tmp_path, nested(33), name) == "1:33: is nested deeper than 32 levels"
    assert value_of(tmp_path, f"{'[' * 32}1{']' * 32}", name) == eval(f"{'[' * 32}1{']' * 32}")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("flow.yaml", "[" * 100_000),
        ("braces.yaml", "{" * 100_000),
        ("dashes.yaml", "- " * 100_000),
        ("questions.yaml", "? " * 100_000),
        ("blocks.yaml", "\n".join(f"{' ' * depth}a:" for depth in range(1400))),
        ("deep.json", '{"a":' * 100_000),
    ],
)
def test_deep_nesting_is_refused_quickly(name: str, text: str, tmp_path: Path) -> None:
    begin = time.process_time()
    assert "is nested deeper than 32 levels" in problem_of(tmp_path, text, name)
    assert time.process_time() - begin < 10


def test_a_billion_laughs_are_refused_at_the_first(tmp_path: Path) -> None:
    lines = ['a0: &a0 ["lol"]', *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10))]
    assert problem_of(tmp_path, "\n".join(lines)) == "1:5: anchors (&a0) are not allowed"


@pytest.mark.parametrize("name", ["file.yaml", "file.json"])
def test_more_values_than_are_worth_reading_are_refused(name: str, tmp_path: Path) -> None:
    assert "is one value more than the 100,000" in problem_of(tmp_path, f"[{'1,' * 200_000}1]", name)


def test_the_loader_is_pure_python_and_safe() -> None:
    from agentctl.definitions.yamltext import _Loader

    assert issubclass(_Loader, yaml.SafeLoader)
    assert "yaml.scanner" in {base.__module__ for base in _Loader.__mro__}
    assert "yaml.cyaml" not in {base.__module__ for base in _Loader.__mro__}


def test_setting_up_our_loader_leaves_pyyaml_as_it_was() -> None:
    assert yaml.safe_load("a: yes") == {"a": True}


# --- JSON ---


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1,\n "a": 2}', "2:2: a: is written twice, first in line 1"),
        ('{"a": NaN}', "1:7: NaN is not a number that JSON has"),
        ('{"a": -Infinity}', "1:7: -Infinity is not a number that JSON has"),
        ('{"a": 1e999}', "1:7: is not a finite number"),
        ('{"a": ' + "9" * 5000 + "}", "1:7: is a number that does not fit 64 bits"),
        ('{"a": "\\ud83d"}', "1:7: holds U+0000 or half a character"),
        ('{"a": "\\u0000"}', "1:7: holds U+0000 or half a character"),
        ('{"a": 1} x', "1:10: is not valid JSON: something follows the value"),
        ('{"a": 1', "1:8: is not valid JSON: a comma or a closing brace is missing here"),
        ("[1 2]", "1:4: is not valid JSON: a comma or a closing bracket is missing here"),
        ("[1,]", "1:4: is not valid JSON: expecting value"),
        ('{"a" 1}', "1:6: is not valid JSON: a colon is missing here"),
        ("{a: 1}", "1:2: is not valid JSON: a key in double quotes is missing here"),
        ('{"a": 1,}', "1:9: is not valid JSON: a key in double quotes is missing here"),
        ("'a'", "1:1: is not valid JSON: expecting value"),
        ('"a', "1:1: is not valid JSON: unterminated string"),
        ('"a\nb"', "1:3: is not valid JSON: invalid control character"),
        ("01", "1:2: is not valid JSON: something follows the value"),
        ("", "1:1: is not valid JSON: expecting value"),
        ("[1]", "1:1: must be keys and values, not a list"),
        ('{"name": 1.10, "model": "m"}', "1:10: name: must be text, not 1.10"),
    ],
)
def test_what_json_may_not_hold_is_refused_with_its_place(text: str, problem: str, tmp_path: Path) -> None:
    assert problem in problem_of(tmp_path, text, "file.json")


def test_json_values_are_those_of_json(tmp_path: Path) -> None:
    text = ' {"a": [1, -2.5e1, true, false, null, "x\\u00e9\\ud83d\\ude00"], "b": {}, "c": []} \n'
    assert value_of(tmp_path, text, "f.json") == {"a": [1, -25.0, True, False, None, "xé😀"], "b": {}, "c": []}


# --- Markdown ---

MARKDOWN = """---
name: reviewer
model: claude-opus-5-5
---

    You review code.

Second paragraph.

---
Not front matter.

"""


def test_the_text_below_the_front_matter_is_the_system_prompt(tmp_path: Path) -> None:
    agent = load_agent(written(tmp_path, "agent.md", MARKDOWN))
    assert agent.name == "reviewer"
    assert agent.system == "    You review code.\n\nSecond paragraph.\n\n---\nNot front matter."


def test_the_text_of_an_environment_is_its_description(tmp_path: Path) -> None:
    text = "---\r\ntype: environment\r\nname: x\r\n...\r\n\r\nFor tests.\r\nTwo lines.\r\n"
    assert load_environment(written(tmp_path, "env.md", text)).description == "For tests.\nTwo lines."


def test_front_matter_alone_is_an_agent_without_a_prompt(tmp_path: Path) -> None:
    assert load_agent(written(tmp_path, "agent.md", "---\nname: x\nmodel: m\n---\n\n \n")).system is None


def test_places_in_markdown_are_those_of_the_file(tmp_path: Path) -> None:
    text = "---\nname: x\nmodel: m\nsytem: y\n---\n\n" + "p" * 100_001
    assert problem_of(tmp_path, text, "a.md").startswith("4:1: sytem: is not a known key; did you mean system?")
    assert problems(written(tmp_path, "b.md", text))[1] == "7:1: system: is longer than 100,000 characters"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: x", "1:1: has no front matter"),
        ("\n---\nname: x\n---\n", "1:1: has no front matter"),
        ("---\nname: x\n", "1:1: has front matter that never ends"),
        ("---\n---\nhello", "2:1: is empty"),
        ("---\n- 1\n---\nhello", "2:1: must be keys and values, not a list"),
        ("---\nname: x\nmodel: m\nsystem: y\n---\nz", "4:1: system: is written here, and again below the front matter"),
        ("---\nname: x\nmodel: m\n---\na\0b", "5:2: holds the character U+0000"),
        ("---\nname: &a x\n---\n", "2:7: anchors (&a) are not allowed"),
    ],
)
def test_what_markdown_may_not_hold_is_refused_with_its_place(text: str, problem: str, tmp_path: Path) -> None:
    assert problem in problem_of(tmp_path, text, "file.md")


# --- which kind ---


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.yaml", "{name: x, model: m}", "Agent"),
        ("a.yaml", "{name: x, config: {type: cloud}}", "Environment"),
        ("environments/a.yaml", "{name: x}", "Environment"),
        ("environments/a.yaml", "{name: x, model: m}", "Agent"),
        ("environment_staging.yaml", "{name: x}", "Environment"),
        ("a.json", '{"type": "environment", "name": "x"}', "Environment"),
        ("environments/a.yaml", "{type: agent, name: x, model: m}", "Agent"),
        ("agents/a.yaml", "{name: x, config: {type: docker}}", "Environment"),
        ("a.md", "---\n{name: x, model: m}\n---\n", "Agent"),
        ("environments/a.md", "---\n{name: x}\n---\nWords.", "Environment"),
    ],
)
def test_a_file_is_what_it_says_and_else_what_its_name_says(name: str, text: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    assert type(load_any(written(tmp_path, name, text))).__name__ == kind


def test_an_agent_is_not_loaded_as_an_environment(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match='type: must be environment, not "agent"'):
        load_environment(written(tmp_path, "a.yaml", "{type: agent, name: x}"))
