"""How the sound of a call is protected on its way."""

from enum import StrEnum


class MediaEncryption(StrEnum):
    """What we offer, and what we take when it is offered to us.

    Whatever is set here, an offer of DTLS-SRTP (browsers) or of `RTP/SAVP` with keys is answered in kind.
    """

    NONE = "none"  # plain RTP
    OPTIONAL = "optional"  # keys stand beside a plain offer: a far end that knows SDES uses them
    SDES = (
        "sdes"  # SRTP with keys in the SDP (RFC 4568) or no call: only as safe as the signalling, so with TLS
    )
    DTLS = "dtls"  # DTLS-SRTP with ICE (RFC 5763, RFC 8445): browsers
