"""Hosts have one spelling."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentctl.network.hosts import BadHostError, authority_of, matches, read_authority, read_host

LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
NAMES = st.builds(
    lambda labels, top: ".".join([*labels, top]), st.lists(LABELS, max_size=3), st.sampled_from(["com", "test"])
)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("127.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0X7F.0.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("[::ffff:7f00:1]", "127.0.0.1"),
        ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ("１２７.０.０.１", "127.0.0.1"),
        ("169.254.169.254", "169.254.169.254"),
    ],
)
def test_whatever_a_resolver_takes_for_an_address_is_one(written: str, meant: str) -> None:  # N4
    assert read_host(written).text == meant
    assert read_host(written).address is not None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("allowed.com.", "allowed.com"),
        ("ALLOWED.com", "allowed.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("allowed。com", "allowed.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("a_b.example", "a_b.example"),
        ("localhost", "localhost"),
    ],
)
def test_a_name_has_one_spelling(written: str, meant: str) -> None:  # N5
    assert read_host(written).text == meant
    assert read_host(written).address is None


@pytest.mark.parametrize(
    "written",
    [
        "",
        ".",
        "..",
        "a..b",
        "allowed.com..",
        ".allowed.com",
        "evil\0.allowed.com",
        "allowed.com\n",
        "allowed.com@evil",
        "user:secret@allowed.com",
        "%2e",
        "allowed%2ecom",
        "allowed com",
        " allowed.com",
        "allowed.com/",
        "allowed.com\\evil",
        "allowed.com#evil",
        "*.allowed.com",
        "-allowed.com",
        "allowed-.com",
        "1.2.3.4.5",
        "256.1.1.1",
        "4294967296",
        "08",
        "example.1",
        "::1",
        "[::1",
        "[fe80::1%eth0]",
        "[127.0.0.1]",
        "℀.com",
        "a" * 64 + ".com",
        ".".join(["a" * 50] * 6),
        "ü" * 5000,
    ],
)
def test_what_is_no_host_is_refused(written: str) -> None:  # N5
    with pytest.raises(BadHostError):
        read_host(written)


@given(NAMES)
def test_case_and_one_dot_at_the_end_change_nothing(name: str) -> None:
    assert read_host(name.upper() + ".") == read_host(name)


@given(st.text(max_size=40))
def test_what_was_read_once_reads_the_same_again_and_is_plain(text: str) -> None:
    try:
        host = read_host(text)
    except BadHostError:
        return
    again = f"[{host.text}]" if ":" in host.text else host.text
    assert read_host(again) == host
    assert set(host.text) <= set(string.ascii_lowercase + string.digits + "-._:")


@given(NAMES, NAMES)
def test_a_pattern_is_compared_label_by_label(name: str, other: str) -> None:  # N5
    assert matches(name, name)
    assert matches(f"*.{name}", f"{other}.{name}")
    assert not matches(f"*.{name}", name)
    assert not matches(f"*.{name}", f"evil-{name}")
    assert not matches(f"*.{name}", f"{name}.{other}x")
    assert not matches(name, f"evil{name}")
    assert not matches(name, f"{name}.evil")


@pytest.mark.parametrize(
    "text", ["a.com", "a.com:", "a.com:0", "a.com:65536", "a.com:80x", "a.com:+80", "[::1]80", "a:b:80"]
)
def test_an_authority_needs_a_port(text: str) -> None:
    with pytest.raises(BadHostError):
        read_authority(text)


def test_an_authority_is_a_host_and_a_port() -> None:
    assert read_authority("a.com:443") == ("a.com", 443)
    assert read_authority("[::1]:443") == ("[::1]", 443)
    assert read_authority("a.com", default_port=80) == ("a.com", 80)
    assert str(authority_of("[::0001]:8080")) == "[::1]:8080"
    assert str(authority_of("A.com:8080")) == "a.com:8080"
