"""What the voice node and the media process say to each other: typed messages over a socket pair.

Each message is its length (4 bytes, big endian) and msgpack. A `Request` is answered by the `Reply` of the
same id, in order; events come in between. All times are aware datetimes, UTC.
"""

import asyncio
import struct
from datetime import datetime
from enum import StrEnum

import msgspec

from sautikitd.voice.media.g711 import Codec
from sautikitd.voice.media.listening.answerer import Answerer, GreetingEnd
from sautikitd.voice.media.terms import DtlsTerms, IceTerms, SrtpTerms

LARGEST_MESSAGE = 1 << 20
LENGTH = struct.Struct("!I")


class Struct(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One message or part of one: immutable, tagged with its name."""


class LocalMedia(Struct, frozen=True):
    """Where a leg receives. `fingerprint` is the SHA-256 of our certificate for DTLS, as an SDP writes it; `ssrc`
    what our stream will carry."""

    address: str
    rtp_port: int
    rtcp_port: int
    fingerprint: str = ""
    ssrc: int = 0


class RemoteMedia(Struct, frozen=True):
    """What was agreed with the far end. `address` is an IP literal; `rtcp_port` None means the port after RTP.

    `dtmf_payload_type` is the number of telephone-event, None when it was not agreed: digits are then tones
    both ways; `dtmf_rate` is its clock in Hz. `send` and `receive` are the direction of the SDP, from our side.
    `packet_ms` is the length of packet the far end asks for. `mux`: RTP and RTCP share a port (RFC 5761). With
    `ice` the address is where to begin; without `srtp` and `dtls` the media is plain. `pinned`: packets from any
    other address and port are dropped, and none is learned.
    """

    address: str
    rtp_port: int
    rtcp_port: int | None = None
    codec: Codec = Codec.PCMU
    payload_type: int = 0
    dtmf_payload_type: int | None = None
    dtmf_rate: int = 8000
    send: bool = True
    receive: bool = True
    packet_ms: int = 20
    mux: bool = False
    srtp: SrtpTerms | None = None
    dtls: DtlsTerms | None = None
    ice: IceTerms | None = None
    pinned: bool = False


class PcmFile(Struct, frozen=True):
    """A file of raw signed 16-bit little-endian mono samples at 8 kHz."""

    path: str


class Tone(Struct, frozen=True):
    """All `frequencies` (Hz) at once, on and off in turn (`on_ms` 0: continuous) for `duration_ms` in all."""

    frequencies: tuple[float, ...]
    duration_ms: int
    on_ms: int = 0
    off_ms: int = 0


class Silence(Struct, frozen=True):
    duration_ms: int


class Dtmf(Struct, frozen=True):
    """Digits to send: 0-9 * # A-D; `w` waits half a second, `W` a whole one."""

    digits: str


Segment = PcmFile | Tone | Silence | Dtmf


# Requests


class OpenLeg(Struct, frozen=True):
    leg_id: str


class ConfigureLeg(Struct, frozen=True):
    leg_id: str
    remote: RemoteMedia


class CloseLeg(Struct, frozen=True):
    leg_id: str


class ReadStats(Struct, frozen=True):
    leg_id: str


class Play(Struct, frozen=True):
    leg_id: str
    play_id: str
    segments: list[Segment]
    loop: int


class StopPlay(Struct, frozen=True):
    leg_id: str


class SendDigits(Struct, frozen=True):
    leg_id: str
    digits: str


class StartRecording(Struct, frozen=True):
    """See `MediaClient.start_recording`."""

    leg_id: str
    recording_id: str
    path: str
    channels: int
    max_ms: int
    silence_ms: int | None
    trim_silence: bool
    include_sent: bool


class PauseRecording(Struct, frozen=True):
    recording_id: str


class ResumeRecording(Struct, frozen=True):
    recording_id: str


class StopRecording(Struct, frozen=True):
    recording_id: str


class Join(Struct, frozen=True):
    leg_id: str
    room: str
    muted: bool
    deaf: bool
    heard_by: list[str] | None = None
    overhears: list[str] = []


class OpenBooth(Struct, frozen=True):
    """See `voice.media.rooms.booths`."""

    booth_id: str
    room: str


class CloseBooth(Struct, frozen=True):
    booth_id: str


class Announce(Struct, frozen=True):
    booth_id: str
    play_id: str
    segments: list[Segment]
    loop: int


class Hush(Struct, frozen=True):
    booth_id: str
    play_id: str | None


class Leave(Struct, frozen=True):
    leg_id: str


class StartFork(Struct, frozen=True):
    """Connects a leg to the stream process at `path`. `heard` and `said` are the tracks to send there."""

    leg_id: str
    stream_id: str
    path: str
    heard: bool
    said: bool


class FindAnswerer(Struct, frozen=True):
    """Listens to who answered the leg just now; `to_the_end`: until a machine's greeting is over."""

    leg_id: str
    to_the_end: bool


class ReadGauges(Struct, frozen=True):
    pass


class ReadBeat(Struct, frozen=True):
    pass


Command = (
    OpenLeg
    | ConfigureLeg
    | CloseLeg
    | ReadStats
    | Play
    | StopPlay
    | SendDigits
    | StartRecording
    | PauseRecording
    | ResumeRecording
    | StopRecording
    | Join
    | Leave
    | OpenBooth
    | CloseBooth
    | Announce
    | Hush
    | StartFork
    | FindAnswerer
    | ReadGauges
    | ReadBeat
)


class Request(Struct, frozen=True):
    id: int
    command: Command


# Answers


class LegStats(Struct, frozen=True):
    """One leg's media so far. Loss is of what we should have received; `remote_*` is what the far end reported.
    `rejected` packets were forged, replayed, or of somebody who has not proved himself."""

    packets_received: int
    bytes_received: int
    packets_sent: int
    bytes_sent: int
    lost: int
    loss_percent: float
    jitter_ms: float
    rtt_ms: float | None
    mos: float
    codec: Codec | None
    remote_lost: int | None
    remote_jitter_ms: float | None
    first_received_at: datetime | None
    last_received_at: datetime | None  # RTP or RTCP
    first_sent_at: datetime | None
    rejected: int = 0
    late: int = 0


LATE_MS = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0)


