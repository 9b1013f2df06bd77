# ruff: noqa: PTH111, PTH113, PTH118
"""Where the package managers of an image get their packages from: each is asked for its own configuration.

Run as a program inside the image, without a network. Prints one JSON object: for each manager that is
there, the beginnings of the URLs that it would fetch from. Nothing here knows the host of a registry.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 30.0
_MOST_OUTPUT = 1 << 18
_BEGINNING = re.compile(r"https?://[^\s'\"`,|/?#]+")

_PIP = """
import json, sys
from pip._internal.configuration import Configuration
from pip._internal.models.index import PyPI
configuration = Configuration(isolated=False)
configuration.load()
found = {}
for key, value in configuration.items():
    found.setdefault(key.rpartition(".")[2], []).extend(str(value).split())
urls = found.get("index-url") or [PyPI.url, "https://" + PyPI.file_storage_domain]
print("\\n".join(urls + found.get("extra-index-url", []) + found.get("find-links", [])))
"""

# A source may look for its index on another host than its own; its fetcher is told which.
_GEM = """
class Told
  def fetch_path(uri, *)
    puts uri
    raise Gem::RemoteFetcher::FetchError.new("asked", uri.to_s)
  end
end
Gem.configuration
Gem::RemoteFetcher.define_singleton_method(:fetcher) { Told.new }
Gem.sources.each_source do |source|
  puts source.uri
  begin
    source.dependency_resolver_set
  rescue StandardError, NotImplementedError
    nil
  end
end
"""


def pip() -> str:
    """Ask pip: what it is configured with, else what it has built in."""
    return _said(["python3", "-c", _PIP])


def npm() -> str:
    """Ask npm: its registry, and those of scopes."""
    values = json.loads(_said(["npm", "config", "list", "--json"]))
    return "\n".join(str(value) for name, value in values.items() if name == "registry" or name.endswith(":registry"))


def apt() -> str:
    """Ask apt: what it would fetch."""
    return _said(["apt-get", "update", "--print-uris"])


def gem() -> str:
    """Ask RubyGems: its sources, and where these look."""
    return _said(["ruby", "-rrubygems", "-rrubygems/remote_fetcher", "-e", _GEM])


def cargo() -> str:
    """Let cargo look for a crate: without a network it says what it cannot reach, and asks for a name that is none."""
    with tempfile.TemporaryDirectory() as home:
        own = os.environ.get("CARGO_HOME") or os.path.expanduser("~/.cargo")
        for name in ("config", "config.toml"):
            if os.path.isfile(os.path.join(own, name)):
                shutil.copy(os.path.join(own, name), home)
        settings = {"CARGO_HOME": home, "CARGO_NET_RETRY": "0", "CARGO_TERM_COLOR": "never"}
        command = ["cargo", "install", "--root", home, "agentctl-asks-where"]
        return "\n".join(re.findall("`([^`]*)`", _said(command, settings, errors=True)))


def go() -> str:
    """Ask Go: its module proxies and its checksum database."""
    proxies, database = _said(["go", "env", "GOPROXY", "GOSUMDB"]).split("\n")[:2]
    name = database.split()[-1] if database.split() else "off"
    urls = proxies.replace("|", ",").split(",")
    if name != "off":
        urls.append(name if "://" in name else "https://" + name.partition("+")[0])
    return "\n".join(urls)


MANAGERS = {
    "apt": ("apt-get", apt),
    "cargo": ("cargo", cargo),
    "gem": ("ruby", gem),
    "go": ("go", go),
    "npm": ("npm", npm),
    "pip": ("python3", pip),
}
"""For each manager, the program that it needs and who asks it."""


def answers() -> dict[str, list[str]]:
    """Ask every manager that is there; one that fails has no answer."""
    there = {name: ask for name, (program, ask) in MANAGERS.items() if shutil.which(program)}
    with concurrent.futures.ThreadPoolExecutor(len(there) or 1) as pool:
        asked = {name: pool.submit(_answer, ask) for name, ask in there.items()}
        return {name: answer.result() for name, answer in asked.items()}


def _answer(ask: Callable[[], str]) -> list[str]:
    try:
        return sorted(set(_BEGINNING.findall(ask())))
    except (OSError, ValueError, subprocess.SubprocessError):
        return []


def _said(command: list[str], settings: dict[str, str] | None = None, *, errors: bool = False) -> str:
    run = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if errors else subprocess.DEVNULL,
        env={**os.environ, **(settings or {})},
        timeout=SECONDS,
        check=False,
    )
    return run.stdout[:_MOST_OUTPUT].decode("utf-8", "replace")


if __name__ == "__main__":
    json.dump(answers(), sys.stdout)
