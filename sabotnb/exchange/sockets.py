"""The socket transport: unix sockets within a host, TCP between hosts, TLS if the session has it.

Theory of operation. An agent opens one connection to each agent that it sends to, and all channels to that agent share
it: elements travel in one direction and credit in the other. Two agents that send to each other have two connections.

Threads: one per listening socket (``_accept``), one per handshake of an incoming connection (``_welcome``), and two per
connection (see ``link``). A connection is opened in its writing thread, so ``open`` does not wait for the network; a
failure to connect is reported like a lost connection.

- An outgoing connection that has ended is replaced by the next ``open``; channels on the old connection stay dead.
- An incoming connection has to authenticate first. Every error of a handshake ends that connection alone.
- ``_lock`` guards the tables of connections and the count of refusals. ``stop`` sets ``_stopping`` under it and lists
  the connections to close; a handshake that succeeds later sees ``_stopping`` and closes its own connection.
- The folder of the unix socket is locked as long as its agent lives. A folder without a lock was left by an agent that
  was killed, and the next agent to start removes it.
"""

from __future__ import annotations

import fcntl
import hmac
import json
import logging
import os
import secrets
import shutil
import socket
import ssl
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Protocol

from sabotnb.errors import ProtocolError
from sabotnb.exchange.channel import Account, ChannelKey, Sender
from sabotnb.exchange.frames import WIRE_VERSION, Frame, FrameKind
from sabotnb.exchange.handshakes import Handshakes
from sabotnb.exchange.incoming import Incoming
from sabotnb.exchange.link import PeerLink
from sabotnb.exchange.outgoing import Outgoing
from sabotnb.exchange.rare_warnings import RareWarnings
from sabotnb.exchange.streams import ByteStream, PlainStream, TlsStream, tune
from sabotnb.exchange.transport import Find, OnPeerLost, Peer, TransportStatistics
from sabotnb.protocol import RunId

logger = logging.getLogger("sabotnb.exchange")

HANDSHAKE_SECONDS = 10.0
"""Limit for a whole handshake, on both sides."""

MAX_HANDSHAKES = 64
"""Limit for connections that are not authenticated yet."""

STOP_SECONDS = 1.0
ACCEPT_AGAIN_SECONDS = 0.2
HELLO_BYTES = 4096

FOLDER_PREFIX = "sabotnb-"


class Security(Protocol):
    """Returns the ``ssl_context`` (or None) for listening and for connecting; ``distributed.Security`` is one."""

    def get_listen_args(self, role: str) -> Mapping[str, Any]:
        """Return keyword arguments of a listener."""
        ...

    def get_connection_args(self, role: str) -> Mapping[str, Any]:
        """Return keyword arguments of a connection."""
        ...