class Beat(Struct, frozen=True):
    """How a media process keeps time, since it began. `late` counts its wake-ups by how late they were: up to each of
    `LATE_MS`, and later; `late_s` is their sum. `pauses` counts in the same way how long it stood still with something to
    do: not woken when it had asked to be, kept waiting in the middle of its work, collecting garbage; three or four
    figures a tick. `skipped` ticks were not made up for."""

    late: tuple[int, ...] = (0,) * (len(LATE_MS) + 1)
    late_s: float = 0.0
    pauses: tuple[int, ...] = (0,) * (len(LATE_MS) + 1)
    skipped: int = 0
    busy_s: float = 0.0  # processor time
    collection_ms: float = 0.0  # the longest garbage collection
    collections: tuple[int, ...] = (0,) * (len(LATE_MS) + 1)  # by how long they took
    scheduling: str = "ordinary"  # or "real-time", "nice -10"


class Gauges(Struct, frozen=True):
    """What the media process holds now; all zero when no call is up."""

    legs: int
    plays: int
    recordings: int
    rooms: int
    sockets: int
    forks: int = 0


class Done(Struct, frozen=True):
    pass


class Refused(Struct, frozen=True):
    """The command could not be carried out; `message` says why."""

    message: str


class Reply(Struct, frozen=True):
    id: int
    result: LocalMedia | LegStats | Gauges | Beat | Done | Refused


# Events


class RecordingEnd(StrEnum):
    STOPPED = "stopped"
    SILENCE = "silence"
    MAX_LENGTH = "max_length"
    LEG_CLOSED = "leg_closed"
    ERROR = "error"


class DigitReceived(Struct, frozen=True):
    """A key was pressed and let go; `at` is when it was let go."""

    leg_id: str
    digit: str
    duration_ms: int
    at: datetime


class PlayFinished(Struct, frozen=True):
    """The last frame of a play was sent (`completed`), or it was stopped, replaced or its leg closed."""

    leg_id: str
    play_id: str
    completed: bool


class RecordingEnded(Struct, frozen=True):
    """The file is complete and closed. `size_bytes` is the whole file's."""

    leg_id: str
    recording_id: str
    reason: RecordingEnd
    duration_ms: int
    size_bytes: int


class FirstPacket(Struct, frozen=True):
    """The first valid RTP packet of the leg came in."""

    leg_id: str
    at: datetime


class MediaSilent(Struct, frozen=True):
    """Neither RTP nor RTCP for the configured time, while the leg is meant to receive."""

    leg_id: str
    last_received_at: datetime | None


class AnswererFound(Struct, frozen=True):
    """It is known who answered, `after_ms` of listening."""

    leg_id: str
    answerer: Answerer
    after_ms: int


class GreetingOver(Struct, frozen=True):
    """A machine's greeting is over: leave the message. Of others it follows `AnswererFound` at once."""

    leg_id: str
    end: GreetingEnd
    after_ms: int


class MediaResumed(Struct, frozen=True):
    leg_id: str
    at: datetime


class MediaUnsecured(Struct, frozen=True):
    """No keys could be agreed with the far end: its DTLS handshake failed, and nothing is sent or heard."""

    leg_id: str
    reason: str


Event = (
    DigitReceived
    | PlayFinished
    | RecordingEnded
    | FirstPacket
    | MediaSilent
    | MediaResumed
    | MediaUnsecured
    | AnswererFound
    | GreetingOver
)

FromVoice = Request
FromMedia = Reply | Event

_encoder = msgspec.msgpack.Encoder()


def frame(message: Struct) -> bytes:
    """The message with its length before it."""
    body = _encoder.encode(message)
    return LENGTH.pack(len(body)) + body


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next message's body; None at the end of the stream. Raises ValueError for one that is too large."""
    try:
        (size,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        if size > LARGEST_MESSAGE:
            raise ValueError(f"a message of {size} bytes is larger than {LARGEST_MESSAGE}")
        return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
