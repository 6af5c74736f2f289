"""What the voice node and the stream process say to each other: typed messages over a socket pair, framed as those
of the media process are (`voice.media.protocol.frame`)."""

from sautikitd.flow.streams import StreamEnd, StreamProtocol
from sautikitd.voice.media.protocol import Struct
from sautikitd.voice.streams.dialect import Opening


class Order(Struct, frozen=True):
    """One message: immutable, tagged with its name."""

    stream_id: str


class OpenStream(Order, frozen=True):
    """Open the socket and say the opening. `headers` are sent with the upgrade request, signature and all."""

    url: str
    live: bool
    headers: dict[str, str]
    protocol: StreamProtocol
    opening: Opening
    plays: bool
    sent_rate: int
    played_rate: int


class StopStream(Order, frozen=True):
    """Say goodbye and close the socket."""


class PressDigit(Order, frozen=True):
    """A key that the far end pressed."""

    digit: str


class StreamOpened(Order, frozen=True):
    """The server has taken the socket: now the media process may connect."""


class StreamEnded(Order, frozen=True):
    """`sent` frames of 20 ms were handed to the socket; `dropped` were not, as the server read too slowly;
    `missed` had no room on the way here. `overflowed` samples (8 kHz) from the server found no room in the queue,
    and `passed_over` of its messages were not understood, the first for the `first_fault`."""

    end: StreamEnd
    error: str = ""
    sent: int = 0
    dropped: int = 0
    missed: int = 0
    overflowed: int = 0
    passed_over: int = 0
    first_fault: str = ""


ToStreams = OpenStream | StopStream | PressDigit
FromStreams = StreamOpened | StreamEnded
