"""The state of all legs as columns of arrays: row i is one leg. A tick works on columns, not on legs."""

import heapq
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media.g711 import FRAME_SAMPLES
from sautikitd.voice.media.rtp.packets import HEADER_SIZE

BLOCK_SAMPLES = 80  # 10 ms: the grain of the jitter buffer, so that any usual packet length fits
RING_BLOCKS = 128  # 1.28 s, a power of two
PACKET_SIZE = HEADER_SIZE + FRAME_SAMPLES
SLACK_BINS = 64
PAST_FRAMES = 3  # of what was heard before this tick, kept for concealment
LONGEST_PITCH = 120  # samples: 66 Hz
NOTHING_TO_REPEAT = 1 << 20  # blocks missed: so many that concealment has faded


class EventState(IntEnum):
    """Of the key named by `event_time` (RFC 4733)."""

    NONE = 0
    DOWN = 1
    OVER = 2


class NoRows(Exception):
    """This media process carries as many legs as it was made for."""


class Rows:
    """Columns; those about receiving are named `in_*`, those about sending `out_*`."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._free = list(range(capacity))
        self.used = 0  # rows in use
        self.high = 0  # every row in use is below this

        # Jitter buffer: codes by block of the stream's own time, and which blocks are there.
        self.ring = np.zeros((capacity, RING_BLOCKS, BLOCK_SAMPLES), np.uint8)
        self.have = np.zeros((capacity, RING_BLOCKS), np.bool_)
        self.playout = np.zeros(capacity, np.int64)  # next block to play
        self.slack = np.zeros((capacity, SLACK_BINS), np.float32)  # packets by how early they came, fading
        self.shift = np.zeros(capacity, np.int64)  # blocks by which the playout is to fall back (-: move on)
        self.shift_wait = np.zeros(capacity, np.int64)  # ticks that a shift has waited for silence
        self.late = np.zeros(capacity, np.int64)  # packets that came after their time to be played
        self.late_streak = np.zeros(capacity, np.int64)  # late packets with none in time between

        # Concealment of what is missing.
        self.missed = np.full(capacity, NOTHING_TO_REPEAT)  # blocks concealed in a row
        self.pitch = np.full(capacity, LONGEST_PITCH)  # samples
        self.cycle = np.zeros((capacity, LONGEST_PITCH), np.float32)  # the period that is repeated
        self.cycle_at = np.zeros(capacity, np.int64)

        # The stream being received (RFC 3550 appendix A.1, A.3, A.8).
        self.started = np.zeros(capacity, np.bool_)
        self.listening = np.zeros(capacity, np.bool_)
        self.in_type = np.full(capacity, -1, np.int64)
        self.in_law = np.zeros(capacity, np.int64)
        self.in_ssrc = np.zeros(capacity, np.uint32)
        self.in_start = np.zeros(capacity, np.int64)  # timestamp of block 0
        self.in_highest = np.zeros(capacity, np.int64)  # extended sequence number
        self.in_seen = np.zeros(
            capacity, np.uint64
        )  # which of the last 64 came: bit n is n before the highest
        self.in_first = np.zeros(capacity, np.int64)
        self.in_stream = np.zeros(capacity, np.int64)  # packets of this SSRC
        self.in_packets = np.zeros(capacity, np.int64)
        self.in_bytes = np.zeros(capacity, np.int64)
        self.in_transit = np.full(capacity, np.nan)
        self.in_jitter = np.zeros(capacity)  # timestamp units
        self.in_at = np.zeros(capacity)  # monotonic s of the last packet

        # The key that was pressed last, as telephone-events tell it.
        self.event_type = np.full(capacity, -1, np.int64)
        self.event_state = np.zeros(capacity, np.int8)
        self.event_time = np.zeros(capacity, np.int64)  # its RTP timestamp
        self.event_heard = np.zeros(capacity)  # monotonic s
        self.event_duration = np.zeros(capacity, np.int64)  # since the event reader was last told

        # The stream being sent.
        self.out_sequence = np.zeros(capacity, np.int64)
        self.out_timestamp = np.zeros(capacity, np.int64)
        self.out_ssrc = np.zeros(capacity, np.uint32)
        self.out_type = np.zeros(capacity, np.uint8)
        self.out_law = np.zeros(capacity, np.int64)
        self.out_marker = np.zeros(capacity, np.bool_)
        self.out_packets = np.zeros(capacity, np.int64)
        self.sends = np.zeros(capacity, np.bool_)

        self.seated = np.zeros(capacity, np.bool_)  # in a room

        # This tick's audio each way, and the packets that go out.
        self._frames = np.zeros(
            (PAST_FRAMES + 1, capacity, FRAME_SAMPLES), np.int16
        )  # heard, by ticks in turn
        self._frame = 0
        self.heard = self._frames[0]
        self.said = np.zeros((capacity, FRAME_SAMPLES), np.int16)
        self.packets = np.zeros((capacity, PACKET_SIZE), np.uint8)

    def take(self) -> int:
        """A free row, the lowest, so that the rows in use stay together. Raises `NoRows`."""
        if not self._free:
            raise NoRows(f"all {self.capacity} rows are taken")
        row = heapq.heappop(self._free)
        self.used += 1
        self.high = max(self.high, row + 1)
        self._clear(row)
        return row

    def give_back(self, row: int) -> None:
        self._clear(row)
        heapq.heappush(self._free, row)
        self.used -= 1
        if self.used == 0:
            self.high = 0

    def next_frame(self) -> None:
        """`heard` becomes the place of another tick's audio, and what it was becomes a part of the past."""
        self._frame = (self._frame + 1) % len(self._frames)
        self.heard = self._frames[self._frame]

    def past(self, rows: NDArray[np.int64]) -> NDArray[np.int16]:
        """What these rows heard before this tick (row, sample), oldest first."""
        order = (self._frame + 1 + np.arange(PAST_FRAMES)) % len(self._frames)
        frames: NDArray[np.int16] = self._frames[order[None, :], rows[:, None]]
        return frames.reshape(len(rows), -1)

    def _clear(self, row: int) -> None:
        self.have[row] = False
        for flag in (self.started, self.listening, self.sends, self.out_marker, self.seated):
            flag[row] = False
        self.in_type[row] = self.event_type[row] = -1
        self.event_state[row] = EventState.NONE
        self.missed[row] = NOTHING_TO_REPEAT
        for count in (self.in_packets, self.in_bytes, self.in_stream, self.in_jitter, self.out_packets):
            count[row] = 0
        for zeroed in (
            self.in_first,
            self.in_highest,
            self.late,
            self.late_streak,
            self.shift,
            self.shift_wait,
            self.slack,
            self.in_at,
        ):
            zeroed[row] = 0
        self._frames[:, row] = 0
        self.said[row] = 0
