"""One leg as an object: its sockets and all that is not touched for every packet."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sautikitd.voice.media.g711 import Codec
from sautikitd.voice.media.protocol import RemoteMedia
from sautikitd.voice.media.rtp.latch import Latch, SocketAddress
from sautikitd.voice.media.rtp.telephone_event import EventReader
from sautikitd.voice.media.sounding.playback import DigitQueue, Playback
from sautikitd.voice.media.tape.recording import Recording
from sautikitd.voice.media.wire.ports import SocketPair

if TYPE_CHECKING:
    from sautikitd.voice.media.codecs.inlet import Inlet
    from sautikitd.voice.media.codecs.outlet import Outlet
    from sautikitd.voice.media.line import Line


def wall_time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@dataclass(slots=True)
class Control:
    """What RTCP remembers of one leg between reports; times monotonic in seconds unless said."""

    due_at: float = 0.0
    expected_before: int = 0
    received_before: int = 0
    heard_ntp: int = 0  # middle 32 bits of the far end's last sender report
    heard_at: float = 0.0
    heard_rtcp: float = 0.0
    remote_lost: int | None = None
    remote_jitter: float | None = None  # timestamp units
    rtt_s: float | None = None
    target: SocketAddress | None = None


@dataclass(slots=True, eq=False)
class Leg:
    leg_id: str
    row: int
    sockets: SocketPair
    remote: RemoteMedia | None = None
    latch: Latch | None = None
    # Copies of the latch's source and target: read for each packet.
    source: SocketAddress | None = None
    target: SocketAddress | None = None
    control: Control = field(default_factory=Control)
    events: EventReader = field(default_factory=EventReader)
    digits: DigitQueue = field(default_factory=DigitQueue)
    playback: Playback | None = None
    recordings: list[Recording] = field(default_factory=list)
    room: str | None = None
    rival_ssrc: int | None = None  # another SSRC seen once from the latched source
    configured_at: float = 0.0
    silent: bool = False
    # Wall clock, Unix seconds; 0 is never.
    first_received: float = 0.0
    first_sent: float = 0.0
    lost_before: int = 0  # of earlier streams of this leg
    # For legs that are not plain G.711 in packets of 20 ms; None for those that are.
    line: "Line | None" = None
    inlet: "Inlet | None" = None
    outlet: "Outlet | None" = None
    scale: int = 1  # ticks of the stream's RTP clock for each sample at 8 kHz

    @property
    def codec(self) -> Codec | None:
        return self.remote.codec if self.remote else None

    @property
    def law(self) -> Codec:
        """Of its codes in the jitter buffer."""
        return self.remote.codec if self.remote and self.inlet is None else Codec.PCMU

    @property
    def in_band(self) -> bool:
        """Whether digits are tones in the audio: no telephone-event was agreed."""
        return self.remote is not None and self.remote.dtmf_payload_type is None

    def follow_latch(self) -> None:
        if self.latch is not None:
            self.source = self.latch.source
            self.target = self.latch.target
