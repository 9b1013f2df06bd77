"""A whole session that uses a credential, tries to learn it, and is told it by a host that means no good."""

import contextlib
import json
import os
import secrets
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
from docker.auth import resolve_authconfig

from agentctl.ids import SystemClock
from agentctl.network.messages import Request
from agentctl.network.tls import TlsConnection
from agentctl.paths import Home
from agentctl.sandbox.docker.daemon import connect
from agentctl.vault.store import add_credential, create_vault
from tests.canary import Canaries
from tests.cli.program import Outcome, agentctl
from tests.loopback_api import LoopbackApi, call, say
from tests.network.upstream import Upstream, upstream
from tests.sandbox.boxes import AGENT, BASE

KINDS = [
    pytest.param("docker", marks=pytest.mark.docker),
    pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
]

INSIDE = """\
import base64, http.client, os, ssl, subprocess
host, port, token = "localhost", {port}, os.environ["TOKEN"]
tunnel = http.client.HTTPSConnection("127.0.0.1", 3128, context=ssl.create_default_context(), timeout=20)
tunnel.set_tunnel(host, port)
tunnel.request("POST", "/", "body " + token, {{"Authorization": "Bearer " + token}})
answer = tunnel.getresponse()
said = answer.read()
print(answer.status, "placeholder" if token.encode() in said else "nothing")
secret = said.split(b"backwards: ")[1][::-1].decode()  # the host tells it in a way that nobody can find
print("raw", secret)
print("coloured", "\\x1b[1m".join(secret))
for data in (secret, "a" + secret, "ab" + secret):
    print(base64.b64encode(data.encode()).decode(), base64.urlsafe_b64encode(data.encode()).decode())
print(base64.encodebytes(b"x" * 50 + secret.encode() + b"y" * 30).decode(), secret.encode().hex())
os.makedirs("/mnt/session/outputs", exist_ok=True)
open("/mnt/session/outputs/found.txt", "w").write(secret)
open("found.bin", "wb").write(b"\\0\\xff" + secret.encode() * 3)
print("env file:", open(".env").read())
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        print(open("/proc/" + pid + "/environ", "rb").read())
    except OSError:
        pass
print(subprocess.run("env; ls -la / /root /home 2>&1", shell=True, capture_output=True, text=True).stdout)
"""


class Around:
    """The canaries of one session, the host that it talks to, and what was seen of its processes meanwhile."""

    def __init__(self, kind: str, server: Upstream, own_home: Path, tmp_path: Path) -> None:
        self.kind, self.server, self.home, self.folder = kind, server, Home(own_home), tmp_path
        self.secret = "cred+" + secrets.token_urlsafe(24) + "/="
        self.processes: dict[int, str] = {}
        self.inspected = ""
        server.reply = self.reply
        create_vault(self.home, "work", SystemClock())
        limited = {"type": "limited", "allowed_hosts": ["localhost"]}
        body = {"type": "environment_variable", "secret_name": "TOKEN", "secret_value": self.secret}
        add_credential(self.home, "work", body | {"networking": limited}, SystemClock())

    def reply(self, tls: TlsConnection, request: Request, body: bytes) -> bool:
        """Repeat everything, and the secret backwards; look around while the sandbox runs."""
        self.processes = self.canaries.processes()
        if self.kind == "docker":
            ids = subprocess.run(["docker", "ps", "-q"], capture_output=True, text=True, check=True).stdout.split()
            run = subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True, check=False)
            self.inspected = run.stdout
        said = request.head.written() + body + b" backwards: " + self.secret[::-1].encode()
        tls.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(said)}\r\n\r\n".encode() + said, 5)
        return True

    def run(self) -> tuple[Outcome, LoopbackApi]:
        """Run the session against a loopback API, whose key is a canary too."""
        workspace = self.folder / "workspace"
        workspace.mkdir()
        (workspace / ".env").write_text(f"TOKEN={self.secret}\n")
        (workspace / "inside.py").write_text(INSIDE.format(port=self.server.port))
        (self.folder / "agent.yaml").write_text(AGENT)
        (self.folder / "env.yaml").write_text(self.environment())
        authority = self.folder / "upstream.pem"
        authority.write_bytes(self.server.authority.pem)
        steps = [
            call("bash", {"command": "python3 inside.py"}),
            call("bash", {"command": "cat found.bin"}),
            say("done"),
        ]
        with LoopbackApi(steps) as api:
            self.canaries = Canaries(self.secret, api.key)
            done = agentctl(
                "run", self.folder / "agent.yaml", "go", "-e", self.folder / "env.yaml", "--workspace", workspace,
                "--vault", "work", "-o", "jsonl", SSL_CERT_FILE=str(authority), ANTHROPIC_BASE_URL=api.url,
                ANTHROPIC_API_KEY=api.key,
            )  # fmt: skip
        return done, api

    def environment(self) -> str:
        image = f"image: {BASE}" if self.kind == "docker" else ""
        return textwrap.dedent(f"""\
            name: e
            config:
              type: {self.kind}
              networking: {{type: limited, private_hosts: ["localhost:{self.server.port}"]}}
              {image}
            """)


