"""Output of any length and any bytes, as the model and the record get it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentctl.sandbox.inside import output
from agentctl.sandbox.inside.output import Collector, clean


@given(st.binary(max_size=200))
def test_whatever_the_bytes_the_text_is_valid(data: bytes) -> None:
    text = clean(data)
    assert "\0" not in text
    text.encode()


@given(st.text(st.characters(exclude_characters="\0\x1b", exclude_categories=["Cs"])))
def test_text_stays_as_it_is(text: str) -> None:
    assert clean(text.encode()) == text


@pytest.mark.parametrize("cut", [1, 7, 4096, 1 << 20])
def test_a_long_output_is_whole_in_its_file_however_it_came(tmp_path: Path, cut: int) -> None:
    data = "".join(f"line {number} é\n" for number in range(80_000 if cut > 7 else 12_000)).encode()
    collector = Collector(str(tmp_path / "deep/er/out.txt"))
    for at in range(0, len(data), cut):
        collector.add(data[at : at + cut])
    text, facts = collector.result()
    assert facts == {"output_bytes": len(data), "spilled_to": str(tmp_path / "deep/er/out.txt")}
    assert (tmp_path / "deep/er/out.txt").read_bytes() == data
    assert text.startswith("line 0 é\nline 1 é\n")
    assert text.endswith(data[-1000:].decode())
    assert len(text) < 2 * output.PREVIEW_CHARACTERS + 500


def test_a_file_takes_no_more_than_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "MOST_SPILLED", 600_000)
    collector = Collector(str(tmp_path / "out"))
    for _ in range(10):
        collector.add(b"x" * 100_000)
    text, _facts = collector.result()
    assert (tmp_path / "out").stat().st_size == 600_000
    assert "holds only the first 600,000" in text


def test_an_output_that_cannot_be_kept_is_shown_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    collector = Collector(str(tmp_path / "file/out"))
    collector.add(b"x" * 1_000_000)
    text, facts = collector.result()
    assert "could not be kept" in text
    assert facts == {"output_bytes": 1_000_000}
