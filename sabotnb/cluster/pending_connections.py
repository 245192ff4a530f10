"""Limits the number and duration of unauthenticated connections to tornado servers.

A TLS listener of Dask (seen in distributed 2026.8 with tornado 6.6) waits for a handshake without a deadline, so a
stranger could use up every descriptor of the process. When none is left, its accept loop raises and logs in every turn
of the event loop. All servers of an event loop share one limit, because they share the descriptors.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from tornado.ioloop import IOLoop
from tornado.iostream import IOStream
from tornado.netutil import add_accept_handler
from tornado.tcpserver import TCPServer

from sabotnb.exchange import RareWarnings

logger = logging.getLogger("sabotnb.cluster")

HANDSHAKE_SECONDS = 10.0
"""Deadline of a complete TLS handshake."""

MOST_PENDING = 128
"""Limit per event loop. Tornado accepts this many connections in one turn before any of them can shake hands."""

ACCEPT_AGAIN_SECONDS = 0.2
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_HUNG_UP = (ssl.SSLEOFError, ConnectionError)
"""What a handshake ends with if the peer closed the connection: it was not refused."""

_warnings = RareWarnings(logger)


class PendingConnections:
    """The unauthenticated connections of one event loop."""

    def __init__(self) -> None:
        self._streams: dict[IOStream, None] = {}
        """The oldest first."""

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, stream: IOStream) -> None:
        """Count ``stream``. Closes the oldest one if there are too many: it is the least likely to be legitimate."""
        self._streams = {known: None for known in self._streams if not known.closed()}
        self._streams[stream] = None
        if len(self._streams) > MOST_PENDING:
            oldest = next(iter(self._streams))
            self.discard(oldest)
            oldest.close()

    def discard(self, stream: IOStream) -> None:
        """Stop counting ``stream``: it is authenticated or closed."""
        self._streams.pop(stream, None)


_pending: WeakKeyDictionary[asyncio.AbstractEventLoop, PendingConnections] = WeakKeyDictionary()


def pending_connections() -> PendingConnections:
    """The pending connections of the running event loop."""
    return _pending.setdefault(asyncio.get_running_loop(), PendingConnections())


def limit_handshakes(listener: Any) -> None:
    """Give every TLS handshake with a listener of Dask a deadline; call it when the listener has just started.

    A connection that has completed its handshake has proved to own the certificate; it is neither counted nor closed.
    """
    server = getattr(listener, "tcp_server", None)
    if server is None or server.ssl_options is None:  # inside this process, or without TLS
        return
    pending, let_in, port = pending_connections(), server.handle_stream, listener.get_host_port()[1]

    async def handle_stream(stream: Any, address: tuple[Any, ...]) -> None:
        pending.add(stream)
        try:
            await asyncio.wait_for(stream.wait_for_handshake(), HANDSHAKE_SECONDS)
        except Exception as error:  # noqa: BLE001  whatever a stranger sends ends its own connection only
            stream.close()
            # Dask's own connect hangs up and tries again where a busy machine is slow to shake hands
            if not isinstance(getattr(error, "real_error", None) or error, _HUNG_UP):
                _warnings.warn(f"refused a connection to port {port}: {error or 'no handshake'}")
            return
        finally:
            pending.discard(stream)
        await let_in(stream, address)  # which waits for the same handshake again, and returns at once

    server.handle_stream = handle_stream
    accept_patiently(server)


def limit_requests(server: TCPServer) -> None:
    """Count the connections to an HTTP ``server`` until ``discard`` is called for them."""
    pending, let_in = pending_connections(), server.handle_stream

    def handle_stream(stream: IOStream, address: tuple[Any, ...]) -> Any:
        pending.add(stream)
        return let_in(stream, address)

    server.handle_stream = handle_stream  # type: ignore[method-assign]
    accept_patiently(server)


def accept_patiently(server: TCPServer) -> None:
    """Let ``server`` wait for ACCEPT_AGAIN_SECONDS before it accepts again when no descriptor is left."""
    fields: Any = server  # tornado has no hook for accepting
    handlers = fields._handlers  # noqa: SLF001
    for number, sock in fields._sockets.items():  # noqa: SLF001
        handlers[number]()
        handlers[number] = _PatientSocket(sock, fields._handle_connection).stop  # noqa: SLF001


class _PatientSocket:
    """A listening socket that stops listening for a while when accepting fails for want of descriptors or memory."""

    def __init__(self, sock: socket.socket, callback: Callable[[socket.socket, Any], None]) -> None:
        self._sock = sock
        self._callback = callback
        self._loop = IOLoop.current()
        self._again: object | None = None
        self._listen()

    def _listen(self) -> None:
        self._again = None
        self._remove = add_accept_handler(self, self._callback)  # type: ignore[arg-type]

    def stop(self) -> None:
        """Accept nothing more."""
        self._remove()
        if self._again is not None:
            self._loop.remove_timeout(self._again)

    def accept(self) -> tuple[socket.socket, Any]:
        """As that of the socket; BlockingIOError, which tornado takes for nothing to do, when it has to wait."""
        try:
            return self._sock.accept()
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            _warnings.warn(f"cannot accept a connection, and tries again: {error}")
            self._remove()
            self._again = self._loop.call_later(ACCEPT_AGAIN_SECONDS, self._listen)
            raise BlockingIOError from error

    def fileno(self) -> int:
        """That of the socket."""
        return self._sock.fileno()

    def close(self) -> None:
        """For event loops that close all they have."""
        self._sock.close()
