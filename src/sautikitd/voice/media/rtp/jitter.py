"""The jitter buffer over all rows: puts packets where the stream's own time says, and adapts its depth.

Packets are put at the block (10 ms) their timestamp names, so order and duplicates do not matter. A row
starts 40 ms behind the first packet.

How deep. Of each packet it is noted how early it came before its time to be played (its slack, in blocks); the
counts fade with a time constant of 1.2 s. Five times a second the depth is judged by the slack that all but one packet
in two hundred had: below nothing, the playout falls back by as much, at once; 20 ms or more, it moves on to leave 10 ms,
as soon as nobody speaks. So the buffer is as deep as the jitter of the last seconds asks for, and no deeper, and a
far end whose clock is fast or slow is followed by the same rule.

Falling back leaves 10 ms at a time to concealment, which repeats the pitch; moving on drops 10 ms that are quiet, or
lays them over those that follow: after two seconds, sooner the more there is to drop.
"""

import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media.g711 import DECODE_BOTH, DECODE_PAIRS, FRAME_SAMPLES
from sautikitd.voice.media.rows import BLOCK_SAMPLES, RING_BLOCKS, SLACK_BINS, Rows
from sautikitd.voice.media.rtp.concealment import conceal

ADJUST_TICKS = 10
_FIRST_DEPTH = 4  # blocks
_MASK = RING_BLOCKS - 1
_FRAME_BLOCKS = FRAME_SAMPLES // BLOCK_SAMPLES
_HALVES = np.arange(_FRAME_BLOCKS)
_LATE_STREAK = 3
_EARLIEST_BIN = 24  # the bin of slack 0: 240 ms late to 390 ms early
_KEPT = 0.85  # of the counts, at each adjustment
_TOLERATED = 0.005  # of the packets may come late
_SPARE = 2  # blocks that all of them came too early
_ENOUGH = 50.0  # packets to judge by before the buffer gets shallower
_DEEPEST = 20  # blocks of usual slack; a packet later than that is lost
_QUIET = 150  # mean magnitude: about -47 dBFS
_PATIENCE_TICKS = 100
_OVERLAP = np.linspace(0, 1, BLOCK_SAMPLES, endpoint=False, dtype=np.float32)

RowIndex = NDArray[np.int64]


def anchor(rows: Rows, row: int, timestamp: int) -> None:
    """Starts the buffer of a row anew at a packet with this timestamp."""
    rows.have[row] = False
    rows.in_start[row] = timestamp
    rows.playout[row] = -_FIRST_DEPTH
    rows.slack[row] = 0
    rows.shift[row] = 0
    rows.late_streak[row] = 0


