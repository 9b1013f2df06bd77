"""Frames: whatever is sent comes out as it was, however the pipe cuts it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentctl.sandbox.inside.frames import END, HEADER, MORE, MOST_PAYLOAD, Decoder, FrameError, frames_of

PAYLOADS = st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=50), st.booleans()), max_size=8)


def written(channel: int, payload: bytes, *, end: bool = False) -> bytes:
    return b"".join(frames_of(channel, payload, end=end))


@given(PAYLOADS, st.integers(1, 40))
def test_frames_come_out_as_they_went_in_however_they_are_cut(sent: list[tuple[int, bytes, bool]], cut: int) -> None:
    stream = b"".join(written(channel, payload, end=end) for channel, payload, end in sent)
    decoder = Decoder(1 << 20)
    got = [frame for at in range(0, len(stream), cut) for frame in decoder.feed(stream[at : at + cut])]
    assert got == [(channel, END if end else 0, payload) for channel, payload, end in sent]


def test_a_long_message_goes_in_several_frames_and_comes_out_whole() -> None:
    payload = bytes(range(256)) * 10_000
    stream = written(0, payload)
    assert HEADER.unpack_from(stream) == (MOST_PAYLOAD, 0, MORE)
    assert list(Decoder(1 << 24).feed(stream)) == [(0, 0, payload)]


def test_a_long_stream_stays_in_pieces() -> None:
    payload = bytes(MOST_PAYLOAD + 1)
    pieces = list(Decoder(1 << 24).feed(written(5, payload, end=True)))
    assert [(channel, flags, len(piece)) for channel, flags, piece in pieces] == [(5, MORE, MOST_PAYLOAD), (5, END, 1)]


def test_a_frame_that_is_too_long_is_refused_before_it_is_waited_for() -> None:
    with pytest.raises(FrameError):
        list(Decoder(1 << 24).feed(HEADER.pack(MOST_PAYLOAD + 1, 0, 0)))


def test_a_message_that_never_ends_is_refused() -> None:
    decoder = Decoder(3 * MOST_PAYLOAD)
    frame = HEADER.pack(MOST_PAYLOAD, 0, MORE) + bytes(MOST_PAYLOAD)
    with pytest.raises(FrameError):
        list(decoder.feed(10 * frame))


def test_a_mark_is_where_a_new_beginning_is() -> None:
    decoder = Decoder(1 << 20)
    decoder.mark = b"0123456789abcdef"
    half = written(0, b"x" * 1000)[:500]
    assert list(decoder.feed(half)) == []
    stream = decoder.mark + written(0, b"hello")
    assert [frame for byte in stream for frame in decoder.feed(bytes([byte]))] == [(0, 0, b"hello")]
