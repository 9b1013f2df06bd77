"""Vaults on disk: what is taken, what is kept, and what is refused."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agentctl.errors import NotFoundError, UsageError
from agentctl.ids import SystemClock
from agentctl.paths import Home
from agentctl.private import read_private
from agentctl.redaction import Redactor
from agentctl.vault.credentials import EnvironmentVariable, McpOauth, normalised, read_auth
from agentctl.vault.opened import Credentials
from agentctl.vault.store import (
    add_credential,
    all_secrets,
    create_vault,
    open_vault,
    path_of,
    remove_credential,
    remove_vault,
    rotate_credential,
    vault_names,
)
from tests.cli.program import watched

CLOCK = SystemClock()
SECRET = "tok_Zq81+mN/0pXw7cRb5Ve2=="
LIMITED = {"type": "limited", "allowed_hosts": ["API.example.com", "*.example.org", "192.0.2.7"]}
BODY: dict[str, Any] = {
    "type": "environment_variable",
    "secret_name": "TOKEN",
    "secret_value": SECRET,
    "networking": LIMITED,
}
OAUTH: dict[str, Any] = {
    "type": "mcp_oauth",
    "mcp_server_url": "https://mcp.example.com/mcp",
    "access_token": "at-Zq81mN0pXw7c",
    "expires_at": "2027-01-31T12:00:00Z",
    "refresh": {
        "token_endpoint": "https://auth.example.com/token",
        "client_id": "agentctl",
        "refresh_token": "rt-Zq81mN0pXw7c",
        "token_endpoint_auth": {"type": "client_secret_post", "client_secret": "cs-Zq81mN0pXw7c"},
    },
}


@pytest.fixture
def home(own_home: Path) -> Home:
    home = Home(own_home)
    create_vault(home, "work", CLOCK)
    return home


def test_what_is_put_in_comes_out_and_is_nowhere_on_the_disk(home: Home) -> None:  # K1
    add_credential(home, "work", BODY, CLOCK)
    (found,) = open_vault(home, "work").credentials
    assert isinstance(found.auth, EnvironmentVariable)
    assert found.auth.secret_value == SECRET
    assert found.auth.hosts == ("api.example.com", "*.example.org", "192.0.2.7")
    assert (found.auth.in_header, found.auth.in_body) == (True, True)
    for path in home.root.rglob("*"):
        assert path.is_dir() or b"Zq81" not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0
    assert SECRET not in repr(open_vault(home, "work"))
    assert SECRET not in repr(found)


def test_the_other_kinds_are_kept_too(home: Home) -> None:
    add_credential(home, "work", OAUTH, CLOCK)
    add_credential(
        home,
        "work",
        {"type": "static_bearer", "mcp_server_url": "https://Other.example.com:443/", "token": "sb-Zq81mN0pXw7c"},
        CLOCK,
    )
    oauth, bearer = open_vault(home, "work").credentials
    assert isinstance(oauth.auth, McpOauth)
    assert set(oauth.auth.secrets.values()) == {"at-Zq81mN0pXw7c", "rt-Zq81mN0pXw7c", "cs-Zq81mN0pXw7c"}
    assert bearer.auth.key == "https://other.example.com"
    assert normalised("HTTPS://A.b:443/x/") == "https://a.b/x"
    assert normalised("http://a.b:8080/X") == "http://a.b:8080/X"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"secret_name": "1X"}, "secret_name"),
        ({"secret_name": "LD_PRELOAD"}, "secret_name"),
        ({"secret_name": "https_proxy"}, "secret_name"),
        ({"secret_value": "with\nline-break-9"}, "secret_value"),
        ({"networking": {"type": "limited", "allowed_hosts": []}}, "allowed_hosts"),
        (
            {"networking": {"type": "limited", "allowed_hosts": [f"h{n}.example.com" for n in range(17)]}},
            "allowed_hosts",
        ),
        ({"networking": {"type": "limited", "allowed_hosts": ["https://a.example.com"]}}, "allowed_hosts"),
        ({"networking": {"type": "limited", "allowed_hosts": ["a.example.com:443"]}}, "allowed_hosts"),
        ({"networking": {"type": "limited", "allowed_hosts": ["*"]}}, "allowed_hosts"),
        ({"networking": {"type": "none"}}, "networking"),
        ({"networking": None}, "networking"),
        ({"injection_location": {}}, "injection_location"),
        ({"injection_location": {"header": False, "body": False}}, "injection_location"),
        ({"injection_location": {"header": "yes"}}, "injection_location"),
        ({"unknown": 1}, "unknown"),
        ({"type": "password"}, "environment_variable"),
    ],
)
def test_a_credential_that_the_api_would_refuse_is_refused_without_a_word_of_it(
    change: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read_auth(BODY | change)
    assert said in str(caught.value)
    assert "Zq81" not in str(caught.value)
    assert "line-break" not in str(caught.value)


def test_what_is_left_out_of_an_injection_location_is_off() -> None:
    auth = read_auth(BODY | {"injection_location": {"body": True}, "secret_value": "a PEM\nof two lines"})
    assert isinstance(auth, EnvironmentVariable)
    assert (auth.in_header, auth.in_body) == (False, True)


@pytest.mark.parametrize("weak", ["short", "password", "production", "20261120", "aaaaaaaaaa", "your-api-key"])
def test_a_secret_that_would_shred_every_record_is_refused(home: Home, weak: str) -> None:  # K10
    with pytest.raises(UsageError, match="TOKEN"):
        add_credential(home, "work", BODY | {"secret_value": weak}, CLOCK)
    add_credential(home, "work", BODY, CLOCK)
    with pytest.raises(UsageError, match="TOKEN"):
        rotate_credential(home, "work", "TOKEN", weak, CLOCK)
    assert open_vault(home, "work").credentials[0].auth.secrets == {"TOKEN": SECRET}


def test_names_are_unique_and_a_vault_holds_twenty(home: Home) -> None:
    for number in range(20):
        add_credential(home, "work", BODY | {"secret_name": f"TOKEN_{number}"}, CLOCK)
    with pytest.raises(UsageError, match="TOKEN_3 already"):
        add_credential(home, "work", BODY | {"secret_name": "TOKEN_3"}, CLOCK)
    with pytest.raises(UsageError, match="full"):
        add_credential(home, "work", BODY, CLOCK)
    with pytest.raises(UsageError, match="already"):
        create_vault(home, "work", CLOCK)
    with pytest.raises(UsageError, match="a vault's name"):
        create_vault(home, "../work", CLOCK)


def test_what_was_replaced_or_removed_is_still_known_and_never_used(home: Home) -> None:  # K12
    add_credential(home, "work", BODY, CLOCK)
    rotate_credential(home, "work", "TOKEN", "second-Zq81mN0p", CLOCK)
    remove_credential(home, "work", "TOKEN")
    assert open_vault(home, "work").credentials == ()
    assert set(all_secrets(home)) == {SECRET, "second-Zq81mN0p"}
    remove_vault(home, "work", CLOCK)
    assert vault_names(home) == []
    assert set(all_secrets(home)) == {SECRET, "second-Zq81mN0p"}
    create_vault(home, "work", CLOCK)
    add_credential(home, "work", BODY | {"secret_value": "third-Zq81mN0pX"}, CLOCK)
    remove_vault(home, "work", CLOCK, forget=True)
    assert set(all_secrets(home)) == {SECRET, "second-Zq81mN0p"}


def test_the_first_vault_with_a_variable_wins(home: Home) -> None:
    create_vault(home, "other", CLOCK)
    add_credential(home, "work", BODY, CLOCK)
    add_credential(home, "other", BODY | {"secret_value": "second-Zq81mN0p"}, CLOCK)
    add_credential(home, "other", BODY | {"secret_name": "MORE", "secret_value": "third-Zq81mN0pX"}, CLOCK)
    found = {swap.name: swap.secret for swap in Credentials(home, ["work", "other"], "s", Redactor()).swaps()}
    assert found == {"TOKEN": SECRET, "MORE": "third-Zq81mN0pX"}
    found = {swap.name: swap.secret for swap in Credentials(home, ["other", "work"], "s", Redactor()).swaps()}
    assert found["TOKEN"] == "second-Zq81mN0p"


def test_a_vault_that_is_gone_stops_a_new_session_and_not_one_that_is_taken_up(home: Home) -> None:
    with pytest.raises(NotFoundError):
        Credentials(home, ["gone"], "s", Redactor())
    assert Credentials(home, ["gone"], "s", Redactor(), is_resumed=True).swaps() == ()


def spoil(home: Home, how: str) -> None:
    vault, key = path_of(home, "work"), home.vault_key
    match how:
        case "mode" | "key mode":
            (vault if how == "mode" else key).chmod(0o644)
        case "link" | "key link":
            place = vault if how == "link" else key
            place.rename(home.root / "elsewhere")
            place.symlink_to(home.root / "elsewhere")
        case "truncated":
            vault.write_bytes(vault.read_bytes()[:-40])
        case "changed":
            data = bytearray(vault.read_bytes())
            data[-20] ^= 1
            vault.write_bytes(data)
        case "empty":
            vault.write_bytes(b"")
        case "no key":
            key.unlink()
        case "key truncated":
            key.write_bytes(key.read_bytes()[:20])
        case "fifo":
            vault.unlink()
            os.mkfifo(vault, 0o600)
        case "exchanged":
            create_vault(home, "other", CLOCK)
            path_of(home, "other").rename(vault)
        case "newer":
            vault.write_bytes(vault.read_bytes().replace(b"agentctl-vault/1", b"agentctl-vault/2"))


@pytest.mark.parametrize(
    "how",
    [
        "mode", "key mode", "link", "key link", "truncated", "changed", "empty", "no key", "key truncated", "fifo",
        "exchanged", "newer",
    ],
)  # fmt: skip
def test_a_vault_that_others_could_have_read_or_made_is_not_opened(home: Home, how: str) -> None:  # K9
    add_credential(home, "work", BODY, CLOCK)
    spoil(home, how)
    for attempt in (
        lambda: open_vault(home, "work"),
        lambda: add_credential(home, "work", BODY | {"secret_name": "MORE"}, CLOCK),
        lambda: Credentials(home, ["work"], "s", Redactor()),
    ):
        with pytest.raises(UsageError) as caught:
            attempt()
        assert caught.value.exit_code == 2
    assert all_secrets(home) == {}


def test_a_vault_of_somebody_else_is_not_opened(home: Home) -> None:  # K9
    place = path_of(home, "work")
    if os.geteuid() == 0:
        os.chown(place, 65534, 65534)
    else:
        place = Path("/etc/passwd")
    with pytest.raises(UsageError, match="somebody else"):
        read_private(place)


def test_a_key_can_be_a_passphrase_in_a_variable_and_another_one_opens_nothing(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # K9
    home = Home(own_home)
    monkeypatch.setenv("AGENTCTL_VAULT_KEY", "correct horse battery staple")
    create_vault(home, "work", CLOCK)
    add_credential(home, "work", BODY, CLOCK)
    assert not home.vault_key.exists()
    monkeypatch.setenv("AGENTCTL_VAULT_KEY", "wrong horse battery staple")
    with pytest.raises(UsageError, match="AGENTCTL_VAULT_KEY is not the one"):
        open_vault(home, "work")
    monkeypatch.setenv("AGENTCTL_VAULT_KEY", "short")
    with pytest.raises(UsageError, match="shorter than"):
        open_vault(home, "work")
    monkeypatch.delenv("AGENTCTL_VAULT_KEY")
    with pytest.raises(UsageError, match="no key"):
        open_vault(home, "work")


KEYRING = """
import json, os, pathlib
place = pathlib.Path(os.environ["KEYRING_FILE"])
class Ring:
    priority = 1
