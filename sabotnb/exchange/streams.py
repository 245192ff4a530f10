"""Byte streams under a connection: one thread reads frames, another writes them."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Sequence
from threading import Lock
from typing import Any, Protocol

import pyarrow as pa

from sabotnb.errors import ProtocolError
from sabotnb.exchange.frames import HEADER
from sabotnb.native import FrameReader

MOST_BUFFERS = 512
"""Buffers of one ``sendmsg``; systems take 1024."""

SOCKET_BYTES = 4 << 20

Received = tuple[int, int, int, pa.Buffer | None]
"""Kind, channel, value and payload of a frame."""


class ByteStream(Protocol):
    """A connected byte stream."""

    def read(self, limit: int) -> Received | None:
        """The next frame; blocks. None at its end; ProtocolError above ``limit`` bytes; OSError if it breaks."""
        ...

    def write(self, buffers: Sequence[Any]) -> None:
        """Send everything; blocks. OSError if it breaks."""
        ...

    def shutdown(self) -> None:
        """End ``read`` and ``write`` in other threads; then ``close``."""
        ...

    def close(self) -> None:
        """Release the socket; no other thread may use it any more."""
        ...


class PlainStream:
    """A socket as it is; frames are received without the GIL."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(None)
        self._sock = sock
        self._reader = FrameReader(sock.fileno())

    def read(self, limit: int) -> Received | None:
        return self._reader.read(limit)

    def write(self, buffers: Sequence[Any]) -> None:
        for start in range(0, len(buffers), MOST_BUFFERS):
            rest = [memoryview(buffer).cast("B") for buffer in buffers[start : start + MOST_BUFFERS] if len(buffer)]
            while rest:
                rest = _behind(rest, self._sock.sendmsg(rest))

    def shutdown(self) -> None:
        shut(self._sock)

    def close(self) -> None:
        self._sock.close()


class TlsStream:
    """A TLS connection. OpenSSL's objects take one thread at a time, so a lock guards calls that never block."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        sock.settimeout(0)
        self._sock = sock
        self._lock = Lock()

    def read(self, limit: int) -> Received | None:
        header = bytearray(HEADER.size)
        if not self._fill(memoryview(header)):
            return None
        kind, channel, length, value = HEADER.unpack(header)
        if length > limit:
            raise ProtocolError(f"a frame of {length} bytes where {limit} are the limit")
        if length == 0:
            return kind, channel, value, None
        payload = pa.allocate_buffer(length)
        return (kind, channel, value, payload) if self._fill(memoryview(payload).cast("B")) else None

    def _fill(self, view: memoryview) -> bool:
        """Receive ``len(view)`` bytes; False if the peer has closed."""
        while view:
            try:
                with self._lock:
                    got = self._sock.recv_into(view)
            except ssl.SSLWantReadError:
                self._wait(reading=True)
                continue
            except ssl.SSLWantWriteError:
                self._wait(reading=False)
                continue
            if got == 0:
                return False
            view = view[got:]
        return True

    def write(self, buffers: Sequence[Any]) -> None:
        for buffer in buffers:
            view = memoryview(buffer).cast("B")
            while view:
                try:
                    with self._lock:
                        sent = self._sock.send(view)
                except ssl.SSLWantWriteError:
                    self._wait(reading=False)
                except ssl.SSLWantReadError:
                    self._wait(reading=True)
                else:
                    view = view[sent:]

    def _wait(self, *, reading: bool) -> None:
        poller = select.poll()
        poller.register(self._sock, select.POLLIN if reading else select.POLLOUT)
        poller.poll()

    def shutdown(self) -> None:
        shut(self._sock)

    def close(self) -> None:
        self._sock.close()


def _behind(views: list[memoryview], sent: int) -> list[memoryview]:
    """What is left of ``views`` after their first ``sent`` bytes."""
    for i, view in enumerate(views):
        if sent < len(view):
            return [view[sent:], *views[i + 1 :]]
        sent -= len(view)
    return []


def shut(sock: socket.socket) -> None:
    """End what other threads do with ``sock``. An SSL socket's own method would also unwrap it."""
    try:
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        return  # it is not connected any more, which is what was wanted


def tune(sock: socket.socket) -> None:
    """Large buffers, no waiting for more to send."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BYTES)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
