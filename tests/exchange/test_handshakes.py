"""Handshakes with invalid, slow, absent and many peers, which must not lock out other agents."""

import json
import logging
import socket
import ssl
import struct
from contextlib import ExitStack, contextmanager
from threading import Event, Thread, Timer

import pytest
from descriptors import no_descriptor_left
from distributed import Security
from exchanges import channel_key, rows

from sabotnb.errors import ProtocolError
from sabotnb.exchange import handshakes, sockets
from sabotnb.exchange.channel import Account
from sabotnb.exchange.frames import HEADER, FrameKind
from sabotnb.exchange.gate import InputGate
from sabotnb.exchange.handshakes import Handshakes
from sabotnb.exchange.sockets import SocketTransport
from sabotnb.exchange.transport import Peer

KEY = channel_key()
SECURITY = Security.temporary()


def hello(text):
    data = text if isinstance(text, bytes) else json.dumps(text).encode()
    return HEADER.pack(FrameKind.HELLO, 0, len(data), 0) + data


FIELDS = {"version": 1, "agent": "left", "to": "right", "token": "no"}
INVALID = {
    "nothing": b"",
    "garbage": b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
    "zeros": bytes(100),
    "half a header": hello(FIELDS)[:5],
    "half a frame": hello(FIELDS)[:-3],
    "a huge length": HEADER.pack(FrameKind.HELLO, 0, 1 << 63, 0),
    "a length beyond the limit": HEADER.pack(FrameKind.HELLO, 0, 4097, 0),
    "another kind": HEADER.pack(FrameKind.BYE, 0, 0, 0),
    "an empty hello": HEADER.pack(FrameKind.HELLO, 0, 0, 0),
    "invalid UTF-8": hello(b"\xff\xfe\xfd"),
    "invalid JSON": hello(b"{"),
    "deep JSON": hello(b"[" * 4096),
    "a list": hello([1, 2]),
    "missing fields": hello({"version": 1}),
    "a token with half a character": hello({**FIELDS, "token": "\ud800"}),
    "a token of another type": hello({**FIELDS, "token": {"a": []}}),
    "names with half a character": hello({**FIELDS, "agent": "\ud800", "to": "\udfff"}),
}


@contextmanager
def listening(security=None):
    channels = {}
    transport = SocketTransport("right", channels.get, lambda agent, reason: None, security)
    try:
        yield transport, transport.start(), channels
    finally:
        transport.stop()


def tcp(endpoints):
    host, _, port = endpoints["tcp"].rpartition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def greet(sock, token):
    """Send a hello and return the first byte of the answer; SSLError or ConnectionError if there is none."""
    sock.sendall(hello({**FIELDS, "token": token}))
    return sock.recv(1)


def unix(endpoints):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(30)
    sock.connect(endpoints["unix"])
    return sock


def drained(sock):
    """Return all bytes until the peer closes or resets the connection."""
    received = b""
    try:
        while data := sock.recv(4096):
            received += data
    except ConnectionError:
        pass
    return received


def assert_connects(endpoints, channels, security=None):
    gate = InputGate([(0, KEY)])
    channels.update((channel.key, channel) for channel in gate.all_channels())
    transport = SocketTransport("left", {}.get, lambda agent, reason: None, security)
    transport.start()
    try:
        transport.open(KEY, Peer("right", endpoints), Account(1 << 20, lambda: None)).send(rows(0, 3))
        polled = gate.poll(30)
        assert polled is not None
        assert polled[2].data.num_rows == 3
    finally:
        transport.stop()


@pytest.mark.parametrize("security", [None, SECURITY], ids=["plain", "tls"])
@pytest.mark.parametrize("dial", [unix, tcp])
@pytest.mark.parametrize("ending", ["closes", "waits"])
def test_invalid_peers_are_refused_and_others_connect(security, dial, ending, monkeypatch):
    monkeypatch.setattr(sockets, "HANDSHAKE_SECONDS", 2.0)
    with listening(security) as (transport, endpoints, channels), ExitStack() as stack:
        peers = [stack.enter_context(dial(endpoints)) for _ in INVALID]
        for sock, data in zip(peers, INVALID.values(), strict=True):
            sock.sendall(data)
            if ending == "closes":
                sock.close()
        for sock in peers if ending == "waits" else ():
            assert drained(sock)[:4] != struct.pack("<I", FrameKind.WELCOME)
        monkeypatch.undo()
        assert_connects(endpoints, channels, security)
        while transport.statistics().refused < len(INVALID):
            continue
        while len(transport._handshakes):  # a refusal is counted shortly before its handshake ends
            continue


def test_strangers_do_not_fill_the_log(caplog):
    caplog.set_level(logging.WARNING, "sabotnb.exchange")
    with listening() as (transport, endpoints, _):
        for _ in range(20):
            tcp(endpoints).close()
        while transport.statistics().refused < 20:
            continue
    assert len([line for line in caplog.messages if "refused a connection" in line]) == 1


