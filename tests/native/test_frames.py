"""Reading frames from real sockets, however the bytes arrive."""

import socket
import struct
from itertools import pairwise
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabotnb.errors import ProtocolError
from sabotnb.native import FrameReader
from sabotnb.native.frames import HEADER_BYTES

LIMIT = 1 << 40


def frame(kind, channel, value, payload):
    return struct.pack("<IIQQ", kind, channel, len(payload), value) + payload


def read_all(pieces, limit=LIMIT):
    """Everything that a reader finds in ``pieces``, sent one by one."""
    left, right = socket.socketpair()

    def send():
        with left:
            for piece in pieces:
                left.sendall(piece)

    sender = Thread(target=send)
    sender.start()
    found = []
    with right:
        reader = FrameReader(right.fileno())
        while (received := reader.read(limit)) is not None:
            kind, channel, value, payload = received
            found.append((kind, channel, value, b"" if payload is None else payload.to_pybytes()))
    sender.join()
    return found


FRAMES = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.binary(max_size=300)),
    max_size=20,
)


@settings(max_examples=50, deadline=None)
@given(frames=FRAMES, cuts=st.lists(st.integers(0, 5000), max_size=10))
def test_frames_do_not_depend_on_how_bytes_arrive(frames, cuts):
    stream = b"".join(frame(*one) for one in frames)
    ends = sorted({0, *(cut for cut in cuts if cut < len(stream)), len(stream)})
    assert read_all([stream[a:b] for a, b in pairwise(ends)]) == frames


def test_payloads_larger_than_any_buffer():
    payload = bytes(range(256)) * 40_000
    sent = [(1, 2, 3, b"small"), (4, 5, 6, payload), (7, 8, 9, b""), (10, 11, 12, payload[:70_000])]
    assert read_all([b"".join(frame(*one) for one in sent)]) == sent


def test_payloads_are_aligned_and_outlive_the_reader():
    left, right = socket.socketpair()
    with left, right:
        left.sendall(frame(1, 1, 1, b"x" * 1000))
        _, _, _, payload = FrameReader(right.fileno()).read(LIMIT)
    assert payload.address % 64 == 0
    assert payload.to_pybytes() == b"x" * 1000


@pytest.mark.parametrize("cut", [1, HEADER_BYTES, HEADER_BYTES + 3])
def test_a_stream_that_ends_within_a_frame_has_no_more_frames(cut):
    assert read_all([frame(1, 1, 1, b"whole"), frame(2, 2, 2, b"broken")[:cut]]) == [(1, 1, 1, b"whole")]


def test_refuses_a_frame_above_the_limit():
    assert read_all([frame(1, 1, 1, b"12345")], limit=5) == [(1, 1, 1, b"12345")]
    left, right = socket.socketpair()
    with left, right:
        left.sendall(frame(1, 1, 1, b"123456"))
        with pytest.raises(ProtocolError, match="a frame has 6 bytes, the limit is 5"):
            FrameReader(right.fileno()).read(5)


def test_a_silent_peer_times_out():
    left, right = socket.socketpair()
    with left, right:
        right.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 1000))
        with pytest.raises(TimeoutError, match="silent"):
            FrameReader(right.fileno()).read(LIMIT)
