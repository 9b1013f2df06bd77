"""How the image of an environment is made, written down: the steps of a Dockerfile, named by what goes into them.

Nothing here talks to a daemon. The same inputs give the same recipe, and the same recipe the same name.
"""

import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentctl.canonical import hash_of, sha256_hex
from agentctl.definitions.environment import EnvironmentConfig
from agentctl.sandbox.base import Layout
from agentctl.sandbox.inside import outside, packages
from agentctl.sandbox.inside.authorities import VARIABLES

HOME = "/home/agent"
USER = 10001

RECIPE = 2
"""Counted up when the recipe below changes what it makes."""

REPOSITORY = "agentctl-env"
"""What the images of environments are called, before the colon."""

WRITABLE = "/usr/local/share/agentctl/writable"
"""The file of an image that names what the agent's user may write, one path a line."""

PACKAGES = "/usr/local/share/agentctl/packages"
"""The file of an image that names its packages, as ``sandbox.inside.packages`` prints them."""

_OWN = "/usr/local/share/agentctl"
_CA_BUNDLE = "/usr/local/share/agentctl/ca-bundle.crt"

_APT = "export DEBIAN_FRONTEND=noninteractive; apt-get update -q && apt-get install -qy --no-install-recommends"
_CLEAN = "rm -rf /var/lib/apt/lists/*"

# apt looks at no variable.
_APT_TRUSTS = (
    "if test -d /etc/apt/apt.conf.d; then "
    f"echo 'Acquire::https::CAInfo \"{_CA_BUNDLE}\";' >/etc/apt/apt.conf.d/90agentctl; fi"
)

_PYTHON = (
    "if ! python3 -c 'import sys, json, ctypes; sys.exit(sys.version_info < (3, 8))' || ! test -x /bin/bash; then "
    "command -v apt-get >/dev/null || "
    "{ echo 'the image needs python3 (3.8 or later) and bash, and has no apt-get to install them'; exit 1; }; "
    f"{_APT} python3 bash && {_CLEAN}; fi"
)

# Only what the registry has: a module's own host is somebody else, whom the environment may not allow.
_GO = "GOPROXY=\"$(go env GOPROXY | sed 's/[,|]direct$//')\" GOPATH=/tmp/agentctl-go"
_GO_CLEAN = "chmod -R u+w /tmp/agentctl-go; rm -rf /tmp/agentctl-go ~/.cache/go-build"

_MANAGERS = {
    "cargo": ("cargo", "cargo", "cargo install --root /usr/local {}", "rm -rf ~/.cargo/registry ~/.cargo/git"),
    "gem": ("gem", "ruby-full build-essential", "gem install --no-document {}", "true"),
    "go": ("go", "golang-go", f"{_GO} GOBIN=/usr/local/bin go install {{}}", _GO_CLEAN),
    "npm": ("npm", "nodejs npm", "npm install -g --no-fund --no-audit {}", "rm -rf ~/.npm/_cacache"),
}
"""For each manager: its program, the Debian packages that bring it, how it installs one thing after another,
and what it need not keep."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an image is made: the steps of its Dockerfile, each with words for a person, and the files they copy."""

    steps: tuple[tuple[str, str], ...]
    files: dict[str, bytes]

    @property
    def dockerfile(self) -> str:
        """Write the Dockerfile."""
        return "".join(f"{instruction}\n" for instruction, _ in self.steps)

    @property
    def hash(self) -> str:
        """Name everything that goes in, in 24 hexadecimal digits."""
        files = {name: sha256_hex(data) for name, data in self.files.items()}
        return hash_of([RECIPE, self.dockerfile, files]).removeprefix("sha256:")[:24]

    @property
    def tag(self) -> str:
        """Name the image."""
        return f"{REPOSITORY}:{self.hash}"

    def context(self) -> io.BytesIO:
        """Return what the daemon is sent."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for name, data in {"Dockerfile": self.dockerfile.encode(), **self.files}.items():
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(data), 0o644
                tar.addfile(info, io.BytesIO(data))
        archive.seek(0)
        return archive


def make_recipe(config: EnvironmentConfig, base_id: str, layout: Layout, ca_bundle: bytes | None) -> Recipe:
    """Write down how the image of an environment is made from the image ``base_id``."""
    folders = " ".join((HOME, layout.workspace, layout.outputs, layout.uploads))
    user = (
        f"grep -q '^[^:]*:[^:]*:{USER}:' /etc/passwd || "
        f"{{ echo 'agent:x:{USER}:{USER}:agent:{HOME}:/bin/bash' >>/etc/passwd; "
        f"echo 'agent:x:{USER}:' >>/etc/group; }}; mkdir -p {folders} && chown {USER}:{USER} {folders}"
    )
    programs = {"outside.py": outside, "packages.py": packages}
    files = {name: Path(str(program.__file__)).read_bytes() for name, program in programs.items()}
    steps = [(f"FROM {base_id}", f"start from {config.base_image}"), ("USER 0:0", "as root")]
    trust = ""
    if ca_bundle is not None:
        files["ca-bundle.crt"] = ca_bundle
        variables = " ".join(f"{variable}={_CA_BUNDLE}" for variable in VARIABLES)
        steps += [(f"COPY ca-bundle.crt {_CA_BUNDLE}", "copy certificates"), (f"ENV {variables}", "trust them")]
        trust = f"{_APT_TRUSTS}; "
    steps.append(_run(f"{trust}{_PYTHON}; {user}", "make the user and the folders"))
    steps += [_run(command, what) for command, what in _installations(config)]
    if config.setup:
        files["setup"] = config.setup.encode()
        steps.append(("COPY setup /tmp/agentctl-setup", "copy setup"))
        steps.append(_run("/bin/bash -e /tmp/agentctl-setup && rm /tmp/agentctl-setup", "run setup"))
    steps.append((f"COPY {' '.join(programs)} {_OWN}/", "copy what finds the agent's places and the packages"))
    python = f"python3 -I -S {_OWN}"
    find = f"{python}/outside.py {USER} >{WRITABLE}; {python}/packages.py >{PACKAGES} || rm {PACKAGES}"
    steps.append(_run(find, "find what the agent can write, and the packages"))
    return Recipe(tuple(steps), files)


def _run(command: str, what: str) -> tuple[str, str]:
    return "RUN " + json.dumps(["/bin/sh", "-ec", command]), what


def _installations(config: EnvironmentConfig) -> Iterator[tuple[str, str]]:
    """Yield what installs the packages, in the order of the hosted API: that of the managers' names."""
    packages = config.packages
    if packages.apt:
        yield f"{_APT} {_quoted(packages.apt)} && {_CLEAN}", _what("apt", packages.apt)
    for name, (program, debian, command, clean) in _MANAGERS.items():
        wanted: tuple[str, ...] = getattr(packages, name)
        if wanted:
            yield f"command -v {program} >/dev/null || {{ {_APT} {debian} && {_CLEAN}; }}", f"install {name} itself"
            installed = "; ".join(command.format(_quoted([package])) for package in wanted)
            yield f"{installed}; {clean}", _what(name, wanted)
    if packages.pip:
        pip = "python3 -m pip --version >/dev/null 2>&1"
        yield f"{pip} || {{ {_APT} python3-pip python3-venv && {_CLEAN}; }}", "install pip itself"
        command = f"PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --no-cache-dir {_quoted(packages.pip)}"
        yield command, _what("pip", packages.pip)


def _what(manager: str, packages: Sequence[str]) -> str:
    return f"install with {manager}: {', '.join(packages)}"


def _quoted(words: Iterable[str]) -> str:
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
