"""Bounds on connections that have not said who they are yet: how long they may take, and how many there may be.

A peer that sends a byte now and then never lets a timeout of a single read pass, so each handshake has one deadline for
all of its reads and writes. A peer that opens connections without end must not keep others out, so the oldest handshake
is broken off when there are too many: an honest one takes milliseconds and is seldom the oldest.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Timer

from sabotnb.exchange.streams import shut


class Handshakes:
    """Handshakes under way. ``seconds`` is what each may take in all, ``most`` how many there may be."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._most = most
        self._lock = Lock()
        self._reasons: dict[socket.socket, str] = {}
        """Connections, the oldest first, and why each was broken off; empty while it was not."""
        self._stopped = False

    def __len__(self) -> int:
        """Number of handshakes under way."""
        return len(self._reasons)

    @contextmanager
    def limited(self, sock: socket.socket) -> Iterator[None]:
        """Shake hands over ``sock`` inside; TimeoutError if it took too long, or had to make room for others."""
        timer = Timer(self._seconds, self._break_off, (sock, f"the handshake took longer than {self._seconds:g} s"))
        timer.daemon = True
        self._begin(sock)
        try:
            timer.start()
            yield
        finally:
            timer.cancel()
            with self._lock:
                reason = self._reasons.pop(sock)
            if reason:
                raise TimeoutError(reason)

    def stop(self) -> None:
        """Break off every handshake, and each that still begins."""
        with self._lock:
            self._stopped = True
            pending = list(self._reasons)
        for sock in pending:
            self._break_off(sock, "this agent stopped")

    def _begin(self, sock: socket.socket) -> None:
        with self._lock:
            self._reasons[sock] = ""
            pending = [known for known, reason in self._reasons.items() if not reason]
            stopped = self._stopped
        if stopped:
            self._break_off(sock, "this agent stopped")
        elif len(pending) > self._most:
            self._break_off(pending[0], f"more than {self._most} connections were waiting for a handshake")

    def _break_off(self, sock: socket.socket, reason: str) -> None:
        """Let whatever the handshake waits for end. Under the lock, so that it cannot hit a connection that is made."""
        with self._lock:
            if self._reasons.get(sock) == "":
                self._reasons[sock] = reason
                shut(sock)
