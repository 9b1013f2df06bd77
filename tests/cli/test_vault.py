"""``agentctl vault``, and what the other commands do with secrets, from the outside."""

import json
import sys
from pathlib import Path

import pexpect
import pytest

from agentctl.cli.complain import complain, report_bug
from agentctl.errors import UsageError
from agentctl.paths import Home
from agentctl.vault.store import open_vault
from tests.canary import Canaries
from tests.cli.program import ROOT, agentctl
from tests.loopback_api import LoopbackApi, call, refuse, say
from tests.sandbox.boxes import AGENT

SECRET = "tok_Zq81mN0pXw7cRb5Ve2"
LIMITED = "name: e\nconfig: {type: bubblewrap, networking: {type: limited, allowed_hosts: [api.example.com]}}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "agent.yaml").write_text(AGENT)
    (tmp_path / "env.yaml").write_text(LIMITED)
    (tmp_path / "hello.yaml").write_text("- text: All is well.\n")
    return tmp_path


def make_vault(secret: str = SECRET) -> None:
    assert agentctl("vault", "create", "work").code == 0
    added = agentctl("vault", "add", "work", "TOKEN", "--host", "api.example.com", "-", stdin=secret + "\n")
    assert added.code == 0, added.err


def run(project: Path, *more: str | Path, message: str = "go", **environ: str) -> int:
    definitions = (project / "agent.yaml", message, "-e", project / "env.yaml")
    done = agentctl("run", *definitions, "--model", f"script:{project / 'hello.yaml'}", *more, **environ)
    assert SECRET not in done.out + done.err
    return done.code


def test_a_vault_is_made_filled_listed_changed_and_removed(own_home: Path) -> None:
    home = Home(own_home)
    made = agentctl("vault", "create", "work", "-o", "json")
    assert (made.code, made.json["schema"], made.json["name"]) == (0, "agentctl.vault/1", "work")
    added = agentctl(
        "vault", "add", "work", "TOKEN", "--host", "api.example.com", "--host", "*.example.org", "--header", "--stdin",
        "-o", "json", stdin=SECRET,
    )  # fmt: skip
    assert added.json["schema"] == "agentctl.credential/1"
    assert added.json["injection_location"] == {"header": True, "body": False}
    listed = agentctl("vault", "ls", "-o", "json").json
    assert listed["schema"] == "agentctl.vaults/1"
    (vault,) = listed["vaults"]
    (credential,) = vault["credentials"]
    assert (credential["key"], credential["hosts"]) == ("TOKEN", ["api.example.com", "*.example.org"])
    table = agentctl("vault", "ls", "work")
    assert "TOKEN" in table.out
    assert "*.example.org" in table.out
    turned = agentctl("vault", "rotate", "work", "TOKEN", "-", "-o", "json", stdin="second-Zq81mN0p")
    assert turned.json["schema"] == "agentctl.credential/1"
    assert open_vault(home, "work").credentials[0].auth.secrets == {"TOKEN": "second-Zq81mN0p"}
    gone = agentctl("vault", "rm", "work", "TOKEN", "-o", "json")
    assert gone.json == {
        "type": "vault_removed", "schema": "agentctl.vault_removed/1", "vault": "work", "credential": "TOKEN",
    }  # fmt: skip
    assert agentctl("vault", "rm", "work").out == "removed vault work\n"
    assert agentctl("vault", "ls").out.startswith("there are no vaults yet")
    for done in (made, added, table, turned, gone):
        assert "Zq81" not in done.out + done.err


REFUSED = [
    (["add", "work", "TOKEN", SECRET, "--host", "a.example.com"], "never an argument"),
    (["add", "work", "TOKEN", "--host", "a.example.com"], "no terminal"),
    (["add", "work", "TOKEN", "-"], "which hosts"),
    (["add", "work", "TOKEN", "-", "--host", "a.example.com", "--unrestricted"], "which hosts"),
    (["add", "gone", "TOKEN", "-", "--host", "a.example.com"], "no vault gone"),
    (["add", "work", "TOKEN", "-", "--host", "https://a.example.com"], "allowed_hosts"),
    (["add", "work", "https://m.example.com", "-", "--kind", "static_bearer", "--header"], "only"),
    (["rotate", "work", "GONE", "-"], "has no GONE"),
    (["rm", "work", "GONE"], "has no GONE"),
    (["create", "Work"], "a vault's name"),
]


def test_what_makes_no_sense_is_refused_without_repeating_a_secret() -> None:
    assert agentctl("vault", "create", "work").code == 0
    for arguments, said in REFUSED:
        done = agentctl("vault", *arguments, stdin=None if said == "no terminal" else SECRET)
        assert done.code == 2, arguments
        assert said in done.err
        assert SECRET not in done.err


def test_a_credential_for_an_mcp_server_is_kept_and_said_to_be_of_no_use_yet(own_home: Path) -> None:
    assert agentctl("vault", "create", "work").code == 0
    body = {"access_token": SECRET, "expires_at": "2027-01-31T12:00:00Z"}
    url = "https://mcp.example.com/mcp"
    done = agentctl("vault", "add", "work", url, "-", "--kind", "mcp_oauth", "-o", "json", stdin=json.dumps(body))
    assert done.code == 0, done.err
    assert "does not speak to MCP servers yet" in done.err
    assert open_vault(Home(own_home), "work").credentials[0].auth.secrets == {"mcp.example.com/access_token": SECRET}