class SocketTransport:
    """Implements ``Transport`` over sockets. TCP listens on ``host``; a random token in the endpoints authenticates."""

    def __init__(
        self,
        agent: str,
        find: Find,
        on_peer_lost: OnPeerLost,
        security: Security | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self._agent = agent
        self._find = find
        self._on_peer_lost = on_peer_lost
        self._host = host
        self._server_tls = _context(security.get_listen_args("worker")) if security else None
        self._client_tls = _context(security.get_connection_args("worker")) if security else None
        self._token = secrets.token_hex(16)
        self._folder: Path | None = None
        self._folder_lock = -1
        self._listeners: list[socket.socket] = []
        self._lock = Lock()
        self._outgoing: dict[str, Outgoing] = {}
        self._incoming: list[Incoming] = []
        self._refused = 0
        self._warnings = RareWarnings(logger)
        self._handshakes = Handshakes(HANDSHAKE_SECONDS, MAX_HANDSHAKES)
        self._stopping = Event()

    def start(self) -> Mapping[str, str]:
        remove_stale_folders(Path(tempfile.gettempdir()))
        self._folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))  # only its owner may enter
        self._folder_lock = lock_folder(self._folder)
        path = self._folder / "data"
        unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        unix.bind(str(path))
        tcp = socket.create_server((self._host, 0), family=socket.AF_INET6 if ":" in self._host else socket.AF_INET)
        for listener, context in ((unix, None), (tcp, self._server_tls)):
            listener.listen(128)
            self._listeners.append(listener)
            name = f"sabot-accept-{self._agent}"
            Thread(target=self._accept, args=(listener, context), name=name, daemon=True).start()
        return {"unix": str(path), "tcp": f"{self._host}:{tcp.getsockname()[1]}", "token": self._token}

    def open(self, key: ChannelKey, peer: Peer, account: Account) -> Sender:
        with self._lock:
            outgoing = self._outgoing.get(peer.agent)
            if outgoing is None or outgoing.link.end_reason is not None:
                outgoing = self._dial(peer)
        return outgoing.open(key, account)

    def _dial(self, peer: Peer) -> Outgoing:
        outgoing = Outgoing(
            self._agent, peer.agent, lambda: self._connect(peer), lambda reason: self._report_lost(peer.agent, reason)
        )
        self._outgoing[peer.agent] = outgoing
        outgoing.link.start()
        return outgoing

    def _connect(self, peer: Peer) -> ByteStream:
        """Connect and authenticate; ProtocolError if the peer refuses the connection."""
        sock = self._open_socket(peer.endpoints)
        hello = {
            "version": WIRE_VERSION,
            "agent": self._agent,
            "to": peer.agent,
            "token": peer.endpoints.get("token", ""),
        }
        try:
            with Handshakes(HANDSHAKE_SECONDS, 1).limited(sock):
                stream = _open_stream(sock)
                stream.write(Frame(FrameKind.HELLO, payload=json.dumps(hello).encode()).buffers())
                answer = stream.read(HELLO_BYTES)
                if answer is None or answer[0] != FrameKind.WELCOME:
                    reason = answer[3].to_pybytes().decode() if answer and answer[3] else "it closed the connection"
                    raise ProtocolError(f"{peer.agent} refused the connection: {reason}")
        except BaseException:
            sock.close()
            raise
        return stream

    def _open_socket(self, endpoints: Mapping[str, str]) -> socket.socket:
        path = endpoints.get("unix")
        # Two agents of one host may have different file systems; they connect over TCP.
        if path is not None and ("tcp" not in endpoints or Path(path).exists()):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            tune(sock)
            sock.connect(path)
            return sock
        host, _, port = endpoints["tcp"].rpartition(":")
        sock = socket.create_connection((host, int(port)), HANDSHAKE_SECONDS)
        tune(sock)
        if self._client_tls is None:
            return sock
        return self._client_tls.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)

    def _accept(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = listener.accept()
            except OSError as error:  # out of descriptors, or the peer has gone: keep listening
                if not self._stopping.is_set():
                    self._warnings.warn(f"{self._agent} cannot accept a connection and tries again: {error}")
                    self._stopping.wait(ACCEPT_AGAIN_SECONDS)
                continue
            name = f"sabot-hello-{self._agent}"
            try:
                Thread(target=self._welcome, args=(sock, context), name=name, daemon=True).start()
            except RuntimeError as error:  # out of threads: keep listening
                self._count_refusal(str(error))
                sock.close()

    def _welcome(self, sock: socket.socket, context: ssl.SSLContext | None) -> None:
        """Accept or refuse a peer; a peer without the token learns only that it is refused.

        Any input of a peer, and any exception from reading it, ends no other connection.
        """
        try:
            if context is not None:
                sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            with self._handshakes.limited(sock):
                stream = _open_stream(sock)
                peer, refusal = self._check_hello(stream)
                if refusal is None:
                    stream.write(Frame(FrameKind.WELCOME).buffers())
                else:
                    self._count_refusal(refusal)
                    stream.write(Frame(FrameKind.REFUSED, payload=refusal.encode(errors="replace")).buffers())
            tune(sock)
        except Exception as error:  # noqa: BLE001
            self._count_refusal(f"{type(error).__name__}: {error}")
            sock.close()
            return
        if refusal is None:
            self._add_incoming(peer, stream)
        else:
            sock.close()

    def _add_incoming(self, peer: str, stream: ByteStream) -> None:
        incoming = Incoming(peer, stream, self._find, lambda reason: self._report_lost(peer, reason))
        with self._lock:
            if self._stopping.is_set():  # ``stop`` has listed the links to close already
                stream.close()
                return
            ended = [other for other in self._incoming if other.link.end_reason is not None]
            self._refused += sum(other.refused for other in ended)
            self._incoming = [other for other in self._incoming if other not in ended] + [incoming]
            incoming.link.start()  # under the lock: ``stop`` may only find links that have started

    def _count_refusal(self, reason: str) -> None:
        with self._lock:
            self._refused += 1
        self._warnings.warn(f"{self._agent} refused a connection: {reason}")

    def _check_hello(self, stream: ByteStream) -> tuple[str, str | None]:
        """Read a HELLO; return the peer's name, and the reason if it is refused."""
        received = stream.read(HELLO_BYTES)
        if received is None or received[0] != FrameKind.HELLO or received[3] is None:
            return "", "no hello"
        try:
            hello = json.loads(received[3].to_pybytes())
            version, peer, to, token = (hello[field] for field in ("version", "agent", "to", "token"))
            authentic = hmac.compare_digest(str(token).encode(), self._token.encode())
        except (ValueError, KeyError, TypeError, RecursionError):
            return "", "hello cannot be read"
        if not authentic:
            return "", "wrong token"
        if version != WIRE_VERSION:
            return peer, f"{peer} uses wire version {version}, this agent {WIRE_VERSION}: install the same sabotnb"
        if to != self._agent:
            return peer, f"{to} is no longer at this address; this is {self._agent}"
        return str(peer), None

    def _report_lost(self, agent: str, reason: str) -> None:
        if self._stopping.is_set():
            return
        logger.info("%s lost the connection with %s: %s", self._agent, agent, reason)
        self._on_peer_lost(agent, reason)

    def release(self, run: RunId, epoch: int) -> None:
        with self._lock:
            incoming = list(self._incoming)
        for peer in incoming:
            peer.release(run, epoch)

    def _links(self) -> list[PeerLink]:
        return [peer.link for peer in self._outgoing.values()] + [peer.link for peer in self._incoming]

    def statistics(self) -> TransportStatistics:
        with self._lock:
            links = self._links()
            refused = self._refused + sum(peer.refused for peer in self._incoming)
        return TransportStatistics(
            links=sum(link.end_reason is None for link in links),
            frames=sum(link.frames for link in links),
            nbytes=sum(link.nbytes for link in links),
            refused=refused,
        )

    def stop(self) -> None:
        with self._lock:
            self._stopping.set()
            links = self._links()
        for listener in self._listeners:
            _close_listener(listener)
        self._handshakes.stop()
        for link in links:  # all before the first wait, so that they share the deadline
            link.send_bye()
        deadline = time.monotonic() + STOP_SECONDS
        for link in links:
            link.stop(deadline)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self._folder_lock)
            self._folder = None


