"""An environment: where an agent's tools run, as the Managed Agents API says it, and more."""

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from agentctl.definitions.fields import (
    LABEL,
    Definition,
    Items,
    Metadata,
    Name,
    NullMeans,
    OnlySuchKeys,
    Shape,
    Size,
    definition_hash,
    snapshot,
    wrong,
)
from agentctl.definitions.packages import is_listed, own_host

__all__ = [
    "DEFAULT_IMAGE",
    "Environment",
    "EnvironmentConfig",
    "Mount",
    "Networking",
    "Packages",
    "Resources",
    "definition_hash",
    "snapshot",
]

DEFAULT_IMAGE = "agentctl-base:bookworm"
"""What a sandbox of type docker or cloud starts from where no image is written."""

Package: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=512),
    Shape(
        r"[^-\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f\u2028\u2029]*",
        "must be a package: no hyphen or space before it, no control characters in it",
    ),
]

_HOST = rf"(?:\*\.)?(?:{LABEL}\.)*(?!(?:[0-9]+|0[xX][0-9A-Fa-f]*)$){LABEL}"

Host: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=253),
    Shape(
        _HOST,
        "must be a host such as a.example.com or a pattern such as *.example.com: no scheme, port, path or address",
    ),
    AfterValidator(str.lower),
]

_ADDRESS = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[[0-9A-Fa-f:]{2,39}\]"

PrivateHost: TypeAlias = Annotated[
    str,
    Field(min_length=3, max_length=260),
    Shape(
        rf"(?:(?:{LABEL}\.)*(?!(?:[0-9]+|0[xX][0-9A-Fa-f]*):){LABEL}|{_ADDRESS}):[1-9][0-9]{{0,4}}",
        "must be a host or an address with its port, such as 127.0.0.1:8080",
    ),
    AfterValidator(str.lower),
]

_WORD = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REGISTRY = rf"{LABEL}(?:\.{LABEL})*(?::[0-9]{{1,5}})?"
_IMAGE = rf"(?:{_REGISTRY}/)?{_WORD}(?:/{_WORD})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?"

Image: TypeAlias = Annotated[
    str,
    Field(max_length=512),
    Shape(_IMAGE, "must be the name of an image, such as debian:bookworm-slim"),
]


_NO_NUL = Shape(r"[^\x00]*", "must not hold the character U+0000")


class Packages(Definition):
    """What is installed when the image is built, in each manager's own syntax."""

    type: Annotated[Literal["packages"], NullMeans("packages")] = Field(
        "packages", description="Always packages; may be left out"
    )
    apt: Items[Package] = Field((), description="Debian packages")
    cargo: Items[Package] = Field((), description="Rust packages")
    gem: Items[Package] = Field((), description="Ruby packages")
    go: Items[Package] = Field((), description="Go packages")
    npm: Items[Package] = Field((), description="Node.js packages")
    pip: Items[Package] = Field((), description="Python packages")


_OF_LIMITED = ("allowed_hosts", "allow_mcp_servers", "allow_package_managers", "allow_http", "private_hosts")


class Networking(Definition):
    """What the sandbox can reach."""

    type: Literal["none", "limited", "unrestricted", "learn"] = Field(
        description="none: nothing; limited: some hosts; unrestricted: every public host; "
        "learn: as unrestricted, to find out which hosts are needed"
    )
    allowed_hosts: Items[Host] = Field(
        (), description="limited: these hosts, as names or as *.patterns; an empty list is no host"
    )
    allow_mcp_servers: Annotated[bool, NullMeans(False)] = Field(
        False, description="limited: also the agent's MCP servers"
    )
    allow_package_managers: Annotated[bool, NullMeans(False)] = Field(
        False, description="limited: also the public package indexes, while the agent works"
    )
    allow_http: Annotated[bool, NullMeans(False)] = Field(
        False, description="limited: port 80, without encryption, beside port 443"
    )
    private_hosts: Items[PrivateHost] = Field(
        (), description="limited: these as well, wherever their names lead: db.example.internal:5432, 127.0.0.1:8080"
    )

    @model_validator(mode="after")
    def _limits_only_where_limited(self) -> Self:
        if self.type != "limited":
            for field in _OF_LIMITED:
                if getattr(self, field):
                    raise wrong(f"has no place beside type {self.type}: it is for type limited", field)
        return self

    def names(self, host: str) -> bool:
        """Say whether the rules name a host."""
        private = (each.rpartition(":")[0] for each in self.private_hosts)
        return is_listed(host, (*self.allowed_hosts, *private))


def _out_of_reach(host: str, networking: str) -> str:
    where = f"from {host}, which" if host else "from a host that cannot be read, which"
    what = "allowed_hosts does not name" if networking == "limited" else f"networking of type {networking} forbids"
    return f"is fetched {where} {what}; only the registries of the package managers need no permission"


