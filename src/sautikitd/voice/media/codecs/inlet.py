"""Receiving a codec with a memory: payloads are decoded in their order, lost ones recovered by the codec, and the
samples join the plane's jitter buffer as G.711 codes."""

from collections import deque
from typing import NamedTuple

import numpy as np

from sautikitd.voice.media.codecs.frames import BadFrame, FrameDecoder
from sautikitd.voice.media.g711 import FRAME_SAMPLES, Codec, Pcm, encode
from sautikitd.voice.media.rows import BLOCK_SAMPLES, Rows
from sautikitd.voice.media.rtp import jitter
from sautikitd.voice.media.rtp.packets import RtpPacket

LAW = Codec.PCMU  # of the codes in the jitter buffer
_MOST_HELD = 8
_LONGEST_GAP = 120 * 8  # samples; a longer one is silence, or another time
_TICK_BLOCKS = FRAME_SAMPLES // BLOCK_SAMPLES


class Taken(NamedTuple):
    """A packet that was decoded: its timestamp and length in samples at 8 kHz."""

    timestamp: int
    samples: int
    payload: bytes


class Inlet:
    """Of one leg. A packet that overtook another is held back until the other comes, or until its place in the
    jitter buffer is about to be played."""

    def __init__(self, rows: Rows, row: int, decoder: FrameDecoder, *, scale: int) -> None:
        self._rows = rows
        self._row = row
        self._decoder = decoder
        self._scale = scale
        self._clock: tuple[int, int] | None = (
            None  # the far end's last timestamp: as it came, and since the first
        )
        self._next: tuple[int, int] | None = (
            None  # sequence number and 8 kHz timestamp after the last decoded
        )
        self._held: dict[int, RtpPacket] = {}  # by sequence number
        self.taken: deque[Taken] = deque(maxlen=_MOST_HELD)
        """The latest packets, in their order, for a leg that sends them on."""

    def on_our_clock(self, packet: RtpPacket) -> RtpPacket:
        """The packet with its timestamp at 8 kHz, which goes on evenly where the far end's wraps."""
        if self._scale == 1:
            return packet
        if self._clock is None:
            self._clock = packet.timestamp, packet.timestamp
        last, unwrapped = self._clock
        step = ((packet.timestamp - last + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        self._clock = packet.timestamp, unwrapped + step
        return packet._replace(timestamp=((unwrapped + step) // self._scale) & 0xFFFFFFFF)

    def restart(self) -> None:
        """Another stream begins."""
        self._next = None
        self._held.clear()

    def take(self, packet: RtpPacket) -> None:
        """A packet of the stream, its timestamp at 8 kHz."""
        jitter.note(self._rows, self._row, packet.timestamp)
        if self._next is None:
            self._decode(packet)
            return
        ahead = (packet.sequence - self._next[0]) & 0xFFFF
        if ahead == 0:
            self._decode(packet)
            self._follow()
        elif ahead < 0x8000:
            self._held[packet.sequence] = packet
            if len(self._held) > _MOST_HELD:
                self._give_up()
        else:
            self._rows.late[self._row] += 1  # its place has been played, with what was made up for it

    def hurry(self) -> None:
        """Once a tick: gives a missing packet up when what follows would come too late."""
        if not self._held or self._next is None:
            return
        block = jitter.block_at(self._rows, self._row, self._next[1])
        if block - int(self._rows.playout[self._row]) < _TICK_BLOCKS:
            self._give_up()

    def _give_up(self) -> None:
        """Goes on at the first packet held, its gap concealed."""
        assert self._next is not None
        expected, missing_from = self._next
        sequence = min(self._held, key=lambda held: (held - expected) & 0xFFFF)
        packet = self._held.pop(sequence)
        self._conceal(missing_from, packet, lost=(sequence - expected) & 0xFFFF)
        self._decode(packet)
        self._follow()

    def _conceal(self, begins: int, packet: RtpPacket, *, lost: int) -> None:
        gap = (packet.timestamp - begins) & 0xFFFFFFFF
        if not 0 < gap <= _LONGEST_GAP or gap % lost:
            return
        each = gap // lost
        for index in range(lost):
            following = packet.payload if index == lost - 1 else None
            try:
                made = self._decoder.conceal(each, following)
            except BadFrame:
                return
            if made is not None:
                self._put(begins + index * each, False, made)

    def _follow(self) -> None:
        while self._next is not None and (packet := self._held.pop(self._next[0], None)) is not None:
            self._decode(packet)

    def _decode(self, packet: RtpPacket) -> None:
        try:
            pcm = self._decoder.decode(packet.payload)
        except BadFrame:  # garbage under a good header: a hole, which the jitter buffer conceals
            pcm = np.zeros(0, np.int16)
        self._next = (packet.sequence + 1) & 0xFFFF, (packet.timestamp + len(pcm)) & 0xFFFFFFFF
        self.taken.append(Taken(packet.timestamp, len(pcm), packet.payload))
        self._put(packet.timestamp, packet.marker, pcm)

    def _put(self, timestamp: int, marker: bool, pcm: Pcm) -> None:
        if len(pcm):
            codes = encode(np.ascontiguousarray(pcm), LAW)
            jitter.put_payload(self._rows, self._row, timestamp & 0xFFFFFFFF, marker, codes, noted=True)
