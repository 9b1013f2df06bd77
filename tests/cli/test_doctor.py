"""``agentctl doctor``: what the engine, runc and the kernel are known to be open to."""

import pytest

from agentctl.sandbox.docker.holes import HOLES, holes_of
from tests.cli.program import agentctl

ARCHIVE, COPY, ALG, URING, DNS = (
    "CVE-2026-41567",
    "GO-2026-5617, GO-2026-5668",
    "CVE-2026-31431",
    "io_uring",
    "CVE-2024-29018",
)
CREATION, EMPTY, LEAK = "CVE-2025-31133, CVE-2025-52565, CVE-2025-52881", "CVE-2024-45310", "CVE-2024-21626"


@pytest.mark.parametrize(
    ("component", "version", "open_to"),
    [
        ("engine", "20.10.24+dfsg1", [ARCHIVE, COPY, ALG, URING, DNS]),
        ("engine", "24.0.9", [ARCHIVE, COPY, ALG, URING, DNS]),  # a line that was given up
        ("engine", "25.0.5", [ARCHIVE, COPY, ALG]),
        ("engine", "29.4.2", [ARCHIVE, COPY]),
        ("engine", "29.5.1", []),
        ("engine", "30.0.0", []),
        ("runc", "1.1.5+ds1-1+deb12u1", [CREATION, EMPTY]),  # mended in place by the distribution
        ("runc", "1.1.5+ds1-1+deb12u2", [CREATION, EMPTY]),
        ("runc", "1.1.5", [CREATION, EMPTY, LEAK]),
        ("runc", "1.1.15", [CREATION]),
        ("runc", "1.2.7", [CREATION]),
        ("runc", "1.2.8", []),
        ("runc", "1.3.2", [CREATION]),
        ("runc", "1.4.1", []),
        ("runc", "1.0.0", [CREATION, EMPTY, LEAK]),
    ],
)
def test_a_version_is_open_to_what_was_mended_later(component: str, version: str, open_to: list[str]) -> None:
    assert [hole.name for hole in holes_of(component, version)] == open_to


def test_what_is_not_held_off_tells_to_upgrade() -> None:
    assert all(hole.held_off or hole.component == "runc" for hole in HOLES)


@pytest.mark.docker
def test_the_findings_name_each_hole_and_how_it_is_held_off() -> None:
    done = agentctl("doctor", "-o", "json")
    findings = {finding["name"]: finding for finding in done.json["findings"]}
    assert {"engine", "runc", "seccomp", "userns-remap", "kernel"} <= findings.keys()
    assert done.json["schema"] == "agentctl.doctor/1"
    version = findings["engine"]["says"].partition(":")[0]
    for hole in holes_of("engine", version):
        assert hole.held_off is not None
        assert f"held off by design: {hole.held_off}" in findings[hole.name]["says"]
    assert f"{len(holes_of('engine', version))} known hole" in findings["engine"]["says"]
    assert not any(
        finding["needed"] for finding in findings.values() if finding["name"] in {hole.name for hole in HOLES}
    )
    assert "engine: " in agentctl("doctor").out


def test_without_a_daemon_there_is_nothing_to_say_of_it() -> None:
    findings = agentctl("doctor", "-o", "json", DOCKER_HOST="unix:///nonexistent.sock").json["findings"]
    assert "engine" not in {finding["name"] for finding in findings}
