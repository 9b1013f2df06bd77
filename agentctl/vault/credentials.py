"""Credentials, in the shapes of the Managed Agents API's ``auth``, and what is asked of a secret.

The kinds for MCP servers are checked and kept; nothing in agentctl speaks to such a server yet.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from agentctl.canonical import JsonObject
from agentctl.definitions.environment import Host
from agentctl.definitions.fields import Definition, Items, Shape, wrong
from agentctl.errors import UsageError
from agentctl.redaction import weakness

MOST_CREDENTIALS = 20
"""Credentials of one vault."""

MOST_HOSTS = 16
"""Hosts of one credential."""

_LONGEST_SECRET = 16 * 1024
# These decide what programs run, where they look for others, and where they connect to.
_TAKEN = re.compile(
    r"PATH|HOME|IFS|SHELL|BASH_ENV|ENV|LD_.*|PYTHON.*|(?:HTTPS?|ALL|NO)_PROXY|SSL_CERT_(?:FILE|DIR)", re.IGNORECASE
)


class _Hidden(Definition):
    """A definition whose errors and whose repr do not show what is in it."""

    model_config = ConfigDict(hide_input_in_errors=True)

    def __repr_args__(self) -> Iterator[tuple[str | None, object]]:
        """Show nothing of what it holds."""
        return iter(())


_Secret: TypeAlias = Annotated[str, Field(min_length=1, max_length=_LONGEST_SECRET)]
_Url: TypeAlias = Annotated[
    str,
    Field(max_length=2_048),
    Shape(r"https?://[^\s/?#@]+(?:[/?][^\s#]*)?", "must be a URL that begins with https://, without a user"),
]
CredentialHost: TypeAlias = (
    Host
    | Annotated[
        str,
        Shape(r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}", "must be a host, a *.pattern or an IPv4 address"),
    ]
)


class Unrestricted(_Hidden):
    """Every host that the environment allows."""

    type: Literal["unrestricted"]


class Limited(_Hidden):
    """These hosts, as far as the environment allows them."""

    type: Literal["limited"]
    allowed_hosts: Items[CredentialHost] = Field(min_length=1, max_length=MOST_HOSTS)


class InjectionLocation(_Hidden):
    """Where in a request a placeholder is replaced. Left out whole, both; what is left out of it, not."""

    header: bool = False
    body: bool = False

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if not self.header and not self.body:
            raise wrong("replaces nothing: header, body or both must be true")
        return self


class EnvironmentVariable(_Hidden):
    """A secret that a program in the sandbox finds, as a placeholder, in a variable."""

    type: Literal["environment_variable"]
    secret_name: Annotated[str, Field(max_length=128), Shape("[A-Za-z_][A-Za-z0-9_]*", "must be a variable's name")]
    secret_value: _Secret
    networking: Annotated[Unrestricted | Limited, Field(discriminator="type")]
    injection_location: InjectionLocation | None = None

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        if _TAKEN.fullmatch(self.secret_name):
            raise wrong("is a name that programs find their way by, and cannot hold a secret", "secret_name")
        if self.in_header and not re.fullmatch(r"[\x20-\x7e]+", self.secret_value):
            raise wrong(
                "holds line breaks or other characters that a header cannot; allow the body only", "secret_value"
            )
        return self

    @property
    def key(self) -> str:
        """What no other credential of the vault may have."""
        return self.secret_name

    @property
    def secrets(self) -> dict[str, str]:
        """The secret values by name."""
        return {self.secret_name: self.secret_value}

    @property
    def hosts(self) -> tuple[str, ...] | None:
        """The hosts it is for; None for every one."""
        return self.networking.allowed_hosts if isinstance(self.networking, Limited) else None

    @property
    def in_header(self) -> bool:
        """Whether it is put into headers."""
        return self.injection_location is None or self.injection_location.header

    @property
    def in_body(self) -> bool:
        """Whether it is put into bodies."""
        return self.injection_location is None or self.injection_location.body


class StaticBearer(_Hidden):
    """A token for an MCP server."""

    type: Literal["static_bearer"]
    mcp_server_url: _Url
    token: _Secret

    @property
    def key(self) -> str:
        """What no other credential of the vault may have."""
        return normalised(self.mcp_server_url)

    @property
    def secrets(self) -> dict[str, str]:
        """The secret values by name."""
        return {f"{_host_of(self.mcp_server_url)}/token": self.token}


class TokenEndpointAuth(_Hidden):
    """How a client proves to a token endpoint who it is."""

    type: Literal["none", "client_secret_basic", "client_secret_post"]
    client_secret: _Secret | None = None

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if (self.type == "none") != (self.client_secret is None):
            raise wrong("is needed, unless type is none", "client_secret")
        return self


class Refresh(_Hidden):
    """How an access token that has expired is replaced."""

    token_endpoint: _Url
    client_id: Annotated[str, Field(min_length=1, max_length=1_024)]
    refresh_token: _Secret
    token_endpoint_auth: TokenEndpointAuth
    scope: str | None = None
    resource: str | None = None


class McpOauth(_Hidden):
    """An access token for an MCP server."""

    type: Literal["mcp_oauth"]
    mcp_server_url: _Url
    access_token: _Secret
    expires_at: Annotated[
        str | None,
        Shape(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)",
            "must be a time such as 2027-01-31T12:00:00Z",
        ),
    ] = None
    refresh: Refresh | None = None

    @property
    def key(self) -> str:
        """What no other credential of the vault may have."""
        return normalised(self.mcp_server_url)

    @property
    def secrets(self) -> dict[str, str]:
        """The secret values by name."""
        host, found = _host_of(self.mcp_server_url), {"access_token": self.access_token}
        if self.refresh is not None:
            found["refresh_token"] = self.refresh.refresh_token
            if (secret := self.refresh.token_endpoint_auth.client_secret) is not None:
                found["client_secret"] = secret
        return {f"{host}/{name}": value for name, value in found.items()}


Auth: TypeAlias = Annotated[EnvironmentVariable | StaticBearer | McpOauth, Field(discriminator="type")]

_AUTH: TypeAdapter[EnvironmentVariable | StaticBearer | McpOauth] = TypeAdapter(
    Auth, config=ConfigDict(defer_build=True)
)


def read_auth(body: JsonObject) -> EnvironmentVariable | StaticBearer | McpOauth:
    """Check the ``auth`` of a credential. Raises UsageError, in which nothing of a secret stands."""
    try:
        return _AUTH.validate_python(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=True)[0]
        context = found.get("ctx", {})
        steps = [str(step) for step in (*found["loc"][1:], *context.get("at", ()))]
        # The steps into a union are not in what was given.
        place = ".".join(step for step in steps if step.isidentifier() and step not in ("limited", "unrestricted"))
        raise UsageError(f"{place or 'the credential'}: {found['msg'][:300]}") from None


def refuse_weak(auth: EnvironmentVariable | StaticBearer | McpOauth) -> None:
    """Raise UsageError for a secret that cannot be told from ordinary text: hiding it would shred every record."""
    for name, value in auth.secrets.items():
        if why := weakness(value):
            raise UsageError(
                f"the secret of {name} {why}",
                hint="it would be found, and redacted, in text that has nothing to do with it; use a longer one",
            )


def normalised(url: str) -> str:
    """Write a server's URL as it is compared: scheme and host in lower case, no default port, no slash at its end."""
    parts = urlsplit(url)
    host = parts.netloc.lower().removesuffix(":443" if parts.scheme.lower() == "https" else ":80")
    return parts._replace(scheme=parts.scheme.lower(), netloc=host, path=parts.path.removesuffix("/")).geturl()


def _host_of(url: str) -> str:
    return urlsplit(url).hostname or "server"
