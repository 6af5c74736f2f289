"""What we say of our media, and what two descriptions agree on, in the media plane's words (RFC 3264)."""

from collections.abc import Sequence

import msgspec

from sautikitd.voice.media.g711 import Codec as MediaCodec
from sautikitd.voice.media.protocol import LocalMedia, RemoteMedia
from sautikitd.voice.media_encryption import MediaEncryption
from sautikitd.voice.sip import sdp
from sautikitd.voice.sip.sdp_errors import NoCommonCodec
from sautikitd.voice.sip.sdp_security import agreement, encryption_of, offered_transport, own_transport
from sautikitd.voice.sip.sdp_transport import MediaTransport

_KNOWN = {"PCMU": sdp.PCMU, "PCMA": sdp.PCMA, "G722": sdp.G722, "OPUS": sdp.OPUS}
_MEDIA_CODECS = {codec.upper(): codec for codec in MediaCodec}
_USUAL_MS, _LONGEST_MS = 20, 60


class MediaProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What a leg offers and answers: the addresses where our media is reached, the usual one first, codecs in order
    of liking with their telephone-events behind them, and how it is encrypted. `far` is the host of a far end whom
    we call, to be offered an address of his family."""

    addresses: tuple[str, ...]
    far: str = ""
    codecs: tuple[sdp.Codec, ...]
    encryption: MediaEncryption = MediaEncryption.NONE

    def offer(self, local: LocalMedia) -> sdp.Sdp:
        profile, transport = offered_transport(self._transport(local), self.encryption)
        return sdp.offer(
            self._nearest(self.far),
            local.rtp_port,
            session_id=local.rtp_port,
            codecs=self.codecs,
            profile=profile,
            transport=transport,
        )

    def answer(self, local: LocalMedia, offered: sdp.Sdp) -> sdp.Sdp:
        """Raises `SdpError`."""
        return sdp.answer(
            offered,
            self._nearest(offered.address),
            local.rtp_port,
            session_id=local.rtp_port,
            codecs=self.codecs,
            mine=self._transport(local),
            encryption=self.encryption,
        )

    def _transport(self, local: LocalMedia) -> MediaTransport:
        places = tuple((address, local.rtp_port) for address in self.addresses)
        return own_transport(local.fingerprint, local.ssrc, places)

    def _nearest(self, far: str) -> str:
        """The address of ours in the IP family of theirs."""
        wide = ":" in far
        return next((own for own in self.addresses if (":" in own) is wide), self.addresses[0])


def codecs_of(names: Sequence[str]) -> tuple[sdp.Codec, ...]:
    """Codecs by their names in order of liking, with telephone-event behind them."""
    chosen = tuple(_KNOWN[name.upper()] for name in names if name.upper() in _KNOWN) or (sdp.PCMU, sdp.PCMA)
    wide = (sdp.OPUS_TELEPHONE_EVENT,) if sdp.OPUS in chosen else ()
    return (*chosen, *wide, sdp.TELEPHONE_EVENT)


def agreed(theirs: sdp.Sdp, ours: sdp.Sdp, *, we_answered: bool) -> RemoteMedia:
    """Where and how to send, from their description and ours. Raises `NoCommonCodec`, `NoCommonKeys`.

    The answerer's first codec is what both send. Payload numbers for sending are those of the receiver's own
    description (RFC 3264 §5.1), so theirs.
    """
    answered = ours if we_answered else theirs
    sound = answered.audio
    if sound is None or theirs.port == 0:
        raise NoCommonCodec("the stream was refused")
    secure = agreement(
        answered.profile,
        theirs.transport,
        ours.transport,
        we_answered=we_answered,
        required=encryption_of(ours.profile, ours.transport) in (MediaEncryption.SDES, MediaEncryption.DTLS),
    )
    theirs_sound = next((codec for codec in theirs.codecs if codec.same(sound)), sound)
    events = sdp.event_beside(sound, theirs.codecs) if ours.telephone_event is not None else None
    placed = theirs.address != "0.0.0.0" or secure.ice is not None
    hears = theirs.direction in (sdp.Direction.SENDRECV, sdp.Direction.RECVONLY) and placed
    speaks = theirs.direction in (sdp.Direction.SENDRECV, sdp.Direction.SENDONLY)
    return RemoteMedia(
        address=theirs.address,
        rtp_port=theirs.port,
        rtcp_port=theirs.rtcp_port,
        codec=_MEDIA_CODECS[sound.name],
        payload_type=theirs_sound.payload,
        dtmf_payload_type=events.payload if events is not None else None,
        dtmf_rate=events.rate if events is not None else 8000,
        send=hears,
        receive=speaks,
        packet_ms=min(theirs.ptime or _USUAL_MS, theirs.maxptime or _LONGEST_MS),
        mux=secure.mux,
        srtp=secure.srtp,
        dtls=secure.dtls,
        ice=secure.ice,
    )