def test_a_terminal_is_asked_and_shows_nothing_of_what_is_typed(own_home: Path, tmp_path: Path) -> None:
    assert agentctl("vault", "create", "work").code == 0
    child = pexpect.spawn(
        sys.executable, ["-m", "agentctl", "vault", "add", "work", "TOKEN", "--host", "api.example.com"],
        cwd=str(ROOT), encoding="utf-8", timeout=120,
    )  # fmt: skip
    child.expect("Secret for TOKEN")
    child.waitnoecho()
    child.sendline(SECRET)
    child.expect(pexpect.EOF)
    shown = child.before or ""
    child.close()
    assert child.exitstatus == 0, shown
    assert SECRET not in shown
    assert open_vault(Home(own_home), "work").credentials[0].auth.secrets == {"TOKEN": SECRET}


@pytest.mark.parametrize("spoilt", ["mode", "cut", "key"])
def test_a_session_does_not_start_with_a_vault_that_is_not_safe(
    own_home: Path, project: Path, spoilt: str
) -> None:  # K9
    make_vault()
    vault = own_home / "vaults" / "work.vault"
    match spoilt:
        case "mode":
            vault.chmod(0o644)
        case "cut":
            vault.write_bytes(vault.read_bytes()[:-9])
        case "key":
            (own_home / "vault.key").unlink()
    assert run(project, "--vault", "work") == 2
    assert not (own_home / "agentctl.db").exists()


def test_a_vault_that_could_not_be_used_is_refused(own_home: Path, project: Path) -> None:
    make_vault()
    assert run(project, "--vault", "gone") == 2
    assert run(project, "--vault", "work", "--sandbox", "none") == 2
    (project / "env.yaml").write_text("name: e\nconfig: {type: bubblewrap}\n")
    assert run(project, "--vault", "work") == 2
    assert not (own_home / "agentctl.db").exists()


def test_a_secret_in_a_definition_or_a_message_points_to_the_vault(own_home: Path, project: Path) -> None:  # K11
    make_vault()
    (project / "env.yaml").write_text(f"name: e\nconfig: {{type: bubblewrap, env: {{TOKEN: {SECRET}}}}}\n")
    done = agentctl("run", project / "agent.yaml", "go", "-e", project / "env.yaml")
    assert done.code == 2
    assert "the file of the environment holds the secret TOKEN" in done.err
    assert "agentctl vault add" in done.err
    (project / "env.yaml").write_text("name: e\nconfig: {type: bubblewrap, env: {K: sk-ant-api03-Zq81mN0pXw7cRb5V}}\n")
    done = agentctl("run", project / "agent.yaml", "go", "-e", project / "env.yaml")
    assert done.code == 2
    assert "env: K looks like an Anthropic key" in done.err
    assert "Zq81" not in done.err
    (project / "env.yaml").write_text("name: e\nconfig: {type: bubblewrap}\n")
    assert run(project, message=f"use {SECRET}") == 2
    key = "sk-ant-api03-of-this-very-process"
    assert run(project, message=f"use {key}", ANTHROPIC_API_KEY=key) == 2
    (project / "agent.yaml").write_text(AGENT + f"system: Use {SECRET}.\n")
    assert run(project) == 2
    assert not (own_home / "agentctl.db").exists()


def test_a_secret_in_a_later_message_is_refused_too(own_home: Path, project: Path) -> None:  # K11
    make_vault()
    assert run(project) == 0
    done = agentctl("send", "@", f"use {SECRET}")
    assert done.code == 2
    assert "the message holds the secret TOKEN" in done.err
    assert Canaries(SECRET).files(own_home) == []


def test_debugging_shows_no_key(own_home: Path, project: Path) -> None:  # K8
    make_vault()
    with LoopbackApi([call("bash", {"command": "env"}), refuse(400, "invalid_request_error", "bad")]) as api:
        canaries = Canaries(api.key, SECRET, "gw_Zq81mN0pXw7cRb5Ve2")
        done = agentctl(
            "--debug", "run", project / "agent.yaml", "go", "--sandbox", "none", ANTHROPIC_LOG="debug",
            ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY=api.key,
            ANTHROPIC_CUSTOM_HEADERS="X-Gateway-Token: gw_Zq81mN0pXw7cRb5Ve2",
        )  # fmt: skip
    assert done.code == 6
    assert "anthropic" in done.err
    assert not canaries.are_in(done.out + done.err)
    assert canaries.files(own_home) == []


def test_neither_a_report_of_a_bug_nor_a_complaint_shows_a_key(
    own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # K8
    key = "sk-ant-api03-Zq81mN0pXw7cRb5Ve2-of-a-report"
    monkeypatch.setenv("ANTHROPIC_API_KEY", key)
    report_bug(ValueError(f"Request(headers={{'authorization': 'Bearer {key}'}})"), "agentctl")
    complain(UsageError(f"no {key}", hint=f"not {key}"))
    (report,) = (own_home / "reports").iterdir()
    assert "[redacted:ANTHROPIC_API_KEY]" in report.read_text()
    shown = capsys.readouterr().err
    assert shown.count("[redacted:ANTHROPIC_API_KEY]") == 3
    assert key not in shown + report.read_text()


def test_the_log_of_a_run_in_the_background_holds_no_secret(own_home: Path, project: Path) -> None:  # K1
    make_vault()
    with LoopbackApi([call("bash", {"command": f"echo {SECRET[:9]}''{SECRET[9:]}"}), say("done")]) as api:
        started = agentctl(
            "run", project / "agent.yaml", "go", "--sandbox", "none", "--detach",
            ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY=api.key,
        )  # fmt: skip
        assert started.code == 0, started.err
        seen = agentctl("events", "@", "--follow", "-o", "jsonl")
    assert "[redacted:TOKEN]" in seen.out
    canaries = Canaries(SECRET, api.key)
    assert canaries.files(own_home) == []
    assert not any(canaries.are_in(json.dumps(request.body)) for request in api.requests)
