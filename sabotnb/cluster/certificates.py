"""The TLS certificate of a cluster that sabotnb starts: one key that all of its processes and clients share.

Scheduler, nannies, workers and clients present the same certificate and trust no other. The token of the scheduler's
HTTP pages is derived from the key: everyone who may connect can compute it, and it does not reveal the key.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

from distributed import Security

LIFETIME = timedelta(days=3650)
"""A cluster has a new certificate each time it is started, so this is only how long it can run."""

CLOCK_SKEW = timedelta(days=1)


def new_certificate() -> tuple[str, str]:
    """A new self-signed certificate and its key, as PEM.

    ``Security.temporary`` makes RSA keys, which takes up to 0.3 s, and its certificates end after a year.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sabotnb")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("sabotnb")]), critical=False)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def security_of(certificate: str, key: str) -> Security:
    """A ``Security`` that admits only holders of the certificate and its key."""
    return Security(
        require_encryption=True,
        tls_ca_file=certificate,
        tls_client_cert=certificate,
        tls_client_key=key,
        tls_scheduler_cert=certificate,
        tls_scheduler_key=key,
        tls_worker_cert=certificate,
        tls_worker_key=key,
    )


def http_token(security: Security) -> str:
    """The token of the scheduler's HTTP pages."""
    fields: Any = security
    return hmac.new(fields.tls_client_key.encode(), b"sabotnb http pages", "sha256").hexdigest()
