"""Far ends that protect what they send: with keys from the SDP, and as a browser does, with STUN and DTLS on one port.

STUN is their own. OpenSSL and libsrtp are those of the product; baresip and Chromium stand for other ones.
"""

import binascii
import hmac
import os
import struct
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL
from pylibsrtp import Error, Policy, Session

from voice.media.rtp_peer import Peer
from voice.sip.certificates import Authority

_ATTRIBUTES = {"username": 0x06, "integrity": 0x08, "priority": 0x24, "use": 0x25, "controlled": 0x8029}
COOKIE = b"\x21\x12\xa4\x42"


def session(key: bytes, *, inbound: bool, profile: int = Policy.SRTP_PROFILE_AES128_CM_SHA1_80) -> Session:
    kind = Policy.SSRC_ANY_INBOUND if inbound else Policy.SSRC_ANY_OUTBOUND
    return Session(Policy(key, kind, srtp_profile=profile))


@dataclass
class SecurePeer(Peer):
    """Seals and opens with the sessions it is given; `sent` is what went out, sealed."""

    sealer: Session | None = None
    opener: Session | None = None
    sent: list[bytes] = field(default_factory=list)
    unreadable: int = 0

    def transmit(self, datagram: bytes) -> None:
        if self.sealer is not None:
            datagram = self.sealer.protect(datagram)
        self.sent.append(datagram)
        super().transmit(datagram)

    def _take(self, data: bytes, source: tuple[str, int]) -> None:
        if self.opener is None:
            self.unreadable += 1
            return
        try:
            super()._take(self.opener.unprotect(data), source)
        except Error:
            self.unreadable += 1


@dataclass
class BrowserPeer(SecurePeer):
    """Shakes hands as the DTLS client, once `dial_in` is called; `answers` are the STUN messages that came back."""

    answers: list[bytes] = field(default_factory=list)
    ufrag: str = "there"

    def __post_init__(self) -> None:
        super().__post_init__()
        with tempfile.TemporaryDirectory() as folder:
            own = Authority(Path(folder)).options("browser.example")
            assert own.certificate is not None
            certificate = x509.load_pem_x509_certificate(own.certificate.read_bytes())
            context = SSL.Context(SSL.DTLS_METHOD)
            context.use_privatekey_file(str(own.key))
            context.use_certificate(certificate)
        self.fingerprint = ":".join(f"{byte:02x}" for byte in certificate.fingerprint(hashes.SHA256()))
        context.set_tlsext_use_srtp(b"SRTP_AES128_CM_SHA1_80")
        self._dtls = SSL.Connection(context, None)
        self._dtls.set_connect_state()
        self.shook_hands = False

    def check(
        self, us: str, password: str, *, use: bool = True, controlled: bool = False, spoilt: bool = False
    ) -> None:
        """A connectivity check, to which the leg's user fragment and password are `us` and `password`."""
        attributes = [("username", f"{us}:{self.ufrag}".encode()), ("priority", struct.pack("!I", 1000))]
        attributes += [("use", b"")] if use else []
        attributes += [("controlled", bytes(8))] if controlled else []
        message = stun(b"\x00\x01", os.urandom(12), attributes, password)
        self.rtp.sendto(message[:-1] + bytes([message[-1] ^ 1]) if spoilt else message, self.to)

    def shake_hands(self) -> None:
        try:
            self._dtls.do_handshake()
            self._derive()
        except SSL.WantReadError:
            self._flush()

    def _take(self, data: bytes, source: tuple[str, int]) -> None:
        if data[0] < 4:
            self.answers.append(data)
        elif 20 <= data[0] < 64:
            self._dtls.bio_write(data)
            if not self.shook_hands:
                self.shake_hands()
            self._flush()
        elif 192 <= data[1] < 224:
            self.reports.append(self.opener.unprotect_rtcp(data) if self.opener else data)
        else:
            super()._take(data, source)

    def _flush(self) -> None:
        try:
            while True:
                self.rtp.sendto(self._dtls.bio_read(1400), self.to)
        except SSL.WantReadError:
            return

    def _derive(self) -> None:
        self._flush()
        self.shook_hands = True
        keys = self._dtls.export_keying_material(b"EXTRACTOR-dtls_srtp", 60)
        self.sealer = session(keys[:16] + keys[32:46], inbound=False)
        self.opener = session(keys[16:32] + keys[46:60], inbound=True)


def stun(kind: bytes, transaction: bytes, attributes: list[tuple[str, bytes]], password: str) -> bytes:
    """A message with integrity and fingerprint (RFC 8489 sections 14.5 and 14.7)."""
    body = b"".join(
        struct.pack("!HH", _ATTRIBUTES[name], len(value)) + value + bytes(-len(value) % 4)
        for name, value in attributes
    )

    def head(more: int) -> bytes:
        return kind + struct.pack("!H", len(body) + more) + COOKIE + transaction

    integrity = hmac.digest(password.encode(), head(24) + body, "sha1")
    body += struct.pack("!HH", 8, 20) + integrity
    checksum = binascii.crc32(head(8) + body) ^ 0x5354554E
    return head(8) + body + struct.pack("!HHI", 0x8028, 4, checksum)
