"""A certificate authority for one session, whose key is never written anywhere and never leaves this process.

The key follows from a seed, so the sandbox of a session that is taken up again still trusts what
it trusted before.
"""

import contextlib
import hashlib
import os
import ssl
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CURVE = ec.SECP256R1()
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_SINCE = timedelta(days=1)  # clocks differ
_CA_LASTS = timedelta(days=3650)
_LEAF_LASTS = timedelta(days=90)
_LONGEST_COMMON_NAME = 64
_MOST_LEAVES = 256


class SessionAuthority:
    """Issues certificates for hosts, each once. Safe to be asked from any thread."""

    def __init__(self, seed: bytes, session_id: str) -> None:
        """Derive the key from a seed of at least 32 secret bytes."""
        number = int.from_bytes(hashlib.shake_256(b"agentctl authority" + seed).digest(48), "big")
        self._key = ec.derive_private_key(number % (_ORDER - 1) + 1, _CURVE)
        self._name = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, f"agentctl {session_id}"[:_LONGEST_COMMON_NAME])]
        )
        self._certificate = self._self_signed()
        self._leaf_key = ec.generate_private_key(_CURVE)
        self._lock = threading.Lock()
        self._contexts: dict[str, ssl.SSLContext] = {}

    @property
    def pem(self) -> bytes:
        """The authority's certificate."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def context(self, host: str) -> ssl.SSLContext:
        """Return what a server of that name speaks TLS with: HTTP/1.1 only, TLS 1.2 and later."""
        with self._lock:
            if host not in self._contexts:
                if len(self._contexts) >= _MOST_LEAVES:
                    self._contexts.clear()
                self._contexts[host] = self._made(host)
            return self._contexts[host]

    def _made(self, host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        private = self._leaf_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        chain = self._leaf(host).public_bytes(serialization.Encoding.PEM) + self.pem
        with _in_memory(private + chain) as path:
            context.load_cert_chain(path)
        return context

    def _leaf(self, host: str) -> x509.Certificate:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        return (
            self._begun(x509.Name([]), self._leaf_key.public_key(), _LEAF_LASTS)
            .add_extension(x509.SubjectAlternativeName([_general_name(host)]), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _self_signed(self) -> x509.Certificate:
        return (
            self._begun(self._name, self._key.public_key(), _CA_LASTS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_KEY_USAGE, critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def _begun(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, lasts: timedelta) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        own = self._key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SINCE)
            .not_valid_after(now + lasts)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(own), critical=False)
        )


_KEY_USAGE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


@contextlib.contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    """Give bytes a name for as long as they are read: the ssl module takes certificates from files only."""
    make = getattr(os, "memfd_create", None)
    if make is None:
        with tempfile.NamedTemporaryFile() as file:  # of mode 0600, and gone at once; no authority's key is in it
            file.write(data)
            file.flush()
            yield file.name
        return
    with open(make("certificate", os.MFD_CLOEXEC), "wb") as memory:
        memory.write(data)
        memory.flush()
        yield f"/proc/self/fd/{memory.fileno()}"