def test_invalid_hellos_inside_tls_are_refused():
    context = SECURITY.get_connection_args("worker")["ssl_context"]
    with listening(SECURITY) as (_, endpoints, channels):
        for name in ("garbage", "a huge length", "deep JSON", "a token with half a character"):
            with context.wrap_socket(tcp(endpoints)) as sock:
                sock.sendall(INVALID[name])
                try:
                    answer = drained(sock)
                except ssl.SSLError:
                    answer = b""
                assert answer[:4] != struct.pack("<I", FrameKind.WELCOME), name
        assert_connects(endpoints, channels, SECURITY)


def test_a_peer_without_the_certificate_cannot_send_a_token():
    stranger = Security.temporary().get_connection_args("worker")["ssl_context"]
    with listening(SECURITY) as (_, endpoints, _channels):
        with pytest.raises(ssl.SSLError):
            stranger.wrap_socket(tcp(endpoints))
        stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
        with stranger.wrap_socket(tcp(endpoints)) as sock, pytest.raises((ssl.SSLError, ConnectionError)):
            greet(sock, endpoints["token"])


@pytest.mark.parametrize("dial", [unix, tcp])
def test_a_peer_that_sends_single_bytes_has_one_deadline(dial, monkeypatch):
    monkeypatch.setattr(sockets, "HANDSHAKE_SECONDS", 1.0)
    with listening() as (transport, endpoints, _), dial(endpoints) as sock:
        ended = Event()

        def drip():
            for byte in hello({**FIELDS, "agent": "x" * 3000}):
                try:
                    sock.sendall(bytes([byte]))
                except OSError:
                    break
                if ended.wait(0.05):  # 3000 bytes would take 150 seconds, while no single read times out
                    break

        dripping = Thread(target=drip)
        dripping.start()
        assert drained(sock) == b""
        ended.set()
        dripping.join()
        while not transport.statistics().refused:
            continue


def test_many_silent_peers_do_not_lock_out_others(monkeypatch):
    monkeypatch.setattr(sockets, "HANDSHAKE_SECONDS", 3600.0)  # the number of pending handshakes ends the oldest
    with listening() as (transport, endpoints, channels), ExitStack() as stack:
        silent = [stack.enter_context(tcp(endpoints)) for _ in range(2 * sockets.MAX_HANDSHAKES)]
        assert_connects(endpoints, channels)
        while len(transport._handshakes) > sockets.MAX_HANDSHAKES:
            continue
        assert drained(silent[0]) == b""


def test_stop_aborts_handshakes_in_progress():
    with ExitStack() as stack:
        with listening() as (transport, endpoints, _):
            silent = stack.enter_context(tcp(endpoints))
            while not len(transport._handshakes):
                continue
        assert drained(silent) == b""


def test_a_connecting_agent_has_one_deadline_too(monkeypatch):
    monkeypatch.setattr(sockets, "HANDSHAKE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        lost = Event()
        transport = SocketTransport("left", {}.get, lambda agent, reason: (reasons.append(reason), lost.set()))
        reasons = []
        endpoints = {"tcp": f"127.0.0.1:{silent.getsockname()[1]}", "token": "t"}
        transport.open(KEY, Peer("right", endpoints), Account(1, lambda: None))
        assert lost.wait(30)
        assert reasons == ["TimeoutError: the handshake took longer than 0.2 s"]
        transport.stop()


def test_stop_leaves_completed_handshakes_alone():
    under_way = Handshakes(60, 1)
    left, right = socket.socketpair()
    with left, right:
        with under_way.limited(left):
            pass
        under_way.stop()
        left.sendall(b"x")
        assert right.recv(1) == b"x"
        with pytest.raises(TimeoutError, match="this agent stopped"), under_way.limited(left):
            raise ProtocolError("closed")


def test_a_hello_that_cannot_be_read_is_answered():
    with listening() as (_, endpoints, _channels), tcp(endpoints) as sock:
        sock.sendall(INVALID["deep JSON"])
        assert b"hello cannot be read" in drained(sock)


def test_what_no_handshake_raises_ends_one_connection(monkeypatch):
    class NoThread(Timer):
        def start(self):
            raise RuntimeError("can't start new thread")

    with listening() as (transport, endpoints, channels):
        monkeypatch.setattr(handshakes, "Timer", NoThread)
        with tcp(endpoints) as sock:
            assert drained(sock) == b""
        while not transport.statistics().refused:
            continue
        monkeypatch.undo()
        assert_connects(endpoints, channels)


def test_a_hello_has_a_limit_whatever_it_says():
    with listening() as (_, endpoints, _channels), tcp(endpoints) as sock:
        sock.sendall(hello({**FIELDS, "token": endpoints["token"], "more": "x" * 5000}))
        assert drained(sock)[:4] != struct.pack("<I", FrameKind.WELCOME)


def test_an_agent_without_descriptors_accepts_again_when_it_has_some(caplog):
    caplog.set_level(logging.WARNING, "sabotnb.exchange")
    with listening() as (_, endpoints, channels):
        host, _, port = endpoints["tcp"].rpartition(":")
        with socket.socket() as sock:
            with no_descriptor_left():
                sock.connect((host, int(port)))
                while "cannot accept a connection" not in caplog.text:
                    continue
            assert_connects({**endpoints, "unix": "/nowhere"}, channels)
