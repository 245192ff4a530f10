"""Byte streams of a connection, plain and TLS: one thread reads frames, another writes them."""

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

MAX_BUFFERS = 512
"""Buffers of one ``sendmsg``; common systems allow 1024."""

SOCKET_BYTES = 4 << 20

Received = tuple[int, int, int, pa.Buffer | None]
"""Kind, channel, value and payload of a frame."""


class ByteStream(Protocol):
    """A connected byte stream."""

    def read(self, limit: int) -> Received | None:
        """Return the next frame, None at the end; blocks.

        ProtocolError if the frame is larger than ``limit`` bytes, OSError if the connection breaks.
        """
        ...

    def write(self, buffers: Sequence[Any]) -> None:
        """Send all buffers; blocks. OSError if the connection breaks."""
        ...

    def shutdown(self) -> None:
        """End ``read`` and ``write`` in other threads; call ``close`` after it."""
        ...

    def close(self) -> None:
        """Release the socket; no other thread may use it after that."""
        ...


class PlainStream:
    """A plain socket; frames are received without the GIL."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(None)
        self._sock = sock
        self._reader = FrameReader(sock.fileno())

    def read(self, limit: int) -> Received | None:
        return self._reader.read(limit)

    def write(self, buffers: Sequence[Any]) -> None:
        for start in range(0, len(buffers), MAX_BUFFERS):
            rest = [memoryview(buffer).cast("B") for buffer in buffers[start : start + MAX_BUFFERS] if len(buffer)]
            while rest:
                rest = _unsent(rest, self._sock.sendmsg(rest))

    def shutdown(self) -> None:
        shutdown_socket(self._sock)

    def close(self) -> None:
        self._sock.close()


class TlsStream:
    """A TLS connection; the socket does not block.

    An OpenSSL connection allows one thread at a time, so a lock guards each call. The reader waits for data outside the
    lock, as the writer could not send meanwhile otherwise.
    """

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
            raise ProtocolError(f"a frame of {length} bytes exceeds the limit of {limit}")
        if length == 0:
            return kind, channel, value, None
        payload = pa.allocate_buffer(length)
        return (kind, channel, value, payload) if self._fill(memoryview(payload).cast("B")) else None

    def _fill(self, view: memoryview) -> bool:
        """Receive ``len(view)`` bytes; False if the peer has closed the connection."""
        while view:
            try:
                with self._lock:
                    received = self._sock.recv_into(view)
            except ssl.SSLWantReadError:
                self._wait(reading=True)
                continue
            except ssl.SSLWantWriteError:
                self._wait(reading=False)
                continue
            if received == 0:
                return False
            view = view[received:]
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
        shutdown_socket(self._sock)

    def close(self) -> None:
        self._sock.close()


def _unsent(views: list[memoryview], sent: int) -> list[memoryview]:
    """Return ``views`` without their first ``sent`` bytes."""
    for i, view in enumerate(views):
        if sent < len(view):
            return [view[sent:], *views[i + 1 :]]
        sent -= len(view)
    return []


def shutdown_socket(sock: socket.socket) -> None:
    """End the reads and writes of other threads on ``sock``; an SSL socket's own method would also unwrap it."""
    try:
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        return  # it is not connected any more


def tune(sock: socket.socket) -> None:
    """Set large buffers, and send small frames without delay."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BYTES)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
