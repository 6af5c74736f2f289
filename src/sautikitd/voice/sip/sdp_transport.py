"""How an audio stream travels, as an SDP says it: keys (RFC 4568), certificates (RFC 8122, RFC 8842), ICE
(RFC 8839), one port for RTP and RTCP (RFC 5761), and bundling (RFC 9143)."""

import base64
import binascii
import re
from enum import StrEnum

import msgspec

from sautikitd.voice.media.crypto.suites import KEY_SIZE, SALT_SIZE, Suite

PLAIN_PROFILES = ("RTP/AVP", "RTP/AVPF")
SDES_PROFILES = ("RTP/SAVP", "RTP/SAVPF")
DTLS_PROFILES = ("UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF")
AUDIO_PROFILES = (*PLAIN_PROFILES, *SDES_PROFILES, *DTLS_PROFILES)

_HOST_PRIORITY = (
    126 << 24 | 65535 << 8 | 255
)  # RFC 8445 section 5.1.2.1: a host candidate, its first component
_CRYPTO = re.compile(r"([0-9]{1,9})\s+([A-Z0-9_]+)\s+inline:([A-Za-z0-9+/=]+)((?:\|[^ ]*)*)((?:\s+\S+)*)\s*")
_LIFETIME = re.compile(r"(?:2\^)?[0-9]{1,19}")
_MOST_CRYPTO_LINES = 8
_MOST_FINGERPRINTS = 8
_READ = {
    *("crypto", "fingerprint", "setup", "ice-ufrag", "ice-pwd", "ice-lite", "ice-options", "candidate"),
    *("end-of-candidates", "rtcp-mux", "mid", "ssrc", "msid"),
}


class Setup(StrEnum):
    """Who begins the DTLS handshake (RFC 4145, RFC 8842)."""

    ACTIVE = "active"
    PASSIVE = "passive"
    ACTPASS = "actpass"
    HOLDCONN = "holdconn"


class CryptoLine(msgspec.Struct, frozen=True):
    tag: int
    suite: Suite
    key: bytes  # 16 bytes of key, 14 of salt

    def __repr__(self) -> str:
        return f"CryptoLine({self.tag}, {self.suite}, key hidden)"

    def encode(self) -> str:
        return f"crypto:{self.tag} {self.suite} inline:{base64.b64encode(self.key).decode()}"


class IceCredentials(msgspec.Struct, frozen=True):
    ufrag: str
    password: str

    def __repr__(self) -> str:
        return f"IceCredentials({self.ufrag}, password hidden)"


class MediaTransport(msgspec.Struct, frozen=True, kw_only=True):
    """What one side says. `candidates` are (address, port) of its own interfaces; a lite agent needs no others,
    since it learns them from checks."""

    crypto: tuple[CryptoLine, ...] = ()
    fingerprints: tuple[tuple[str, str], ...] = ()  # hash function, digest
    setup: Setup | None = None
    ice: IceCredentials | None = None
    ice_lite: bool = False
    candidates: tuple[tuple[str, int], ...] = ()
    rtcp_mux: bool = False
    mid: str | None = None
    bundled: bool = False
    ssrc: int | None = None

    def session_lines(self) -> list[str]:
        lines = [f"group:BUNDLE {self.mid}"] if self.bundled and self.mid else []
        return [*lines, "ice-lite"] if self.ice_lite else lines

    def media_lines(self) -> list[str]:
        lines = [f"mid:{self.mid}"] if self.mid else []
        lines += [line.encode() for line in self.crypto]
        if self.ice:
            lines += [f"ice-ufrag:{self.ice.ufrag}", f"ice-pwd:{self.ice.password}"]
        lines += [f"fingerprint:{algorithm} {digest}" for algorithm, digest in self.fingerprints]
        if self.setup:
            lines.append(f"setup:{self.setup}")
        if self.rtcp_mux:
            lines.append("rtcp-mux")
        if self.ssrc is not None:
            lines += [f"ssrc:{self.ssrc} cname:sautikit", "msid:sautikit audio"]
        lines += [
            f"candidate:{index + 1} 1 udp {_HOST_PRIORITY - (index << 8)} {address} {port} typ host"
            for index, (address, port) in enumerate(self.candidates)
        ]
        return [*lines, "end-of-candidates"] if self.candidates else lines


