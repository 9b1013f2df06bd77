"""``agentctl vault``: credentials that sandboxes may use and never see."""

import getpass
import json
import sys
from enum import StrEnum
from typing import Annotated, TypeAlias

import typer

from agentctl.canonical import JsonObject
from agentctl.cli.complain import write_error
from agentctl.cli.looking import stdout_look
from agentctl.cli.options import Output, OutputOption
from agentctl.cli.output import print_json, reporting, write_out
from agentctl.errors import UsageError
from agentctl.ids import SystemClock, time_of
from agentctl.paths import home
from agentctl.render.lines import Span, paint_all, shown
from agentctl.render.listing import table
from agentctl.render.look import Look
from agentctl.render.numbers import age
from agentctl.vault.credentials import EnvironmentVariable
from agentctl.vault.store import (
    Credential,
    Vault,
    add_credential,
    create_vault,
    open_vault,
    remove_credential,
    remove_vault,
    rotate_credential,
    vault_names,
)

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False, no_args_is_help=True)

_MOST_BYTES = 64 * 1024
_HEAD = ("VAULT", "CREDENTIAL", "KIND", "HOSTS", "PLACES", "ADDED", "CHANGED")

NameArgument: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="The vault.")]
KeyArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="VARIABLE", help="The variable that holds it; for MCP kinds the server's URL.")
]
SourceArgument: TypeAlias = Annotated[
    str | None, typer.Argument(metavar="[-]", help="- reads the secret from standard input; a terminal is asked.")
]
StdinOption: TypeAlias = Annotated[bool, typer.Option("--stdin", help="Read the secret from standard input.")]


class Kind(StrEnum):
    """Kinds of credentials."""

    ENVIRONMENT_VARIABLE = "environment_variable"
    STATIC_BEARER = "static_bearer"
    MCP_OAUTH = "mcp_oauth"


@app.callback()
def vault() -> None:
    """Keep credentials that sandboxes may use and never see."""


@app.command()
def create(name: NameArgument, output: OutputOption = Output.TEXT) -> None:
    """Make an empty vault."""
    with reporting(output):
        made = create_vault(home(), name, SystemClock())
        if output is Output.TEXT:
            write_out(f"made vault {name}; next: agentctl vault add {name} VARIABLE --host HOST\n")
        else:
            print_json({"type": "vault", "schema": "agentctl.vault/1", **_as_json(made)})