def text_of(line: dict[str, Any]) -> str:
    return "".join(block.get("text", "") for block in line.get("content", ()))


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_uses_a_secret_and_nothing_of_it_is_learnt_or_left(
    kind: str, own_home: Path, tmp_path: Path
) -> None:  # K1 K2 K3 K5 K13
    with upstream("localhost") as server:
        around = Around(kind, server, own_home, tmp_path)
        done, api = around.run()
    assert done.code == 0, done.err
    head, body = server.requests[0]
    assert f"Authorization: Bearer {around.secret}" in head
    assert body.decode() == f"body {around.secret}"

    first, second = (text_of(line) for line in done.lines if line["type"] == "agent.tool_result")
    assert first.startswith("200 placeholder"), first
    assert first.count("[redacted:TOKEN]") >= 8
    assert "env file: TOKEN=[redacted:TOKEN]" in first
    assert "[redacted:TOKEN]" in second
    (egress,) = (line for line in done.lines if line["type"] == "local.egress")
    assert (egress["host"], egress["allowed"], egress["credentials"]) == ("localhost", True, ["TOKEN"])
    assert done.lines[0]["vaults"] == ["work"]

    canaries = around.canaries
    assert not canaries.are_in(done.out)
    assert not canaries.are_in(done.err)
    assert not any(canaries.are_in(json.dumps(request.body)) for request in api.requests)
    assert canaries.files(own_home) == []
    assert not canaries.are_in(around.inspected)
    assert all("agentctl run" in line for line in around.processes.values()), around.processes
    found = agentctl("outputs", "@", "-d", tmp_path / "outputs")
    assert found.code == 0, found.err
    assert (tmp_path / "outputs" / "found.txt").read_text() == "[redacted:TOKEN]"


ASTRAY = """\
import http.client, os, ssl
token, other = os.environ["TOKEN"], os.environ["OTHER"]
class Tunnel(http.client.HTTPSConnection):
    def connect(self):  # whatever it is called, it is the host of CONNECT that counts
        http.client.HTTPConnection.connect(self)
        self.sock = trusting.wrap_socket(self.sock, server_hostname="localhost")
trusting = ssl._create_unverified_context()
for host, port in (("127.0.0.1", {wrong}), ("localhost", {right})):
    tunnel = Tunnel("127.0.0.1", 3128, timeout=20)
    tunnel.set_tunnel(host, port)
    sent = {{"Host": "localhost:{right}", "Authorization": "Bearer " + token, "X-Other": other}}
    tunnel.request("POST", "/?key=" + token, token + " " + other, sent)
    print(tunnel.getresponse().status)
print(token, other)
"""