def block_of(rows: Rows, row: RowIndex, timestamp: NDArray[np.int64]) -> NDArray[np.int64]:
    """The block each timestamp falls in, across wraps of the 32 bits; odd offsets go to the nearest block."""
    offset = ((timestamp - rows.in_start.take(row) + 0x80000000) & 0xFFFFFFFF) - 0x80000000
    blocks: NDArray[np.int64] = (offset + BLOCK_SAMPLES // 2) // BLOCK_SAMPLES
    return blocks


def block_at(rows: Rows, row: int, timestamp: int) -> int:
    """As `block_of`, for one: a tenth of the time."""
    offset = ((timestamp - int(rows.in_start[row]) + 0x80000000) & 0xFFFFFFFF) - 0x80000000
    return (offset + BLOCK_SAMPLES // 2) // BLOCK_SAMPLES


def put_frames(rows: Rows, row: RowIndex, block: NDArray[np.int64], codes: NDArray[np.uint8]) -> None:
    """Puts one 20 ms frame for each of `row`, which are distinct; the blocks are within the ring, none is late."""
    place = row * RING_BLOCKS
    first, second = place + (block & _MASK), place + (block + 1 & _MASK)
    ring, have = rows.ring.reshape(-1, BLOCK_SAMPLES), rows.have.reshape(-1)
    ring[first], ring[second] = codes[:, :BLOCK_SAMPLES], codes[:, BLOCK_SAMPLES:]
    have[first] = have[second] = rows.listening.take(row)
    bins = np.minimum(block - rows.playout.take(row) + _EARLIEST_BIN, SLACK_BINS - 1)
    rows.slack.reshape(-1)[row * SLACK_BINS + bins] += 1
    rows.late_streak[row] = 0


def note(rows: Rows, row: int, timestamp: int) -> None:
    """Counts how early a packet came that is not put yet, or will not be."""
    block = block_at(rows, row, timestamp)
    rows.slack[row, _slack_bin(block - int(rows.playout[row]))] += 1


def _slack_bin(blocks: int) -> int:
    return min(max(blocks + _EARLIEST_BIN, 0), SLACK_BINS - 1)


def put_payload(
    rows: Rows, row: int, timestamp: int, marker: bool, codes: NDArray[np.uint8], *, noted: bool = False
) -> None:
    """Puts a payload of any length; re-anchors after a jump, at a talk spurt out of time, or a streak of late ones.
    `noted`: it was counted when it came."""
    block = block_at(rows, row, timestamp)
    count = len(codes) // BLOCK_SAMPLES
    playout = int(rows.playout[row])
    late = block + count <= playout
    rows.late[row] += late
    rows.late_streak[row] = rows.late_streak[row] + 1 if late else 0
    far = not -RING_BLOCKS < block - playout < RING_BLOCKS - count
    if far or (late and (marker or rows.late_streak[row] >= _LATE_STREAK)):
        anchor(rows, row, timestamp)
        block, playout = 0, int(rows.playout[row])
    if not noted:
        rows.slack[row, _slack_bin(block - playout)] += 1
    for index in range(count):
        if block + index >= playout:
            slot = (block + index) & _MASK
            rows.ring[row, slot] = codes[index * BLOCK_SAMPLES : (index + 1) * BLOCK_SAMPLES]
            rows.have[row, slot] = rows.listening[row]


def play_out(rows: Rows) -> None:
    """Moves every row on by one frame: decoded into `rows.heard`, what is missing concealed."""
    high = rows.high
    if high == 0:
        return
    dropped, blocks = _shift(rows)
    playout = rows.playout[:high]
    place = (playout[:, None] + _HALVES) & _MASK
    place += np.arange(0, high * RING_BLOCKS, RING_BLOCKS)[:, None]
    have = rows.have.reshape(-1)
    there = have.take(place)
    have[place] = False
    codes = rows.ring.reshape(-1, BLOCK_SAMPLES).take(place, axis=0)
    pairs = codes.reshape(high, FRAME_SAMPLES).view(np.uint16)
    playout += _FRAME_BLOCKS * rows.started[:high]
    index = pairs.astype(np.intp)
    if rows.in_law[:high].any():
        index += (rows.in_law[:high] * 65536)[:, None]
    rows.next_frame()
    np.take(DECODE_PAIRS, index, out=rows.heard.view(np.uint32)[:high], mode="clip")
    if dropped.size:
        following = rows.heard[dropped, :BLOCK_SAMPLES]
        rows.heard[dropped, :BLOCK_SAMPLES] = blocks * (1 - _OVERLAP) + following * _OVERLAP
    conceal(rows, there)


def _shift(rows: Rows) -> tuple[RowIndex, NDArray[np.int16]]:
    """Carries out 10 ms of each shift that waits, where it may; the rows that drop a block, and the blocks."""
    waiting = np.flatnonzero(rows.shift[: rows.high])
    back = waiting[rows.shift[waiting] > 0]
    if back.size:
        _move(rows, back, -1)
    on = waiting[rows.shift[waiting] < 0]
    slot = rows.playout[on] & _MASK
    samples = DECODE_BOTH[rows.ring[on, slot].astype(np.intp) + 256 * rows.in_law[on][:, None]]
    if not on.size:
        return on, samples
    rows.shift_wait[on] += 1
    there = rows.have[on, slot]
    quiet = ~there | (np.abs(samples.astype(np.int32)).mean(axis=1) < _QUIET)
    now = quiet | (rows.shift_wait[on] * -rows.shift[on] > _PATIENCE_TICKS)
    rows.have[on[now], slot[now]] = False
    rows.shift_wait[on[now]] = 0
    _move(rows, on[now], 1)
    return on[now & there], samples[now & there]


def _move(rows: Rows, row: RowIndex, blocks: int) -> None:
    """The playout by one block on or back; what was noted of slack moves with it."""
    rows.playout[row] += blocks
    rows.shift[row] += blocks
    slack = np.zeros((len(row), SLACK_BINS), np.float32)
    if blocks > 0:
        slack[:, :-1] = rows.slack[row, 1:]
    else:
        slack[:, 1:] = rows.slack[row, :-1]
    rows.slack[row] = slack


def adjust(rows: Rows) -> None:
    """Every `ADJUST_TICKS`: orders the shifts that the slack of the last packets asks for."""
    high = rows.high
    slack = rows.slack[:high]
    slack *= _KEPT
    counts = np.cumsum(slack, axis=1)
    total = counts[:, -1]
    least = (counts <= (_TOLERATED * total)[:, None]).sum(axis=1) - _EARLIEST_BIN
    usual = (counts < (0.5 * total)[:, None]).sum(axis=1) - _EARLIEST_BIN
    live = rows.started[:high] & (total > 0)
    short = live & (least < 0)
    room = np.maximum(_DEEPEST - usual, 0)
    shift = rows.shift[:high]
    shift[short] = np.minimum(-least, room)[short]
    ample = live & (least >= _SPARE) & (total >= _ENOUGH)
    shift[ample] = (_SPARE - 1 - least)[ample]
    shift[live & (least >= 0) & (least < _SPARE)] = 0


def depth_ms(rows: Rows, row: int) -> float:
    """How long the audio of a row usually waits in the buffer."""
    slack = rows.slack[row]
    total = float(slack.sum())
    if not total:
        return _FIRST_DEPTH * 10.0
    return max(0.0, float(slack @ (np.arange(SLACK_BINS) - _EARLIEST_BIN)) / total) * 10