@app.command()
def add(
    name: NameArgument,
    variable: KeyArgument,
    source: SourceArgument = None,
    host: Annotated[
        list[str] | None, typer.Option(metavar="HOST", help="A host or *.pattern it is for; may be repeated.")
    ] = None,
    unrestricted: Annotated[
        bool, typer.Option("--unrestricted", help="It is for every host that the environment allows.")
    ] = False,
    header: Annotated[bool, typer.Option("--header", help="Put it into headers; both, unless one is chosen.")] = False,
    body: Annotated[bool, typer.Option("--body", help="Put it into bodies; both, unless one is chosen.")] = False,
    kind: Annotated[Kind, typer.Option(help="What it is.")] = Kind.ENVIRONMENT_VARIABLE,
    stdin: StdinOption = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Add a credential; its secret is asked for, or read from standard input."""
    with reporting(output):
        chosen = _place(header=header, body=body)
        auth = _auth(kind, variable, tuple(host or ()), chosen, unrestricted=unrestricted)
        open_vault(home(), name)  # before a secret is asked for in vain
        auth |= _secret_members(kind, _read_secret(variable, source, stdin=stdin))
        credential = add_credential(home(), name, auth, SystemClock())
        if kind is not Kind.ENVIRONMENT_VARIABLE:
            write_error("agentctl: it is kept, but this version of agentctl does not speak to MCP servers yet")
        _tell(name, credential, "added", output)


@app.command()
def rotate(
    name: NameArgument,
    variable: KeyArgument,
    source: SourceArgument = None,
    stdin: StdinOption = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Give a credential a new secret; sessions that run use it with their next request."""
    with reporting(output):
        open_vault(home(), name).credential(variable)
        secret = _read_secret(variable, source, stdin=stdin)
        _tell(name, rotate_credential(home(), name, variable, secret, SystemClock()), "changed", output)


@app.command("ls")
def list_vaults(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this vault.")] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """List vaults and what is in them, without the secrets."""
    with reporting(output):
        vaults = [open_vault(home(), each) for each in ([name] if name else vault_names(home()))]
        if output is not Output.TEXT:
            listed = [_as_json(vault) for vault in vaults]
            print_json({"type": "vaults", "schema": "agentctl.vaults/1", "vaults": listed})
        elif not vaults:
            write_out("there are no vaults yet; make one with: agentctl vault create NAME\n")
        else:
            look = stdout_look()
            write_out(paint_all(table(_HEAD, [row for vault in vaults for row in _rows(vault, look)], look, ()), look))


@app.command("rm")
def remove(
    name: NameArgument,
    variable: Annotated[str | None, typer.Argument(metavar="[VARIABLE]", help="Only this credential.")] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Of a vault: keep nothing, so former secrets are no longer redacted.")
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Remove a vault or a credential; what was secret stays hidden in records, unless it is to be forgotten."""
    with reporting(output):
        if variable is None:
            remove_vault(home(), name, SystemClock(), forget=forget)
        elif forget:
            raise UsageError("--forget is for a vault as a whole")
        else:
            remove_credential(home(), name, variable)
        if output is Output.TEXT:
            write_out(f"removed {variable or 'vault'} {'from ' if variable else ''}{name}\n")
        else:
            body = {"type": "vault_removed", "schema": "agentctl.vault_removed/1", "vault": name}
            print_json(body | {"credential": variable})


def _auth(kind: Kind, key: str, hosts: tuple[str, ...], place: JsonObject | None, *, unrestricted: bool) -> JsonObject:
    """Write what the command line says as the API's ``auth``. Raises UsageError."""
    if kind is not Kind.ENVIRONMENT_VARIABLE:
        if hosts or place or unrestricted:
            raise UsageError(f"--host, --unrestricted, --header and --body are for {Kind.ENVIRONMENT_VARIABLE} only")
        return {"type": kind.value, "mcp_server_url": key}
    if bool(hosts) == unrestricted:
        raise UsageError(
            "say which hosts the secret is for",
            hint="--host api.example.com, as often as needed; or --unrestricted for every host that can be reached",
        )
    networking = {"type": "limited", "allowed_hosts": list(hosts)} if hosts else {"type": "unrestricted"}
    auth: JsonObject = {"type": kind.value, "secret_name": key, "networking": networking}
    return auth | ({"injection_location": place} if place else {})


def _place(*, header: bool, body: bool) -> JsonObject | None:
    return {"header": header, "body": body} if header or body else None


def _secret_members(kind: Kind, secret: str) -> JsonObject:
    """Name the secret as ``auth`` does; that of mcp_oauth may be a token, or a JSON object with more members."""
    if kind is Kind.ENVIRONMENT_VARIABLE:
        return {"secret_value": secret}
    if kind is Kind.STATIC_BEARER:
        return {"token": secret}
    if not secret.lstrip().startswith("{"):
        return {"access_token": secret}
    try:
        members = json.loads(secret)
    except ValueError:
        raise UsageError("what was given begins like JSON, and is none") from None
    return {str(member): value for member, value in members.items() if member not in ("type", "mcp_server_url")}


def _read_secret(variable: str, source: str | None, *, stdin: bool) -> str:
    """Ask for a secret, or read it from standard input, without the line's end. Raises UsageError."""
    if source not in (None, "-"):
        raise UsageError(
            "a secret is never an argument: other users, and the shell's history, would see it",
            hint="leave it out to be asked for it, or give - and write it to standard input; and change this one",
        )
    if stdin or source == "-":
        return _from_standard_input()
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask for the secret on", hint="give -, and write it to standard input")
    try:
        return getpass.getpass(f"Secret for {variable} (not shown): ", stream=sys.stderr)
    except EOFError:
        raise UsageError("no secret was given") from None


def _from_standard_input() -> str:
    if sys.stdin is None:
        raise UsageError("the secret was to come from standard input, which is closed")
    data = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise UsageError(f"the secret is longer than {_MOST_BYTES >> 10} KiB")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError("the secret is not UTF-8 text") from None
    return text.removesuffix("\n").removesuffix("\r")


def _tell(name: str, credential: Credential, deed: str, output: Output) -> None:
    if output is Output.TEXT:
        write_out(f"{deed} {credential.auth.key} in vault {name}\n")
    else:
        body = {"type": "credential", "schema": "agentctl.credential/1", "vault": name}
        print_json(body | _credential_as_json(credential))


def _as_json(vault: Vault) -> JsonObject:
    credentials = [_credential_as_json(credential) for credential in vault.credentials]
    return {"name": vault.name, "created_at": vault.created_at, "credentials": credentials}


def _credential_as_json(credential: Credential) -> JsonObject:
    auth = credential.auth
    body: JsonObject = {"id": credential.id, "kind": auth.type, "key": auth.key}
    if isinstance(auth, EnvironmentVariable):
        body["hosts"] = None if auth.hosts is None else list(auth.hosts)
        body["injection_location"] = {"header": auth.in_header, "body": auth.in_body}
    return body | {"created_at": credential.created_at, "updated_at": credential.updated_at}


def _rows(vault: Vault, look: Look) -> list[list[Span]]:
    if not vault.credentials:
        return [[Span(vault.name, "bold"), *(Span("") for _ in _HEAD[1:])]]
    return [[Span(shown(text, look), style) for text, style in _cells(vault, each)] for each in vault.credentials]


def _cells(vault: Vault, credential: Credential) -> list[tuple[str, str]]:
    auth, now = credential.auth, SystemClock().now()
    hosts, places = "", ""
    if isinstance(auth, EnvironmentVariable):
        hosts = "every host" if auth.hosts is None else ", ".join(auth.hosts)
        places = " and ".join(word for word, used in (("header", auth.in_header), ("body", auth.in_body)) if used)
    dates = [age(time_of(text), now) for text in (credential.created_at, credential.updated_at)]
    kind = auth.type.replace("environment_variable", "variable")
    return [
        (vault.name, "bold"),
        (auth.key, ""),
        (kind, ""),
        (hosts, ""),
        (places, ""),
        *((date, "dim") for date in dates),
    ]
