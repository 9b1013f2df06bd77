"""Where a package comes from: its manager's registry, or a host that the entry itself names."""

import re
from collections.abc import Iterable
from types import MappingProxyType
from urllib.parse import urlsplit

_SHORTHANDS = MappingProxyType(
    {"github": "github.com", "gitlab": "gitlab.com", "bitbucket": "bitbucket.org", "gist": "gist.github.com"}
)
"""What npm makes of ``github:user/repository`` and its like; without a word it is the first."""

_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9.-]*\+)?[A-Za-z][A-Za-z0-9.-]*://\S*")
_SHORTHAND = re.compile(rf"(?:(?P<word>{'|'.join(_SHORTHANDS)}):)?(?P<user>[^/@:.\s][^/@:\s]*)/[^/@:\s#]+(?:#.*)?")
_GIST = re.compile(r"gist:[^/\s]+")
_SCP = re.compile(r"(?:git\+ssh://)?[^/@:\s]+@(?P<host>[^/@:\s]+):(?!//)\S+")
_NPM_ALIAS = re.compile(r"(?:@[^/@\s]+/)?[^/@\s]+@(?P<rest>.+)")


def own_host(manager: str, package: str) -> str | None:
    """Return the host that a package is fetched from where that is not its manager's registry.

    Empty for a URL in which no host can be found. A Go module's path begins with a host, but is
    fetched from the module proxy, which is Go's registry.
    """
    if manager == "npm":
        return _npm_host(package)
    return _url_host(package)


def is_listed(host: str, patterns: Iterable[str]) -> bool:
    """Say whether a host is one of those that are written as names and as ``*.patterns``."""
    return any(host == each or (each.startswith("*.") and host.endswith(each[1:])) for each in patterns)


def _npm_host(package: str) -> str | None:
    alias = _NPM_ALIAS.fullmatch(package)
    if alias and alias["rest"].startswith("npm:"):
        return None
    for text in (package, *([alias["rest"]] if alias else [])):
        if (host := _url_host(text)) is not None:
            return host
        if found := _SHORTHAND.fullmatch(text):
            return _SHORTHANDS[found["word"] or "github"]
        if _GIST.fullmatch(text):
            return _SHORTHANDS["gist"]
        if found := _SCP.fullmatch(text):
            return found["host"].lower()
    return None


def _url_host(text: str) -> str | None:
    found = _URL.search(text)
    if found is None:
        return None
    try:
        host = urlsplit(found[0].rpartition("+")[2] if "+" in found[0].partition("://")[0] else found[0]).hostname
    except ValueError:
        return ""
    return (host or "").removesuffix(".")
