"""Descriptions made inside a dialog: answers and offers that go on with the media there are."""

import msgspec

from sautikitd.voice.sip import sdp
from sautikitd.voice.sip.sdp_errors import NoAudioStream, SdpError
from sautikitd.voice.sip.sdp_security import encryption_of


def same_media_answer(offer: bytes, local_sdp: bytes | None) -> bytes:
    """Answers from where we already receive, with the codecs both know. Raises `SdpError`."""
    if local_sdp is None:
        raise NoAudioStream("nothing was agreed yet")
    ours = sdp.parse(local_sdp)
    answer = sdp.answer(
        sdp.parse(offer),
        ours.address,
        ours.port,
        session_id=ours.session_id,
        version=ours.version,
        codecs=(*ours.codecs, *sdp.DEFAULT_CODECS),
        mine=ours.transport,
        encryption=encryption_of(ours.profile, ours.transport),
    )
    if answer != ours:  # a changed description has a higher version, an unchanged one the same (RFC 3264 §8)
        answer = msgspec.structs.replace(answer, version=ours.version + 1)
    return answer.encode()


def renewed_offer(local_sdp: bytes | None) -> bytes | None:
    """Our offer in answer to a re-INVITE that has none: both ways again, whatever hold there was.

    None when nothing was ever described. That is how a back-to-back user agent takes a call off hold.
    """
    if local_sdp is None:
        return None
    ours = sdp.parse(local_sdp)
    if ours.direction is sdp.Direction.SENDRECV:
        return local_sdp
    return msgspec.structs.replace(ours, direction=sdp.Direction.SENDRECV, version=ours.version + 1).encode()


def direction_of(body: bytes | None) -> sdp.Direction | None:
    """The far end's direction; inactive also for the old hold by address 0.0.0.0."""
    if body is None:
        return None
    try:
        read = sdp.parse(body)
    except SdpError:
        return None
    return sdp.Direction.INACTIVE if read.address == "0.0.0.0" else read.direction
