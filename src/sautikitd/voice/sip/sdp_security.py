"""Agreeing on protection: what we may offer, what we answer, and what two descriptions amount to."""

import secrets

import msgspec

from sautikitd.voice.media.crypto.suites import KEY_SIZE, SALT_SIZE, Suite
from sautikitd.voice.media.terms import DtlsRole, DtlsTerms, IceTerms, SrtpTerms
from sautikitd.voice.media_encryption import MediaEncryption
from sautikitd.voice.sip.sdp_errors import NoCommonKeys
from sautikitd.voice.sip.sdp_transport import (
    DTLS_PROFILES,
    PLAIN_PROFILES,
    SDES_PROFILES,
    CryptoLine,
    IceCredentials,
    MediaTransport,
    Setup,
)

_UFRAG_BYTES, _PASSWORD_BYTES = 6, 24


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """What two transports amount to."""

    srtp: SrtpTerms | None = None
    dtls: DtlsTerms | None = None
    ice: IceTerms | None = None
    mux: bool = False


def new_crypto(tag: int, suite: Suite) -> CryptoLine:
    return CryptoLine(tag, suite, secrets.token_bytes(KEY_SIZE + SALT_SIZE))


def own_transport(fingerprint: str, ssrc: int, candidates: tuple[tuple[str, int], ...]) -> MediaTransport:
    """All that a new leg of ours could do, with fresh secrets: offers and answers take from it."""
    return MediaTransport(
        crypto=(new_crypto(1, Suite.SHA1_80), new_crypto(2, Suite.SHA1_32)),
        fingerprints=(("sha-256", fingerprint),) if fingerprint else (),
        setup=Setup.ACTPASS,
        ice=IceCredentials(_letters(_UFRAG_BYTES), _letters(_PASSWORD_BYTES)),
        ice_lite=True,
        candidates=candidates,
        rtcp_mux=True,
        mid="0",
        bundled=True,
        ssrc=ssrc,
    )


def _letters(count: int) -> str:
    """Random characters of ICE's alphabet: 6 bits each byte."""
    return secrets.token_urlsafe(count).replace("-", "+").replace("_", "/")[:count]


def offered_transport(mine: MediaTransport, encryption: MediaEncryption) -> tuple[str, MediaTransport]:
    """The profile and the transport of our offer."""
    match encryption:
        case MediaEncryption.DTLS:
            return "UDP/TLS/RTP/SAVPF", msgspec.structs.replace(mine, crypto=())
        case MediaEncryption.SDES:
            return "RTP/SAVP", MediaTransport(crypto=mine.crypto)
        case MediaEncryption.OPTIONAL:
            return "RTP/AVP", MediaTransport(crypto=mine.crypto)
        case MediaEncryption.NONE:
            return "RTP/AVP", MediaTransport()


def encryption_of(profile: str, transport: MediaTransport) -> MediaEncryption:
    """What a description of ours stood for."""
    if profile in DTLS_PROFILES or (profile in SDES_PROFILES and not transport.crypto):
        return MediaEncryption.DTLS
    if profile in SDES_PROFILES:
        return MediaEncryption.SDES
    return MediaEncryption.OPTIONAL if transport.crypto else MediaEncryption.NONE


def answered_transport(
    profile: str, theirs: MediaTransport, mine: MediaTransport, encryption: MediaEncryption
) -> MediaTransport:
    """Our part of the answer to an offer of that profile. Raises `NoCommonKeys`."""
    if theirs.fingerprints and (profile in DTLS_PROFILES or (profile in SDES_PROFILES and not theirs.crypto)):
        return _dtls_answer(theirs, mine)
    keeps = profile in SDES_PROFILES or encryption in (MediaEncryption.SDES, MediaEncryption.OPTIONAL)
    if keeps and theirs.crypto:
        chosen = theirs.crypto[0]
        own = next((line for line in mine.crypto if line.suite is chosen.suite), None)
        line = own or new_crypto(chosen.tag, chosen.suite)
        return MediaTransport(crypto=(msgspec.structs.replace(line, tag=chosen.tag),), mid=theirs.mid)
    if profile not in PLAIN_PROFILES or encryption is MediaEncryption.SDES:
        raise NoCommonKeys(f"no keys in common for {profile}")
    return MediaTransport()


def _dtls_answer(theirs: MediaTransport, mine: MediaTransport) -> MediaTransport:
    """We wait for the handshake wherever we may: the far end knows best when its side of ICE is ready."""
    if not mine.fingerprints:
        raise NoCommonKeys("DTLS is not for this leg")
    return msgspec.structs.replace(
        mine,
        crypto=(),
        setup=Setup.ACTIVE if theirs.setup is Setup.PASSIVE else Setup.PASSIVE,
        ice=mine.ice if theirs.ice else None,
        ice_lite=theirs.ice is not None,
        candidates=mine.candidates if theirs.ice else (),
        rtcp_mux=theirs.rtcp_mux,
        mid=theirs.mid,
        bundled=theirs.bundled,
    )


def agreement(
    profile: str, theirs: MediaTransport, ours: MediaTransport, *, we_answered: bool, required: bool
) -> Agreement:
    """`profile` of the answer; `required`: our offer asked for protection. Raises `NoCommonKeys`."""
    srtp = _srtp(theirs, ours, we_answered=we_answered)
    dtls = None if srtp else _dtls(theirs, ours, we_answered=we_answered)
    if srtp is None and dtls is None and (required or profile not in PLAIN_PROFILES):
        raise NoCommonKeys("the answer has no keys")
    ice = None
    if dtls is not None and ours.ice and theirs.ice:
        ice = IceTerms(
            local_ufrag=ours.ice.ufrag,
            local_password=ours.ice.password,
            remote_ufrag=theirs.ice.ufrag,
            remote_lite=theirs.ice_lite,
        )
    return Agreement(srtp=srtp, dtls=dtls, ice=ice, mux=ours.rtcp_mux and theirs.rtcp_mux)


def _srtp(theirs: MediaTransport, ours: MediaTransport, *, we_answered: bool) -> SrtpTerms | None:
    """The answer has one line, whose tag names the line of the offer (RFC 4568 section 5.1.2)."""
    answered = ours.crypto if we_answered else theirs.crypto
    if not answered:
        return None
    tag = answered[0].tag
    local = next((line for line in ours.crypto if line.tag == tag), None)
    remote = next((line for line in theirs.crypto if line.tag == tag), None)
    if local is None or remote is None or local.suite is not remote.suite:
        raise NoCommonKeys("the answer's key is for no line of the offer")
    return SrtpTerms(
        local_suite=local.suite, local_key=local.key, remote_suite=remote.suite, remote_key=remote.key
    )


def _dtls(theirs: MediaTransport, ours: MediaTransport, *, we_answered: bool) -> DtlsTerms | None:
    if not (ours.fingerprints and theirs.fingerprints):
        return None
    client = ours.setup is Setup.ACTIVE if we_answered else theirs.setup is Setup.PASSIVE
    role = DtlsRole.CLIENT if client else DtlsRole.SERVER
    return DtlsTerms(role=role, fingerprints=theirs.fingerprints)