class Resources(Definition):
    """What the sandbox may use of the machine; agentctl's own limits hold for what is not written."""

    memory: Size | None = Field(None, description="Bytes, or a size such as 2g")
    cpus: float | None = Field(None, ge=0.01, le=4096, description="Processors, also parts of one")
    pids: int | None = Field(None, ge=1, le=4_194_304, description="Processes and threads at one time")
    disk: Size | None = Field(None, description="Bytes, or a size such as 10g")


class Mount(Definition):
    """A folder or file of this machine that the sandbox may read, where it is, and never write."""

    source: Annotated[str, Field(min_length=1, max_length=4_096), _NO_NUL] = Field(
        description="A path of this machine, absolute or beginning with ~/"
    )
    target: Annotated[
        str,
        Field(max_length=4_096),
        Shape(r"/(?:[^/\x00]+/)*[^/\x00]+", "must be an absolute path inside the sandbox, other than /"),
    ] = Field(description="Where it is inside the sandbox")


class EnvironmentConfig(Definition):
    """What the sandbox is made of."""

    type: Literal["docker", "bubblewrap", "cloud", "self_hosted"] = Field(
        description="docker; bubblewrap, without images; cloud, as docker with the default image; "
        "self_hosted, which loads but does not run"
    )
    image: Image | None = Field(None, description=f"docker: what to start from; {DEFAULT_IMAGE} unless written")
    packages: Annotated[Packages, NullMeans({})] = Field(
        {}, validate_default=True, description="docker, cloud: what is installed when the image is built"
    )
    networking: Annotated[Networking, NullMeans({"type": "none"})] = Field(
        {"type": "none"}, validate_default=True, description="What the sandbox can reach; nothing unless written"
    )
    setup: Annotated[str, Field(min_length=1, max_length=65_536), _NO_NUL] | None = Field(
        None, description="docker, cloud: a shell script, run once when the image is built"
    )
    env: Annotated[
        dict[
            Annotated[
                str,
                Field(max_length=256),
                Shape("[A-Za-z_][A-Za-z0-9_]*", "is not a name that a variable can have"),
            ],
            Annotated[str, Field(max_length=32_768), _NO_NUL],
        ],
        Field(max_length=256),
        OnlySuchKeys(),
        NullMeans({}),
    ] = Field({}, description="Environment variables; no secrets: the agent can read them")
    resources: Annotated[Resources, NullMeans({})] = Field(
        {}, validate_default=True, description="What the sandbox may use of the machine"
    )
    user: Literal["agent", "root"] = Field(
        "agent", description="docker, cloud: who the agent's programs run as; root can install packages"
    )
    mounts: Items[Mount] = Field((), max_length=64, description="Read-only views of folders of this machine")
    ca_bundle: Literal["host"] | None = Field(
        None, description="host: trust the certificate authorities that this machine trusts"
    )

    @property
    def base_image(self) -> str:
        """The image to start from: the one written, or the default."""
        return self.image or DEFAULT_IMAGE

    @model_validator(mode="after")
    def _is_of_one_piece(self) -> Self:
        if self.image is not None and self.type != "docker":
            raise wrong(f"has no place beside type {self.type}: it is for type docker", "image")
        self._refuse_packages_out_of_reach()
        if self.type == "bubblewrap":
            self._refuse("packages", "setup", why="bubblewrap runs what this machine has and installs nothing")
            self._refuse("user", why="bubblewrap runs programs as the user who runs agentctl, without any privilege")
        if self.type == "self_hosted":
            self._refuse(
                "packages",
                "setup",
                "env",
                "resources",
                "user",
                "mounts",
                "ca_bundle",
                "networking",
                why="that machine is not ours",
            )
        return self

    def _refuse_packages_out_of_reach(self) -> None:
        """Hold packages to the network: a build reaches the registries anyway, other hosts as the rules say."""
        if self.networking.type in ("unrestricted", "learn"):
            return
        for manager in ("apt", "cargo", "gem", "go", "npm", "pip"):
            for number, package in enumerate(getattr(self.packages, manager)):
                host = own_host(manager, package)
                if host is not None and not self.networking.names(host):
                    raise wrong(_out_of_reach(host, self.networking.type), "packages", manager, number)

    def _refuse(self, *fields: str, why: str) -> None:
        for field in fields:
            value = getattr(self, field)
            if value not in (None, {}, (), "agent", Packages(), Resources(), Networking(type="none")):
                raise wrong(f"has no place beside type {self.type}: {why}", field)


class Environment(Definition):
    """An environment as its file defines it."""

    type: Annotated[Literal["environment"], Field(exclude=True)] = Field(
        "environment", description="Always environment; may be left out"
    )
    name: Name = Field(description="What the environment is called")
    description: str | None = Field(None, description="What the environment is for")
    metadata: Metadata = Field({}, description="Up to 16 pairs of text, for you")
    scope: Literal["organization", "account"] | None = Field(
        None, description="Who sees it in the hosted service; without meaning here"
    )
    config: Annotated[EnvironmentConfig, NullMeans({"type": "cloud"})] = Field(
        {"type": "cloud"}, validate_default=True, description="What the sandbox is made of"
    )
