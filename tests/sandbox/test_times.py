"""Times of files on their way into a record and back."""

import json
import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agentctl.canonical import canonical_json
from agentctl.sandbox.archive import tar_stream
from agentctl.sandbox.base import Layout
from agentctl.sandbox.inside.files import nanoseconds_of, seconds_of
from agentctl.sandbox.inside.put import unpack
from agentctl.sandbox.places import Places
from agentctl.session.files import File
from agentctl.store.blobs import Blobs

NANOSECONDS = st.integers(-(10**9) * 10**9, 4 * 10**9 * 10**9)
"""From 1938 to 2096."""


@given(NANOSECONDS)
def test_a_time_comes_back_to_the_microsecond_and_is_written_with_six_digits(time: int) -> None:
    written = canonical_json(seconds_of(time))
    assert nanoseconds_of(json.loads(written)) == time // 1000 * 1000
    assert len(written.partition(".")[2]) <= 6
    assert "e" not in written or abs(time) < 10**6


@given(st.integers(-(10**9), 4 * 10**9))
def test_a_whole_second_is_written_as_one(second: int) -> None:
    assert canonical_json(seconds_of(second * 10**9 + 999)) == str(second)


@given(NANOSECONDS, NANOSECONDS)
def test_what_came_later_does_not_come_before(one: int, other: int) -> None:
    assert (one <= other) <= (seconds_of(one) <= seconds_of(other))


def test_every_time_that_a_record_can_have_gets_into_a_sandbox(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    digest, size = blobs.put([b"x"])
    times = {"older": 1_700_000_000, "newer": 1_700_000_000.000001, "late": 4_000_000_000.999999, "before": -0.5}
    files = [File(f"/workspace/{name}", "file", 0o644, size, digest, mtime=time) for name, time in times.items()]
    reader, writer = os.pipe()
    os.write(writer, b"".join(tar_stream(files, blobs, Places(Layout()), print)))
    os.close(writer)
    assert unpack(reader, str(tmp_path / "root"), ()) == {"files": 4}
    found = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "root/workspace").iterdir()}
    assert found == {name: nanoseconds_of(time) for name, time in times.items()}
