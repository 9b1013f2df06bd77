"""Packages as a content: what is written is read."""

import pytest

from agentctl.session.packages import packages_as_bytes, read_packages


@pytest.mark.parametrize("version", ["1.0", "1.0-\u00e9", "\U0001f600", "\udc80", 'a"b\\'])
def test_any_version_is_read_as_it_was_written(version: str) -> None:
    packages = {"pip": {"pandas": version}, "Debian": {"bash": "5.2"}}
    assert read_packages(packages_as_bytes(packages)) == packages
