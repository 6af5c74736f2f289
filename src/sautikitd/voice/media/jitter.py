"""The jitter buffer over all rows: reorders by the stream's own time, conceals what is missing, adapts its depth.

Packets are put at the block (10 ms) their timestamp names, so order and duplicates do not matter. A row
starts 40 ms behind the first packet. Late packets make it deeper by 20 ms at each adjustment (once a second), up to
120 ms; a buffer that never gets shallow gives 20 ms back, which also absorbs a far end whose clock is fast.
"""

import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media.g711 import DECODE_BOTH, FRAME_SAMPLES
from sautikitd.voice.media.rows import BLOCK_SAMPLES, FIRST_TARGET_BLOCKS, RING_BLOCKS, Rows

_MASK = RING_BLOCKS - 1
_FRAME_BLOCKS = FRAME_SAMPLES // BLOCK_SAMPLES
_FADE_BLOCKS = 6  # concealment fades to silence in 60 ms, as G.711 appendix I does
_DEEPEST_TARGET = 12
_LEEWAY_BLOCKS = 2
_LATE_STREAK = 3

RowIndex = NDArray[np.int64]


def anchor(rows: Rows, row: int, timestamp: int) -> None:
    """Starts the buffer of a row anew at a packet with this timestamp."""
    rows.have[row] = False
    rows.in_start[row] = timestamp
    rows.newest[row] = 0
    rows.playout[row] = -rows.target[row]
    rows.shallowest[row] = RING_BLOCKS
    rows.late[row] = 0
    rows.late_streak[row] = 0


def block_of(rows: Rows, row: RowIndex, timestamp: NDArray[np.int64]) -> NDArray[np.int64]:
    """The block each timestamp falls in, across wraps of the 32 bits; odd offsets go to the nearest block."""
    offset = ((timestamp - rows.in_start[row] + 0x80000000) & 0xFFFFFFFF) - 0x80000000
    blocks: NDArray[np.int64] = (offset + BLOCK_SAMPLES // 2) // BLOCK_SAMPLES
    return blocks


def put_frames(rows: Rows, row: RowIndex, block: NDArray[np.int64], codes: NDArray[np.uint8]) -> None:
    """Puts one 20 ms frame for each of `row`, which are distinct; the blocks are within the ring."""
    first, second = block & _MASK, (block + 1) & _MASK
    rows.ring[row, first] = codes[:, :BLOCK_SAMPLES]
    rows.ring[row, second] = codes[:, BLOCK_SAMPLES:]
    heard = rows.listening[row]
    rows.have[row, first] = heard
    rows.have[row, second] = heard
    rows.newest[row] = np.maximum(rows.newest[row], block + 1)
    rows.late_streak[row] = 0


def put_payload(rows: Rows, row: int, timestamp: int, marker: bool, codes: NDArray[np.uint8]) -> None:
    """Puts a payload of any length; re-anchors after a jump, at a talk spurt out of time, or a streak of late ones."""
    block = int(block_of(rows, np.array([row]), np.array([timestamp]))[0])
    count = len(codes) // BLOCK_SAMPLES
    playout = int(rows.playout[row])
    late = block + count <= playout
    rows.late[row] += late
    rows.late_streak[row] = rows.late_streak[row] + 1 if late else 0
    far = not -RING_BLOCKS < block - playout < RING_BLOCKS - count
    if far or (late and (marker or rows.late_streak[row] >= _LATE_STREAK)):
        anchor(rows, row, timestamp)
        block, playout = 0, int(rows.playout[row])
    for index in range(count):
        if block + index >= playout:
            slot = (block + index) & _MASK
            rows.ring[row, slot] = codes[index * BLOCK_SAMPLES : (index + 1) * BLOCK_SAMPLES]
            rows.have[row, slot] = rows.listening[row]
    rows.newest[row] = max(int(rows.newest[row]), block + count - 1)


def play_out(rows: Rows) -> None:
    """Moves every row on by one frame and decodes it into `rows.heard`."""
    high = rows.high
    if high == 0:
        return
    every = np.arange(high)
    playout = rows.playout[:high]
    codes = np.empty((high, _FRAME_BLOCKS, BLOCK_SAMPLES), np.uint8)
    there = np.empty((high, _FRAME_BLOCKS), np.bool_)
    for half in range(_FRAME_BLOCKS):
        slot = (playout + half) & _MASK
        codes[:, half] = rows.ring[every, slot]
        there[:, half] = rows.have[every, slot]
        rows.have[every, slot] = False
    rows.shallowest[:high] = np.minimum(rows.shallowest[:high], rows.newest[:high] - playout)
    playout += _FRAME_BLOCKS * rows.started[:high]
    index = codes.reshape(high, FRAME_SAMPLES).astype(np.int64)
    index += (rows.in_law[:high] * 256)[:, None]
    np.take(DECODE_BOTH, index, out=rows.heard[:high], mode="clip")
    _conceal(rows, there)


def _conceal(rows: Rows, there: NDArray[np.bool_]) -> None:
    """Repeats the last good audio, fading, where a block is missing."""
    high = rows.high
    for half in range(_FRAME_BLOCKS):
        part = slice(half * BLOCK_SAMPLES, (half + 1) * BLOCK_SAMPLES)
        gone = np.flatnonzero(~there[:, half])
        rows.missed[:high][there[:, half]] = 0
        if gone.size:
            gain = np.maximum(0.0, 1.0 - (rows.missed[gone] + 1) / _FADE_BLOCKS)
            rows.heard[gone, part] = (rows.last[gone, part] * gain[:, None]).astype(np.int16)
            rows.missed[gone] += 1
    whole = np.flatnonzero(there.all(axis=1))
    rows.last[whole] = rows.heard[whole]


def adjust(rows: Rows) -> None:
    """Once a second: deeper where packets came late, shallower where the buffer never ran low."""
    high = rows.high
    live = rows.started[:high]
    late = live & (rows.late[:high] > 0) & (rows.target[:high] < _DEEPEST_TARGET)
    rows.target[:high][late] += _FRAME_BLOCKS
    rows.playout[:high][late] -= _FRAME_BLOCKS
    spare = rows.shallowest[:high] - rows.target[:high]
    deep = live & ~late & (spare > _LEEWAY_BLOCKS) & (spare < RING_BLOCKS // 2)
    rows.playout[:high][deep] += _FRAME_BLOCKS
    calm = live & ~late & (spare > 0) & (rows.target[:high] > FIRST_TARGET_BLOCKS)
    rows.target[:high][calm] -= _FRAME_BLOCKS
    rows.late[:high] = 0
    rows.shallowest[:high] = RING_BLOCKS