def can_be_kept(profile: str, session: list[str], media: list[str]) -> bool:
    """Whether a stream of that profile is plain, or brings what its protection needs."""
    if profile in PLAIN_PROFILES:
        return True
    transport = read_transport(session, media)
    return bool(transport.fingerprints) or (profile in SDES_PROFILES and bool(transport.crypto))


def is_transport(name: str) -> bool:
    """Whether an attribute of that name is read here."""
    return name in _READ


def read_transport(session: list[str], media: list[str]) -> MediaTransport:
    """From the lines of the session and of the stream; what is odd is passed over, as if it were not there."""
    mid = _first("mid", media)
    ufrag, password = _first("ice-ufrag", media, session), _first("ice-pwd", media, session)
    setup = (_first("setup", media, session) or "").lower()
    groups = _all("group", session)
    return MediaTransport(
        crypto=tuple(line for text in _all("crypto", media)[:_MOST_CRYPTO_LINES] if (line := _crypto(text))),
        fingerprints=_fingerprints(_all("fingerprint", media) or _all("fingerprint", session)),
        setup=Setup(setup) if setup in list(Setup) else None,
        ice=_credentials(ufrag, password),
        ice_lite="a=ice-lite" in session,
        candidates=_candidates(_all("candidate", media)),
        rtcp_mux="a=rtcp-mux" in media,
        mid=mid if mid and re.fullmatch(r"[!-~]{1,32}", mid) else None,
        bundled=any(mid in group.split()[1:] for group in groups if group.startswith("BUNDLE ")),
        ssrc=_ssrc(_first("ssrc", media)),
    )


def _all(name: str, lines: list[str]) -> list[str]:
    prefix = f"a={name}:"
    return [line[len(prefix) :].strip() for line in lines if line.startswith(prefix)]


def _first(name: str, *sections: list[str]) -> str | None:
    return next((value for lines in sections for value in _all(name, lines)), None)


def _crypto(text: str) -> CryptoLine | None:
    """None for a line we cannot keep: another suite, an MKI, or a parameter that would change the protection."""
    match = _CRYPTO.fullmatch(text)
    if match is None or match[2] not in list(Suite):
        return None
    lifetime = match[4].split("|")[1:]
    if len(lifetime) > 1 or any(not _LIFETIME.fullmatch(part) for part in lifetime):
        return None
    if any(not parameter.startswith(("WSH=", "-")) for parameter in match[5].split()):
        return None
    try:
        key = base64.b64decode(match[3], validate=True)
    except binascii.Error:
        return None
    return CryptoLine(int(match[1]), Suite(match[2]), key) if len(key) == KEY_SIZE + SALT_SIZE else None


def _fingerprints(texts: list[str]) -> tuple[tuple[str, str], ...]:
    found = [re.fullmatch(r"([A-Za-z0-9-]{1,16})\s+((?:[0-9A-Fa-f]{2}:)+[0-9A-Fa-f]{2})", t) for t in texts]
    return tuple((match[1].lower(), match[2].upper()) for match in found[:_MOST_FINGERPRINTS] if match)


def _credentials(ufrag: str | None, password: str | None) -> IceCredentials | None:
    """RFC 8839 section 5.4."""
    if not re.fullmatch(r"[A-Za-z0-9+/]{4,256}", ufrag or ""):
        return None
    if not re.fullmatch(r"[A-Za-z0-9+/]{22,256}", password or ""):
        return None
    return IceCredentials(ufrag or "", password or "")


def _candidates(texts: list[str]) -> tuple[tuple[str, int], ...]:
    """Of host candidates over UDP for RTP, as we write them."""
    pattern = re.compile(r"\S+ 1 udp [0-9]+ ([0-9A-Fa-f.:]+) ([0-9]{1,5}) typ host\b.*", re.IGNORECASE)
    found = [pattern.fullmatch(text) for text in texts[:16]]
    return tuple((match[1], int(match[2])) for match in found if match and int(match[2]) < 65536)


def _ssrc(text: str | None) -> int | None:
    match = re.match(r"([0-9]{1,10})\b", text or "")
    return int(match[1]) if match and int(match[1]) < 1 << 32 else None
