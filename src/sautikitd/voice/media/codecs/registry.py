"""Which codec is made of what, and how fast its RTP clock runs."""

from sautikitd.voice.media.codecs.frames import FrameDecoder, FrameEncoder, G711Encoder
from sautikitd.voice.media.codecs.g722 import G722Decoder, G722Encoder
from sautikitd.voice.media.codecs.opus import OpusDecoder, OpusEncoder
from sautikitd.voice.media.g711 import LAW_INDEX, Codec

OPUS_CLOCK = 48000
_OPUS_PACKETS_MS = (10, 20, 40, 60)
_PACKETS_MS = (10, 20, 30, 40, 50, 60)
USUAL_MS = 20


def clock_scale(codec: Codec) -> int:
    """Ticks of its RTP clock for each sample at 8 kHz (RFC 7587 section 4.1: Opus counts at 48 kHz always)."""
    return 6 if codec is Codec.OPUS else 1


def make_decoder(codec: Codec) -> FrameDecoder | None:
    """None for G.711, which the plane decodes by its tables."""
    match codec:
        case Codec.OPUS:
            return OpusDecoder()
        case Codec.G722:
            return G722Decoder()
        case _:
            return None


def make_encoder(codec: Codec) -> FrameEncoder:
    match codec:
        case Codec.OPUS:
            return OpusEncoder()
        case Codec.G722:
            return G722Encoder()
        case _:
            return G711Encoder(codec)


def packet_ms(codec: Codec, wanted_ms: int) -> int:
    """The length of packet to send to a far end that asks for `wanted_ms`: 10 to 60 ms, 20 where it cannot be made."""
    possible = _OPUS_PACKETS_MS if codec is Codec.OPUS else _PACKETS_MS
    return wanted_ms if wanted_ms in possible else USUAL_MS


def on_tables(codec: Codec, wanted_ms: int) -> bool:
    """Whether the plane's arrays can send it: G.711 in packets of 20 ms."""
    return codec in LAW_INDEX and packet_ms(codec, wanted_ms) == USUAL_MS
