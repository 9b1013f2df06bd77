"""Which contents an event names: the files that it tells of, each by the SHA-256 of its bytes."""

import re
from collections.abc import Iterator

from agentctl.canonical import JsonObject
from agentctl.errors import StoreError
from agentctl.events.base import Event
from agentctl.events.local import LocalFilesChanged, LocalFilesUploaded, LocalOutputs, LocalSandboxStarted
from agentctl.session.files import Contents, read_manifest
from agentctl.session.packages import packages_digest

_DIGEST = re.compile("[0-9a-f]{64}")


def is_digest(value: object) -> bool:
    """Say whether a value is a SHA-256 as the record writes it."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def named_contents(event: Event, contents: Contents) -> Iterator[str]:
    """Yield the SHA-256 of every content that an event names; the manifest of what was uploaded is read for more.

    Raises StoreError for a name that is none, and for a manifest that is missing or damaged.
    """
    match event:
        case LocalFilesUploaded():
            yield _checked(event.manifest)
            for file in read_manifest(event.manifest, contents):
                if file.digest is not None:
                    yield _checked(file.digest)
        case LocalFilesChanged():
            yield from _digests(event.changes)
        case LocalOutputs():
            yield from _digests(event.files)
        case LocalSandboxStarted() if packages_digest(event.facts) is not None:
            yield _checked(packages_digest(event.facts))
        case _:
            return


def _digests(bodies: list[JsonObject]) -> Iterator[str]:
    for body in bodies:
        if "sha256" in body:
            yield _checked(body["sha256"])


def _checked(value: object) -> str:
    if not is_digest(value):
        raise StoreError(f"it names contents in a way that is none: {value!r:.80}")
    return str(value)
