"""Packet loss concealment over all rows at once, in the spirit of ITU-T G.711 appendix I.

What is missing is filled with the last pitch period, repeated: found by normalised cross-correlation, its ends
laid over each other so that the repetition has no seam, carried on from the last sample that was heard. It is
whole for 10 ms, then fades to silence until 60 ms. What comes after a gap fades in over the repetition. While a key
is down nothing is missing: telephone-events come in the place of audio, and it is silent.
"""

import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media.g711 import FRAME_SAMPLES
from sautikitd.voice.media.rows import BLOCK_SAMPLES, LONGEST_PITCH, PAST_FRAMES, EventState, Rows

_SHORTEST_PITCH = 40  # samples: 200 Hz; higher voices repeat two periods
_HISTORY = 400
_COMPARED = 160  # samples of the template
_FADED_BLOCKS = 6
_SEAM = 20  # samples over which a step from the heard to the repeated is spread
_RETURN = 32  # samples in which the heard comes back
_MOST_SEARCHED = 64  # rows a tick: when a whole network fails at once, nobody hears the finer points

Gone = NDArray[np.int64]

_OFFSETS = np.arange(BLOCK_SAMPLES)
_CYCLE_OFFSETS = np.arange(LONGEST_PITCH)
_SEAM_RAMP = np.linspace(1, 0, _SEAM, endpoint=False, dtype=np.float32)
_RETURN_RAMP = np.linspace(0, 1, _RETURN, endpoint=False, dtype=np.float32)
# Gain within the 1st, 2nd ... block of a gap: whole, then a fifth less for each.
_GAINS = np.clip(
    1.2 - 0.2 * (np.arange(_FADED_BLOCKS)[:, None] + _OFFSETS / BLOCK_SAMPLES), 0, 1, dtype=np.float32
)


def conceal(rows: Rows, there: NDArray[np.bool_]) -> None:
    """Fills the blocks of `rows.heard` that are not `there` (row, half)."""
    if not there.all():
        for half in range(there.shape[1]):
            _conceal_half(rows, there[:, half], half)
    else:
        back = np.flatnonzero(rows.missed[: rows.high])
        _return(rows, back, 0)
        rows.missed[back] = 0


def _conceal_half(rows: Rows, there: NDArray[np.bool_], half: int) -> None:
    missed = rows.missed[: rows.high]
    back = np.flatnonzero(there & (missed > 0))
    _return(rows, back, half)
    missed[back] = 0
    gone = np.flatnonzero(~there)
    if not gone.size:
        return
    part = slice(half * BLOCK_SAMPLES, (half + 1) * BLOCK_SAMPLES)
    rows.heard[gone, part] = 0
    keyed = gone[rows.event_state[gone] == EventState.DOWN]
    missed[keyed] = np.maximum(missed[keyed], _FADED_BLOCKS)
    going = gone[missed[gone] < _FADED_BLOCKS]
    if going.size:
        new = missed[going] == 0
        steps = _begin(rows, going[new], half) if new.any() else None
        made = _repeat(rows, going, BLOCK_SAMPLES) * _GAINS[missed[going]]
        if steps is not None:
            made[new, :_SEAM] += steps[:, None] * _SEAM_RAMP
        rows.cycle_at[going] += BLOCK_SAMPLES
        rows.heard[going, part] = np.clip(made, -32768, 32767)
    missed[gone] += 1


def _history(rows: Rows, which: Gone, half: int) -> NDArray[np.float32]:
    """The last samples heard before this half of the frame, oldest first."""
    whole = np.concatenate([rows.past(which), rows.heard[which, : half * BLOCK_SAMPLES]], axis=1)
    return whole[:, -_HISTORY:].astype(np.float32)


def _begin(rows: Rows, which: Gone, half: int) -> NDArray[np.float32]:
    """Finds the pitch, and makes the period to be repeated. By how much its first sample would miss the way the
    signal went on a period earlier."""
    history = _history(rows, which, half)
    pitch = np.full(len(which), LONGEST_PITCH)
    pitch[:_MOST_SEARCHED] = pitch_of(history[:_MOST_SEARCHED])
    place = _CYCLE_OFFSETS[None, :] % pitch[:, None]
    every = np.arange(len(which))[:, None]
    last = history[every, _HISTORY - pitch[:, None] + place]
    before = history[every, _HISTORY - 2 * pitch[:, None] + place]
    # In its last quarter the period turns into what came before its beginning: its end joins its beginning.
    quarter = pitch[:, None] / 4
    weight = np.clip((place - (pitch[:, None] - quarter)) / quarter, 0, 1)
    rows.cycle[which] = last * (1 - weight) + before * weight
    rows.pitch[which] = pitch
    rows.cycle_at[which] = 0
    steps: NDArray[np.float32] = history[:, -1] - history[every[:, 0], _HISTORY - pitch - 1]
    return steps


def pitch_of(history: NDArray[np.float32]) -> NDArray[np.int64]:
    """The pitch period of each row, 40 to 120 samples: by every second sample first, then to the sample."""
    coarse = history[:, ::2]
    rough = 2 * _best_lag(coarse, _COMPARED // 2, _SHORTEST_PITCH // 2, LONGEST_PITCH // 2)
    lags = np.clip(rough[:, None] + np.array([-1, 0, 1]), _SHORTEST_PITCH, LONGEST_PITCH)
    start = _HISTORY - _COMPARED - lags
    windows = history[
        np.arange(len(history))[:, None, None], start[:, :, None] + np.arange(_COMPARED)[None, None, :]
    ]
    best = _likeness(windows, history[:, -_COMPARED:]).argmax(axis=1)
    found: NDArray[np.int64] = lags[np.arange(len(history)), best]
    return found


def _best_lag(signal: NDArray[np.float32], compared: int, shortest: int, longest: int) -> NDArray[np.int64]:
    views = np.lib.stride_tricks.sliding_window_view(signal, compared, axis=1)
    last = signal.shape[1] - compared
    windows = views[:, last - longest : last - shortest + 1]  # longest lag first
    best: NDArray[np.int64] = longest - _likeness(windows, signal[:, -compared:]).argmax(axis=1)
    return best


def _likeness(windows: NDArray[np.float32], template: NDArray[np.float32]) -> NDArray[np.float32]:
    correlation = np.einsum("rwn,rn->rw", windows, template)
    energy = np.einsum("rwn,rwn->rw", windows, windows)
    likeness: NDArray[np.float32] = correlation / np.sqrt(energy + 1)
    return likeness


def _repeat(rows: Rows, which: Gone, count: int) -> NDArray[np.float32]:
    place = (rows.cycle_at[which][:, None] + np.arange(count)) % rows.pitch[which][:, None]
    made: NDArray[np.float32] = rows.cycle[which[:, None], place]
    return made


def _return(rows: Rows, which: Gone, half: int) -> None:
    """What is heard again fades in over the repetition, or over the silence it has faded to."""
    if not which.size:
        return
    part = slice(half * BLOCK_SAMPLES, half * BLOCK_SAMPLES + _RETURN)
    gain = np.where(rows.missed[which] < _FADED_BLOCKS, 1.2 - 0.2 * rows.missed[which], 0).clip(0, 1)
    repeated = _repeat(rows, which, _RETURN) * gain[:, None]
    rows.heard[which, part] = rows.heard[which, part] * _RETURN_RAMP + repeated * (1 - _RETURN_RAMP)


assert _HISTORY <= PAST_FRAMES * FRAME_SAMPLES
