# ruff: noqa: PTH101, PTH103, PTH105, PTH118
"""Certificate authorities that programs in here have to trust, beside those that the sandbox came with."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
)
"""Where programs look for the name of a bundle."""

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def trust(authorities: str, home: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Write a bundle of the sandbox's own authorities and these (PEM); return the variables that name it.

    ``environment`` may name another bundle, which is in it then. Raises OSError.
    """
    folder = os.path.join(home, ".agentctl")
    path = os.path.join(folder, "authorities.pem")
    named = environment.get("SSL_CERT_FILE")
    own = first_of([named, *_BUNDLES] if named and named != path else _BUNDLES)
    os.makedirs(folder, exist_ok=True)
    with open(path + ".new", "wb") as file:
        file.write(own + b"\n" + authorities.encode())
    os.chmod(path + ".new", 0o444)
    os.replace(path + ".new", path)
    return dict.fromkeys(VARIABLES, path)


def first_of(paths: Iterable[str]) -> bytes:
    """Read the first file that is there; nothing if none is."""
    for path in paths:
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError:
            continue
    return b""