def _context(args: Mapping[str, Any]) -> ssl.SSLContext | None:
    context = args.get("ssl_context")
    assert context is None or isinstance(context, ssl.SSLContext)
    return context


def _open_stream(sock: socket.socket) -> ByteStream:
    """Return the stream of a connected socket, after its TLS handshake if it has TLS; blocks."""
    sock.settimeout(None)
    if not isinstance(sock, ssl.SSLSocket):
        return PlainStream(sock)
    sock.do_handshake()
    return TlsStream(sock)


def lock_folder(folder: Path) -> int:
    """Lock ``folder`` until the returned descriptor is closed or this process ends; OSError if it is locked."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def remove_stale_folders(parent: Path) -> None:
    """Remove the socket folders that killed agents of this user have left: they are not locked."""
    for path in parent.glob(f"{FOLDER_PREFIX}*/data"):
        with suppress(OSError):  # it is locked, or another agent removes it as well
            if path.is_socket() and path.parent.lstat().st_uid == os.getuid():
                descriptor = lock_folder(path.parent)
                try:
                    shutil.rmtree(path.parent)
                finally:
                    os.close(descriptor)


def _close_listener(listener: socket.socket) -> None:
    """Close a listening socket and end an ``accept`` of another thread, which closing alone does not end."""
    with suppress(OSError):  # some systems cannot shut down a listener; on those, closing ends ``accept``
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
