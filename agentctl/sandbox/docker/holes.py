"""What published versions of Docker and runc are known to be open to, and whether that reaches a sandbox of ours.

A version says little where a distribution mends old ones: a hole counts as mended too where the
distribution's own version is at least one that is known to hold the mending.
"""

import re
from dataclasses import dataclass
from typing import TypeAlias

Version: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Hole:
    """A published hole of ``engine`` or ``runc``.

    ``mended`` names the first versions without it, one for each line of releases; ``patched`` the
    versions of distributions that mended it in place. ``held_off`` says why it does not reach a
    sandbox of agentctl's, and is None where only a newer version helps.
    """

    name: str
    component: str
    what: str
    mended: tuple[Version, ...]
    held_off: str | None = None
    patched: tuple[str, ...] = ()


HOLES = (
    Hole(
        "CVE-2026-41567",
        "engine",
        "an uploaded archive is unpacked by programs of the container, as root of the host",
        ((29, 5, 1),),
        "agentctl never uses the archive calls",
    ),
    Hole(
        "GO-2026-5617, GO-2026-5668",
        "engine",
        "docker cp can be led to files of the host",
        ((29, 5, 1),),
        "agentctl never uses the archive calls",
    ),
    Hole(
        "CVE-2026-31431",
        "engine",
        "the default seccomp profile allows AF_ALG sockets, through which kernels without the mending are taken over",
        ((29, 4, 2),),
        "agentctl's own profile refuses AF_ALG",
    ),
    Hole(
        "io_uring",
        "engine",
        "the default seccomp profile allows io_uring",
        ((25, 0, 0),),
        "agentctl's own profile refuses io_uring",
    ),
    Hole(
        "CVE-2024-29018",
        "engine",
        "names can be looked up from a network that is internal",
        ((23, 0, 11), (25, 0, 5), (26, 0, 0)),
        "containers of agentctl have no network",
    ),
    Hole(
        "CVE-2025-31133, CVE-2025-52565, CVE-2025-52881",
        "runc",
        "whoever has a say in how a container is made can write to files of the host",
        ((1, 2, 8), (1, 3, 3), (1, 4, 0)),
        "agentctl makes containers of images that it has built, and shares no folder that can be written",
    ),
    Hole(
        "CVE-2024-45310",
        "runc",
        "empty files can be made on the host by containers that share a folder",
        ((1, 1, 14), (1, 2, 0)),
        "containers of agentctl share no folder that can be written",
    ),
    Hole(
        "CVE-2024-21626",
        "runc",
        "an image's working directory, or docker exec, reaches the host's files through a leaked descriptor",
        ((1, 1, 12),),
        None,
        ("1.1.5+ds1-1+deb12u1", "1.0.0~rc93+ds1-5+deb11u3"),
    ),
    Hole(
        "CVE-2021-30465",
        "runc",
        "containers that share a folder can mount the host's files",
        ((1, 0, 0),),
        "containers of agentctl share no folder that can be written",
    ),
    Hole("CVE-2019-5736", "runc", "root of a container can replace the host's runc", ((1, 0, 0),)),
)


def holes_of(component: str, version: str) -> list[Hole]:
    """Return what this version of ``engine`` or ``runc`` is open to, as far as its number says."""
    return [hole for hole in HOLES if hole.component == component and not _is_mended(hole, version)]


def _is_mended(hole: Hole, version: str) -> bool:
    if any(_is_at_least(version, patched) for patched in hole.patched):
        return True
    own, depth = numbers_of(version), 1 if hole.component == "engine" else 2
    same_line = [mended for mended in hole.mended if mended[:depth] == own[:depth]]
    # A line of releases that was given up before is open, though its number is above that of an older line.
    return own >= max(same_line or hole.mended)


def _is_at_least(version: str, patched: str) -> bool:
    """Compare revisions of one and the same package of a distribution: ``…+deb12u1`` with ``…+deb12u2``."""
    stem, _, revision = patched.rpartition("u")
    own_stem, _, own_revision = version.rpartition("u")
    return stem == own_stem and own_revision.isdigit() and int(own_revision) >= int(revision)


def numbers_of(version: str) -> Version:
    """Read the numbers that a version begins with: ``20.10.24+dfsg1`` is 20, 10, 24."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(int(number) for number in match[1].split(".")) if match else ()
