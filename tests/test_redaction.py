"""Secrets are found by their value, however common tools have written them and wherever they were cut."""

import base64
import html
import json
import shlex
import subprocess
import textwrap
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agentctl.redaction import KNOWN, Redactor, encodings_of, environment_of_others, learn_own_keys, weakness

SECRET = "tok_Zq81+mN/0pXw7cRb5Ve2=="
MARK = "[redacted:TOKEN]"

SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=8, max_size=60).filter(
    lambda text: weakness(text) is None and not any(0x7F <= ord(letter) <= 0xAD for letter in text)
)
AROUND = st.text(st.sampled_from("abc XYZ\n\t\"'\\é→"), max_size=40)


def redactor(secret: str = SECRET) -> Redactor:
    return Redactor({secret: "TOKEN"})


WAYS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "json": lambda text: json.dumps({"k": text}),
    "json as it is": lambda text: json.dumps({"k": text}, ensure_ascii=False),
    "shell": shlex.quote,
    "url": lambda text: urllib.parse.quote(text, safe=""),
    "path": urllib.parse.quote,
    "form": urllib.parse.quote_plus,
    "html": html.escape,
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 behind one": lambda text: base64.b64encode(b"a" + text.encode() + b"z").decode(),
    "base64 behind two": lambda text: base64.b64encode(b"ab" + text.encode() + b"yz").decode(),
    "urlsafe base64": lambda text: base64.urlsafe_b64encode(b"u:" + text.encode()).decode(),
    "mime": lambda text: base64.encodebytes(b"x" * 50 + text.encode() + b"y" * 50).decode(),
    "wrapped at 64": lambda text: "\r\n".join(
        textwrap.wrap(base64.b64encode(b"x" * 44 + text.encode() + b"y" * 9).decode(), 64)
    ),
    "folded": lambda text: "\n".join(text[place : place + 5] for place in range(0, len(text), 5)),
    "coloured": "\x1b[1;31m".join,
    "erased": lambda text: text[:4] + "\x1b[K\x1b]0;title\x07" + text[4:],
    "of no width": "\u200b".join,
    "in a window's title": lambda text: f"\x1b]0;curl -u {text}\x07",
    "in a link": lambda text: f"\x1b]8;;https://u:{text}@host/\x1b\\here\x1b]8;;\x1b\\",
    "behind a sequence without an end": lambda text: f"\x1b]{text}",
    "begun by a sequence": lambda text: f"\x1b[{text}",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@settings(max_examples=20, deadline=None)
@given(secret=SECRETS, before=AROUND, behind=AROUND)
@example(secret=SECRET, before="", behind="")
@example(secret="pa$$ \"w'ord\\é&<1=2>;`x`", before="", behind="")
def test_a_secret_is_found_as_common_tools_write_it(  # K3
    way: Callable[[str], str], secret: str, before: str, behind: str
) -> None:
    text = redactor(secret).text(before + " " + way(secret) + " " + behind)
    assert MARK in text
    assert not any(form in text for form in encodings_of(secret))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@settings(max_examples=20, deadline=None)
@given(st.data())
def test_a_secret_is_found_wherever_a_stream_is_cut(way: Callable[[str], str], data: st.DataObject) -> None:  # K3
    text = "before " + way(SECRET) + " behind"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    stream = redactor().stream()
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert "".join([*map(stream.feed, pieces), stream.end()]) == redactor().text(text)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@settings(max_examples=20, deadline=None)
@given(st.data())
def test_a_secret_is_found_in_the_bytes_of_a_file(way: Callable[[str], str], data: st.DataObject) -> None:
    raw = b"\x00\xff before " + way(SECRET).encode() + b" behind \xfe"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    clean = b"".join(redactor().contents(pieces))
    assert MARK.encode() in clean
    assert clean.startswith(b"\x00\xff before ")
    assert clean.endswith(b" behind \xfe")


