"""Certificates of clusters: for each its own, long enough, and never shown."""

from datetime import UTC, datetime, timedelta

from cryptography import x509

from sabotnb.cluster.announcement import Announcement, announced
from sabotnb.cluster.certificates import http_token, new_certificate, security_of
from sabotnb.exchange.transport import Peer
from sabotnb.protocol import AgentInfo, AgentUp


def test_a_certificate_outlives_a_cluster_that_runs_for_years():
    certificate = x509.load_pem_x509_certificate(new_certificate()[0].encode())
    now = datetime.now(UTC)
    assert certificate.not_valid_before_utc < now - timedelta(hours=12)
    assert certificate.not_valid_after_utc > now + timedelta(days=5 * 365)


def test_every_cluster_has_its_own_secret():
    first, second = new_certificate(), new_certificate()
    assert first[1] != second[1]
    assert http_token(security_of(*first)) == http_token(security_of(*first))
    assert http_token(security_of(*first)) != http_token(security_of(*second))


def test_secrets_are_not_shown():
    certificate, key = new_certificate()
    announcement = Announcement("tls://127.0.0.1:1", 1, 1, 1, 0.0, certificate, key)
    assert announced(announcement.text()) == announcement
    agent = AgentInfo("agent-1", "tls://127.0.0.1:1", "127.0.0.1", 1, 1, endpoints={"token": "s3cret"})
    shown = [announcement, security_of(certificate, key), AgentUp(agent), Peer("agent-1", agent.endpoints)]
    text = "".join(map(repr, shown)) + "".join(map(str, shown))
    assert "s3cret" not in text
    assert "PRIVATE KEY" not in text
    assert key.splitlines()[1] not in text
