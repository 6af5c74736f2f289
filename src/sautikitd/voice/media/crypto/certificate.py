"""The media process's own certificate for DTLS: self-signed, made when it starts, known by its fingerprint in each
SDP (RFC 5763 section 5)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from sautikitd.voice.media.crypto.suites import SUITE_OF_DTLS

_VALID = timedelta(days=365)
_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha-1": hashes.SHA1,
    "sha-224": hashes.SHA224,
    "sha-256": hashes.SHA256,
    "sha-384": hashes.SHA384,
    "sha-512": hashes.SHA512,
}


@dataclass(frozen=True)
class DtlsIdentity:
    context: SSL.Context
    fingerprint: str
    """As in `a=fingerprint:sha-256 …`: the digest in capital hexadecimal, a colon after each byte."""


def make_identity() -> DtlsIdentity:
    """A key of the curve P-256, a certificate for it, and the TLS settings of all our handshakes."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sautikit media")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _VALID)
        .sign(key, hashes.SHA256())
    )
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _accept)
    context.use_certificate(certificate)
    context.use_privatekey(key)
    context.set_cipher_list(b"ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES")
    context.set_tlsext_use_srtp(b":".join(SUITE_OF_DTLS))
    return DtlsIdentity(context, fingerprint_of(certificate, "sha-256"))


def fingerprint_of(certificate: x509.Certificate, algorithm: str) -> str:
    """Raises KeyError for a hash function that RFC 8122 does not name."""
    digest = certificate.fingerprint(_HASHES[algorithm.lower()]())
    return ":".join(f"{byte:02X}" for byte in digest)


def matches(certificate: x509.Certificate, algorithm: str, fingerprint: str) -> bool:
    return (
        algorithm.lower() in _HASHES
        and fingerprint_of(certificate, algorithm).casefold() == fingerprint.casefold()
    )


def _accept(*_: object) -> bool:
    """Certificates are self-signed on both sides; the fingerprint decides, after the handshake (RFC 5763 section 5)."""
    return True
