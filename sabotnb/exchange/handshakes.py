"""Limits on handshakes of connections that are not authenticated yet: their duration and their number.

A peer that sends a byte now and then never exceeds the timeout of a single read, so each handshake has one deadline for
all of its reads and writes. A peer that opens many connections must not lock out others, so the oldest handshake is
aborted when there are too many: an honest one takes milliseconds and is seldom the oldest.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Timer

from sabotnb.exchange.streams import shutdown_socket


class Handshakes:
    """The handshakes in progress: each may take ``seconds`` in all, and there may be ``limit`` of them."""

    def __init__(self, seconds: float, limit: int) -> None:
        self._seconds = seconds
        self._limit = limit
        self._lock = Lock()
        self._reasons: dict[socket.socket, str] = {}
        """Why each connection was aborted, the oldest connection first; empty while it was not."""
        self._stopped = False

    def __len__(self) -> int:
        """Return the number of handshakes in progress."""
        return len(self._reasons)

    @contextmanager
    def limited(self, sock: socket.socket) -> Iterator[None]:
        """Limit the handshake over ``sock`` inside the block; TimeoutError if it was aborted."""
        timer = Timer(self._seconds, self._abort, (sock, f"the handshake took longer than {self._seconds:g} s"))
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
        """Abort every handshake, and those that begin later."""
        with self._lock:
            self._stopped = True
            pending = list(self._reasons)
        for sock in pending:
            self._abort(sock, "this agent stopped")

    def _begin(self, sock: socket.socket) -> None:
        with self._lock:
            self._reasons[sock] = ""
            pending = [known for known, reason in self._reasons.items() if not reason]
            stopped = self._stopped
        if stopped:
            self._abort(sock, "this agent stopped")
        elif len(pending) > self._limit:
            self._abort(pending[0], f"more than {self._limit} connections were waiting for a handshake")

    def _abort(self, sock: socket.socket, reason: str) -> None:
        """Shut the socket down, which ends the reads and writes of its handshake."""
        with self._lock:  # until it is shut down, so that the handshake cannot succeed in between
            if self._reasons.get(sock) == "":
                self._reasons[sock] = reason
                shutdown_socket(sock)
