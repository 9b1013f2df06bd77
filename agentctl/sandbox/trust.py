"""The certificate authorities that this machine trusts: where they are, and what a sandbox is given of them."""

import os
import ssl
from pathlib import Path

from agentctl.errors import SandboxError
from agentctl.visible import visible_line

_CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # Alpine, macOS
)


def find_ca_bundle() -> bytes:
    """Read the certificate authorities that this machine trusts. Raises SandboxError."""
    return ca_bundle_path().read_bytes()


def ca_bundle_path() -> Path:
    """Find the file of the certificate authorities that this machine trusts; it can be read. Raises SandboxError."""
    named = os.environ.get("SSL_CERT_FILE")
    paths = [named] if named else [*_CA_BUNDLES, ssl.get_default_verify_paths().cafile or ""]
    for path in filter(None, paths):
        try:
            with open(path, "rb"):
                return Path(path)
        except OSError as error:
            if named:
                raise SandboxError(
                    f"cannot read the certificate authorities of this machine: {visible_line(path)}: {error.strerror}",
                    hint="SSL_CERT_FILE names that file",
                ) from error
    raise SandboxError(
        "cannot find the certificate authorities of this machine",
        hint="install the package ca-certificates, or name the bundle in SSL_CERT_FILE",
    )
