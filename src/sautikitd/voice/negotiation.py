"""What two descriptions agree on, in the media plane's words (RFC 3264)."""

from collections.abc import Sequence

from sautikitd.voice.media.g711 import Codec as MediaCodec
from sautikitd.voice.media.protocol import LocalMedia, RemoteMedia
from sautikitd.voice.sip import sdp

_KNOWN = {"PCMU": sdp.PCMU, "PCMA": sdp.PCMA}


def codecs_of(names: Sequence[str]) -> tuple[sdp.Codec, ...]:
    """A trunk's codecs in its order of liking, with telephone-event behind them."""
    chosen = tuple(_KNOWN[name] for name in names if name in _KNOWN)
    return (*(chosen or (sdp.PCMU, sdp.PCMA)), sdp.TELEPHONE_EVENT)


def offer(local: LocalMedia, address: str, codecs: tuple[sdp.Codec, ...]) -> sdp.Sdp:
    return sdp.offer(address, local.rtp_port, session_id=local.rtp_port, codecs=codecs)


def agreed(theirs: sdp.Sdp, ours: sdp.Sdp, *, we_answered: bool) -> RemoteMedia:
    """Where and how to send, from their description and ours. Raises `NoCommonCodec`.

    The answerer's first codec is what both send. Payload numbers for sending are those of the receiver's own
    description (RFC 3264 §5.1), so theirs.
    """
    answered = ours if we_answered else theirs
    sound = answered.audio
    if sound is None or theirs.port == 0:
        raise sdp.NoCommonCodec("the stream was refused")
    theirs_sound = next((codec for codec in theirs.codecs if codec.same(sound)), sound)
    events = next((codec for codec in theirs.codecs if codec.is_event and codec.rate == sound.rate), None)
    hears = (
        theirs.direction in (sdp.Direction.SENDRECV, sdp.Direction.RECVONLY) and theirs.address != "0.0.0.0"
    )
    speaks = theirs.direction in (sdp.Direction.SENDRECV, sdp.Direction.SENDONLY)
    return RemoteMedia(
        address=theirs.address,
        rtp_port=theirs.port,
        rtcp_port=theirs.rtcp_port,
        codec=MediaCodec(sound.name),
        payload_type=theirs_sound.payload,
        dtmf_payload_type=events.payload if events is not None and ours.telephone_event is not None else None,
        send=hears,
        receive=speaks,
    )