def get_keyring():
    return Ring()
def get_password(service, user):
    return json.loads(place.read_text()).get(f"{service} {user}") if place.exists() else None
def set_password(service, user, password):
    place.write_text(json.dumps({f"{service} {user}": password}))
"""


def test_where_there_is_a_keyring_the_key_is_kept_in_it(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keyring.py").write_text(KEYRING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("KEYRING_FILE", str(tmp_path / "ring.json"))
    monkeypatch.delitem(sys.modules, "keyring", raising=False)
    home = Home(own_home)
    create_vault(home, "work", CLOCK)
    add_credential(home, "work", BODY, CLOCK)
    assert not home.vault_key.exists()
    assert open_vault(home, "work").credentials[0].auth.secrets == {"TOKEN": SECRET}
    (tmp_path / "ring.json").write_text("{}")
    with pytest.raises(UsageError, match="no key"):
        open_vault(home, "work")
    sys.modules.pop("keyring")


def test_many_who_write_at_once_lose_nothing(home: Home) -> None:
    code = (
        "import sys\nfrom tests.vault.test_store import *\n"
        "add_credential(Home(Path(sys.argv[1])), 'work', BODY | {'secret_name': sys.argv[2]}, CLOCK)"
    )
    names = [f"TOKEN_{number}" for number in range(6)]
    runs = [watched(subprocess.Popen([sys.executable, "-c", code, str(home.root), name])) for name in names]
    assert [run.wait(60) for run in runs] == [0] * len(runs)
    assert sorted(each.auth.key for each in open_vault(home, "work").credentials) == names