def test_a_secret_is_found_in_text_of_two_bytes_a_letter() -> None:
    clean = b"".join(redactor().contents([f"a {SECRET} b".encode("utf-16-le")]))
    assert SECRET.encode("utf-16-le") not in clean
    assert MARK.encode() in clean


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=4))
def test_bytes_without_a_secret_stay_as_they_are(data: bytes, cuts: list[int]) -> None:
    places = sorted(min(cut, len(data)) for cut in cuts)
    pieces = [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
    assert b"".join(redactor().contents(pieces)) == data


@settings(max_examples=20, deadline=None)
@given(st.text(max_size=400))
def test_text_without_a_secret_is_the_same_object(text: str) -> None:
    assert redactor().text(text) is text


def test_what_may_be_a_beginning_waits_and_nothing_else_does() -> None:
    stream = redactor().stream()
    assert stream.feed("hello ") == "hello "
    assert stream.feed("tok_Zq") == ""
    assert stream.feed(" no") == "tok_Zq no"
    assert stream.feed(" tok_Zq81") == " "
    assert stream.end() == "tok_Zq81"


def test_of_two_secrets_that_overlap_no_part_is_left() -> None:
    both = Redactor({"abcdefgh-1234": "ONE", "1234-ijklmnop": "TWO", "abcdefgh-1234-ij": "THREE"})
    assert both.text("<abcdefgh-1234-ijklmnop>") == "<[redacted:THREE]>"
    stream = both.stream()
    assert "".join([*map(stream.feed, "<abcdefgh-1234-ijklmnop>"), stream.end()]) == "<[redacted:THREE]>"


def test_a_structure_is_redacted_in_its_strings_and_keys_and_is_itself_where_it_holds_nothing() -> None:
    clean = {"a": ["b", {"c": 1}], "d": None}
    assert redactor().json(clean) is clean
    assert redactor().json({"a": [f"x{SECRET}y", 1], SECRET: True}) == {"a": [f"x{MARK}y", 1], MARK: True}


def test_former_secrets_are_found_still_and_short_ones_never_were() -> None:
    known = redactor()
    known.learn({"another-Secret-71": "OTHER", "short": "SHORT"})
    assert known.text(f"{SECRET} another-Secret-71 short") == f"{MARK} [redacted:OTHER] short"


def test_what_only_begins_with_an_endless_beginning_is_not_held_for_ever() -> None:
    stream = redactor().stream()
    stream.feed("tok_Zq")
    assert "".join(stream.feed("\n" * 1000) for _ in range(100)).startswith("tok_Zq\n")


@pytest.mark.parametrize("common", ["password", "Changeme", "production", "localhost", "12345678", "20261120",
                                    "aaaaaaaaaaaa", "abababababab", "Summer24", "test-api-key", "your_api_key",
                                    "not-needed", "my-secret", "p@ssw0rd!", "short", " leading-space-9Z"])  # fmt: skip
def test_what_stands_in_ordinary_text_is_no_secret(common: str) -> None:  # K10
    assert weakness(common) is not None


@pytest.mark.parametrize("good", [SECRET, "sk-ant-api03-abc", "hunter2hunter2x", "correct horse battery", "k3y-Zq81mN"])
def test_what_does_not_is_one(good: str) -> None:
    assert weakness(good) is None


def test_the_keys_that_the_process_was_started_with_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-api03-Zq81mN0pXw7cRb5Ve2")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Team: data\nX-Gateway-Token: gw_Zq81mN0pXw7cRb5Ve2")
    monkeypatch.setenv("AGENTCTL_VAULT_KEY", "a passphrase of some length 9")
    learn_own_keys()
    said = "sk-ant-api03-Zq81mN0pXw7cRb5Ve2 gw_Zq81mN0pXw7cRb5Ve2 a passphrase of some length 9 data"
    names = ("ANTHROPIC_API_KEY", "ANTHROPIC_CUSTOM_HEADERS", "AGENTCTL_VAULT_KEY")
    assert KNOWN.text(said) == " ".join(f"[redacted:{name}]" for name in names) + " data"


def test_the_tokens_of_profiles_are_learnt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("ANTHROPIC_IDENTITY_TOKEN_FILE", str(tmp_path / "identity"))
    tokens = {name: f"sk-ant-oat01-{name}-Zq81mN0pXw7cRb5Ve2" for name in ("one", "two", "three", "four", "five")}
    for folder in ("configs", "credentials"):
        (tmp_path / folder).mkdir()
    first = {"access_token": tokens["one"], "refresh_token": tokens["two"], "expires_at": 1, "type": "oauth_token_long"}
    (tmp_path / "credentials" / "default.json").write_text(json.dumps(first))
    (tmp_path / "credentials" / "broken.json").write_text("{")
    (tmp_path / "elsewhere").write_text(json.dumps({"access_token": tokens["three"]}))
    (tmp_path / "identity").write_text(f"{tokens['four']}\n")
    (tmp_path / "federated").write_text(tokens["five"])
    identity = {"identity_token": {"source": "file", "path": str(tmp_path / "federated")}}
    config = {"authentication": {"credentials_path": str(tmp_path / "elsewhere"), **identity}}
    (tmp_path / "configs" / "work.json").write_text(json.dumps(config))
    learn_own_keys()
    said = KNOWN.text(" ".join(tokens.values()) + " oauth_token_long")
    names = ("ACCESS_TOKEN", "REFRESH_TOKEN", "ACCESS_TOKEN", "IDENTITY_TOKEN", "IDENTITY_TOKEN")
    assert said == " ".join(f"[redacted:ANTHROPIC_{name}]" for name in names) + " oauth_token_long"


def test_a_program_that_is_started_inherits_no_key(monkeypatch: pytest.MonkeyPatch) -> None:  # K13
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-api03-Zq81mN0pXw7cRb5Ve2-of-a-parent")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Gateway-Token: gw_Zq81mN0pXw7cRb5Ve3")
    monkeypatch.setenv("AGENTCTL_VAULT_KEY", "a passphrase of some length 8")
    run = subprocess.run(["env"], env=environment_of_others(), capture_output=True, text=True, check=True)
    assert "PATH=" in run.stdout
    assert not any(word in run.stdout for word in ("Zq81", "a passphrase"))
