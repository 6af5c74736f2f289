"""Why a session description cannot be used."""


class SdpError(ValueError):
    """A session description that cannot be used."""


class MalformedSdp(SdpError):
    """Not a session description, or one with a needed line that cannot be read."""


class NoAudioStream(SdpError):
    """There is no audio stream over RTP."""


class NoCommonCodec(SdpError):
    """The two sides have no audio codec in common: answer 488."""


class NoCommonKeys(SdpError):
    """One side asks for protection that the other does not give: answer 488."""
