"""The socket transports run the conformance suite of transports."""

import socket

import pytest

from sabotnb.exchange.sockets import SocketTransport
from sabotnb.testing import TransportSuite
from sabotnb.testing.suite_agents import SuiteAgent


class Sockets(TransportSuite):
    def make(self, name, find, on_peer_lost):
        return SocketTransport(name, find, on_peer_lost)

    def cut(self, agent):
        for link in agent.transport._links():
            link._stream.shutdown()


class TestUnix(Sockets):
    def reachable(self, endpoints):
        return {kind: endpoints[kind] for kind in ("unix", "token")}


class TestTcp(Sockets):
    def reachable(self, endpoints):
        return {kind: endpoints[kind] for kind in ("tcp", "token")}

    def test_other_protocols_are_refused(self, agents):
        _, right = agents
        host, _, port = right.endpoints["tcp"].rpartition(":")
        for noise in (b"GET / HTTP/1.1\r\nHost: here\r\n\r\n", b"\x01\0\0\0" + b"\xff" * 20, b""):
            with socket.create_connection((host, int(port)), 30) as stranger:
                stranger.sendall(noise)
                stranger.shutdown(socket.SHUT_WR)
                answer = stranger.recv(1000)
            assert b"token" not in answer
        assert right.transport.statistics().links == 0


@pytest.fixture(scope="module")
def security():
    from distributed import Security

    return Security.temporary()


class TestTls(Sockets):
    @pytest.fixture(autouse=True)
    def _security(self, security):
        self.security = security

    def make(self, name, find, on_peer_lost):
        return SocketTransport(name, find, on_peer_lost, self.security)

    def reachable(self, endpoints):
        return {kind: endpoints[kind] for kind in ("tcp", "token")}

    def test_plain_text_is_refused(self, agents):
        _, right = agents
        plain = SuiteAgent("plain", SocketTransport)
        plain.send_to(right)
        assert plain.wait_lost()[0] == "right"
        plain.transport.stop()
        assert right.transport.statistics().links == 0
