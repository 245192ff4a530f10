"""Channels over sockets: unix sockets within a host, TCP between hosts, with TLS where the session has it.

An agent dials the agents that it sends to, once each; elements go one way on that connection and credit the other.
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

logger = logging.getLogger("sabotnb.exchange")

HANDSHAKE_SECONDS = 10.0
"""For all of a handshake, on both sides."""

MOST_HANDSHAKES = 64
"""Peers that have connected and not said yet who they are."""

STOP_SECONDS = 1.0
ACCEPT_AGAIN_SECONDS = 0.2
HELLO_BYTES = 4096

FOLDER_PREFIX = "sabotnb-"


class Security(Protocol):
    """Gives the ``ssl_context`` (or None) for listening and for connecting, as ``distributed.Security`` does."""

    def get_listen_args(self, role: str) -> Mapping[str, Any]:
        """Keyword arguments of a listener."""
        ...

    def get_connection_args(self, role: str) -> Mapping[str, Any]:
        """Keyword arguments of a connection."""
        ...


class SocketTransport:
    """Implements ``Transport``. TCP listens on ``host``; a random token in the endpoints is the ticket for both."""

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
        self._claim = -1
        self._listeners: list[socket.socket] = []
        self._lock = Lock()
        self._outgoing: dict[str, Outgoing] = {}
        self._incoming: list[Incoming] = []
        self._refused = 0
        self._warnings = RareWarnings(logger)
        self._arriving = Handshakes(HANDSHAKE_SECONDS, MOST_HANDSHAKES)
        self._stopping = Event()

    def start(self) -> Mapping[str, str]:
        remove_left_folders(Path(tempfile.gettempdir()))
        self._folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))  # only its owner may enter
        self._claim = claim(self._folder)
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
            if outgoing is None or outgoing.link.gone is not None:
                outgoing = self._dial(peer)
        return outgoing.open(key, account)

    def _dial(self, peer: Peer) -> Outgoing:
        outgoing = Outgoing(
            self._agent, peer.agent, lambda: self._connect(peer), lambda reason: self._lose(peer.agent, reason)
        )
        self._outgoing[peer.agent] = outgoing
        outgoing.link.start()
        return outgoing

    def _connect(self, peer: Peer) -> ByteStream:
        """Connect and introduce ourselves."""
        sock = self._reach(peer.endpoints)
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

    def _reach(self, endpoints: Mapping[str, str]) -> socket.socket:
        path = endpoints.get("unix")
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
            except OSError as error:  # no file left, a peer that is gone again: others still want to come in
                if not self._stopping.is_set():
                    self._warnings.warn(f"{self._agent} cannot accept a connection, and tries again: {error}")
                    self._stopping.wait(ACCEPT_AGAIN_SECONDS)
                continue
            name = f"sabot-hello-{self._agent}"
            try:
                Thread(target=self._welcome, args=(sock, context), name=name, daemon=True).start()
            except RuntimeError as error:  # no thread left: others still want to come in
                self._count_refusal(str(error))
                sock.close()

    def _welcome(self, sock: socket.socket, context: ssl.SSLContext | None) -> None:
        """Let a peer in, or refuse it: a stranger learns nothing but that.

        Whatever a peer sends, and whatever reading it raises, ends nothing but its own connection.
        """
        try:
            if context is not None:
                sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            with self._arriving.limited(sock):
                stream = _open_stream(sock)
                peer, refusal = self._check(stream)
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
            self._take_in(peer, stream)
        else:
            sock.close()

    def _take_in(self, peer: str, stream: ByteStream) -> None:
        incoming = Incoming(peer, stream, self._find, lambda reason: self._lose(peer, reason))
        with self._lock:
            if self._stopping.is_set():  # and the links that are to be closed were listed already
                stream.close()
                return
            self._refused += sum(known.refused for known in self._incoming if known.link.gone is not None)
            self._incoming = [known for known in self._incoming if known.link.gone is None] + [incoming]
            incoming.link.start()  # under the lock, as a link that ``stop`` finds has to have begun

    def _count_refusal(self, reason: str) -> None:
        with self._lock:
            self._refused += 1
        self._warnings.warn(f"{self._agent} refused a connection: {reason}")

    def _check(self, stream: ByteStream) -> tuple[str, str | None]:
        """Who dials, and why it is refused, if it is."""
        received = stream.read(HELLO_BYTES)
        if received is None or received[0] != FrameKind.HELLO or received[3] is None:
            return "", "no hello"
        try:
            hello = json.loads(received[3].to_pybytes())
            version, peer, to, token = (hello[field] for field in ("version", "agent", "to", "token"))
            known = hmac.compare_digest(str(token).encode(), self._token.encode())
        except (ValueError, KeyError, TypeError, RecursionError):
            return "", "a hello that cannot be read"
        if not known:
            return "", "wrong token"
        if version != WIRE_VERSION:
            return peer, f"{peer} speaks wire version {version}, this agent {WIRE_VERSION}: install the same sabotnb"
        if to != self._agent:
            return peer, f"{to} is not here any more; this is {self._agent}"
        return str(peer), None

    def _lose(self, agent: str, reason: str) -> None:
        if self._stopping.is_set():
            return
        logger.info("%s lost the connection with %s: %s", self._agent, agent, reason)
        self._on_peer_lost(agent, reason)

    def release(self, job: str, epoch: int) -> None:
        with self._lock:
            incoming = list(self._incoming)
        for one in incoming:
            one.release(job, epoch)

    def _links(self) -> list[PeerLink]:
        return [one.link for one in self._outgoing.values()] + [one.link for one in self._incoming]

    def statistics(self) -> TransportStatistics:
        with self._lock:
            links = self._links()
            refused = self._refused + sum(one.refused for one in self._incoming)
        return TransportStatistics(
            links=sum(link.gone is None for link in links),
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
        self._arriving.stop()
        for link in links:
            link.say_bye()
        deadline = time.monotonic() + STOP_SECONDS
        for link in links:
            link.stop(deadline)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self._claim)
            self._folder = None


def _context(args: Mapping[str, Any]) -> ssl.SSLContext | None:
    context = args.get("ssl_context")
    assert context is None or isinstance(context, ssl.SSLContext)
    return context


def _open_stream(sock: socket.socket) -> ByteStream:
    """The stream of a connected socket, after the TLS handshake if it has TLS; blocks."""
    sock.settimeout(None)
    if not isinstance(sock, ssl.SSLSocket):
        return PlainStream(sock)
    sock.do_handshake()
    return TlsStream(sock)


def claim(folder: Path) -> int:
    """Lock ``folder`` until the descriptor that is given is closed, or this process ends; OSError if another has it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def remove_left_folders(parent: Path) -> None:
    """Remove the socket folders of agents of this user that were killed: nobody has a claim to them."""
    for path in parent.glob(f"{FOLDER_PREFIX}*/data"):
        with suppress(OSError):  # it is claimed, or another agent is removing it as well
            if path.is_socket() and path.parent.lstat().st_uid == os.getuid():
                descriptor = claim(path.parent)
                try:
                    shutil.rmtree(path.parent)
                finally:
                    os.close(descriptor)


def _close_listener(listener: socket.socket) -> None:
    """Also where another thread waits in ``accept``, which closing alone does not end."""
    with suppress(OSError):  # some systems do not shut listeners down; on those, closing wakes the thread
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
