"""What sound is offered to devices and taken from them, by how they are connected."""

from collections.abc import Sequence

from sautikitd.voice.media_encryption import MediaEncryption
from sautikitd.voice.sip.hops import Transport

_BROWSER = ("opus", "PCMU", "PCMA")
_SOFTPHONE = ("G722", "opus", "PCMA", "PCMU")


def codecs_for(transport: Transport) -> Sequence[str]:
    """In order of liking. Those that speak over WebSockets are browsers."""
    return _BROWSER if transport.websocket else _SOFTPHONE


def encryption_for(transport: Transport) -> MediaEncryption:
    """A browser takes nothing but DTLS-SRTP; a softphone that offers keys is answered in kind whatever stands here."""
    return MediaEncryption.DTLS if transport.websocket else MediaEncryption.NONE