@pytest.mark.bubblewrap
def test_a_placeholder_that_is_sent_to_a_wrong_host_stays_one(own_home: Path, tmp_path: Path) -> None:  # K4
    secret, other = (f"cred+{secrets.token_urlsafe(24)}" for _ in range(2))
    create_vault(Home(own_home), "work", SystemClock())
    for name, value, host in (("TOKEN", secret, "localhost"), ("OTHER", other, "other.example")):
        body = {"type": "environment_variable", "secret_name": name, "secret_value": value}
        add_credential(
            Home(own_home), "work", body | {"networking": {"type": "limited", "allowed_hosts": [host]}}, SystemClock()
        )
    with upstream("localhost") as right, upstream("localhost") as wrong:
        hosts = [f"localhost:{right.port}", f"127.0.0.1:{wrong.port}"]
        networking = {"type": "limited", "allowed_hosts": ["other.example"], "private_hosts": hosts}
        config = {"type": "bubblewrap", "networking": networking}
        (tmp_path / "env.yaml").write_text(json.dumps({"name": "e", "config": config}))
        (tmp_path / "agent.yaml").write_text(AGENT)
        (tmp_path / "script.yaml").write_text(
            "- tools: [{name: bash, input: {command: python3 astray.py}}]\n- {text: Sent.}\n"
        )
        workspace = tmp_path / "workspace"
        workspace.mkdir()
        (workspace / "astray.py").write_text(ASTRAY.format(right=right.port, wrong=wrong.port))
        (tmp_path / "upstream.pem").write_bytes(right.authority.pem)
        done = agentctl(
            "run", tmp_path / "agent.yaml", "go", "-e", tmp_path / "env.yaml", "--workspace", workspace,
            "--model", f"script:{tmp_path / 'script.yaml'}", "--vault", "work", "-o", "jsonl",
            SSL_CERT_FILE=str(tmp_path / "upstream.pem"),
        )  # fmt: skip
    assert done.code == 0, done.err
    [said] = [text_of(line) for line in done.lines if line["type"] == "agent.tool_result"]
    first, second, token, placeholder = said.split()
    assert (first, second) == ("200", "200")
    [(astray, body)] = wrong.requests
    assert not Canaries(secret, other).are_in(astray + body.decode())
    assert f"Authorization: Bearer {token}" in astray
    assert f"POST /?key={token}" in astray
    assert body.decode() == f"{token} {placeholder}"
    [(head, body)] = right.requests
    assert f"Authorization: Bearer {secret}" in head
    assert f"X-Other: {placeholder}" in head
    assert body.decode() == f"{secret} {placeholder}"
    egress = {line["host"]: line.get("credentials") or [] for line in done.lines if line["type"] == "local.egress"}
    assert egress == {"127.0.0.1": [], "localhost": ["TOKEN"]}
    assert Canaries(secret, other).files(own_home) == []


HELPER = """\
#!/bin/sh
env > "$SEEN"
echo '{"ServerURL": "registry.test", "Username": "u", "Secret": "s"}'
"""


@pytest.mark.docker
def test_a_helper_for_the_logins_of_registries_gets_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # K13
    (tmp_path / "config.json").write_text('{"credsStore": "spy"}')
    helper = tmp_path / "docker-credential-spy"
    helper.write_text(HELPER)
    helper.chmod(0o755)
    key = "sk-ant-api03-Zq81mN0pXw7cRb5Ve2-of-a-helper"
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    monkeypatch.setenv("ANTHROPIC_API_KEY", key)
    with contextlib.closing(connect()) as client:
        found = resolve_authconfig(client._auth_configs, "registry.test", credstore_env=client.credstore_env)
    assert found is not None
    assert found["Username"] == "u"
    seen = (tmp_path / "seen").read_text()
    assert f"SEEN={tmp_path / 'seen'}" in seen
    assert key not in seen
