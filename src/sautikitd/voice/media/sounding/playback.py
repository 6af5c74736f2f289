"""What a leg is being played: segments in order, as samples on demand, and the digits it is being sent."""

import asyncio
import weakref
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from sautikitd.voice.media.g711 import FRAME_SAMPLES, SAMPLE_RATE, Pcm
from sautikitd.voice.media.protocol import Dtmf, PcmFile, Segment, Silence, Tone
from sautikitd.voice.media.rtp.telephone_event import DIGITS, EventPacket, EventWriter
from sautikitd.voice.media.sounding.tones import KEY_TONES, synthesise

_PAUSES = {"w": 25, "W": 50}  # frames
_TONE_FRAMES = 5  # a key is down for 100 ms ...
_GAP_FRAMES = 5  # ... and up for 100 ms
_END_REPEATS = 2  # frames of the gap that carry repeats of the end
_KEPT_SAMPLES = 32 * 1024 * 1024 // 2


class BadDigits(ValueError):
    """Digits to send may be 0-9 * # A-D, w and W."""


class UnreadableFile(Exception):
    """A file to be played is not there or not readable."""


class DigitQueue:
    """Digits waiting to be sent on a leg, one step per frame."""

    def __init__(self) -> None:
        self._waiting: deque[str] = deque()
        self._idle_frames = 0
        self._writer: EventWriter | None = None
        self._tone: tuple[str, int] | None = None

    def add(self, digits: str) -> None:
        """Raises `BadDigits`."""
        bad = set(digits) - set(DIGITS) - set(_PAUSES)
        if bad:
            raise BadDigits(f"{''.join(sorted(bad))!r} cannot be sent as digits")
        self._waiting.extend(digits)

    def clear(self) -> None:
        """Drops what waits; a key that is down is let go in good order."""
        self._waiting.clear()

    @property
    def busy(self) -> bool:
        return bool(self._waiting or self._idle_frames or self._writer or self._tone)

    def step(self, timestamp: int, *, in_band: bool) -> EventPacket | Pcm | None:
        """What to send in this frame instead of audio: an event packet, a frame of tone, or silence (None)."""
        if self._writer is not None:
            packet = self._writer.next()
            if packet is not None:
                return packet
            self._writer, self._idle_frames = None, _GAP_FRAMES - _END_REPEATS
        if self._tone is not None:
            return self._continue_tone(*self._tone)
        if self._idle_frames:
            self._idle_frames -= 1
            return None
        if not self._waiting:
            return None
        symbol = self._waiting.popleft()
        if symbol in _PAUSES:
            self._idle_frames = _PAUSES[symbol] - 1
            return None
        if in_band:
            return self._continue_tone(symbol, 0)
        self._writer = EventWriter(symbol, timestamp, frames=_TONE_FRAMES)
        return self._writer.next()

    def _continue_tone(self, key: str, frame: int) -> Pcm:
        last = frame + 1 == _TONE_FRAMES
        self._tone = None if last else (key, frame + 1)
        self._idle_frames = _GAP_FRAMES if last else 0
        return synthesise(KEY_TONES[key], frame * FRAME_SAMPLES, FRAME_SAMPLES)


class Part(Protocol):
    """One segment being played."""

    def read(self, out: Pcm) -> int:
        """Fills `out` from its start with what comes next; the count of samples, 0 at the end."""
        ...


class SamplesPart:
    def __init__(self, samples: Pcm) -> None:
        self._samples = samples
        self._at = 0

    def read(self, out: Pcm) -> int:
        chunk = self._samples[self._at : self._at + len(out)]
        out[: len(chunk)] = chunk
        self._at += len(chunk)
        return len(chunk)

    def whole_frames(self, out: Pcm) -> int:
        """Fills as many of the frames of `out` (n, 160) as there are whole ones left; how many."""
        count = min(len(out), (len(self._samples) - self._at) // FRAME_SAMPLES)
        until = self._at + count * FRAME_SAMPLES
        out[:count] = self._samples[self._at : until].reshape(count, FRAME_SAMPLES)
        self._at = until
        return count


class TonePart:
    def __init__(self, tone: Tone) -> None:
        self._frequencies = tone.frequencies
        self._left = tone.duration_ms * SAMPLE_RATE // 1000
        self._on = tone.on_ms * SAMPLE_RATE // 1000
        self._cycle = (tone.on_ms + tone.off_ms) * SAMPLE_RATE // 1000
        self._at = 0

    def read(self, out: Pcm) -> int:
        count = min(len(out), self._left)
        out[:count] = synthesise(self._frequencies, self._at, count)
        if self._on:
            quiet = np.arange(self._at, self._at + count) % self._cycle >= self._on
            out[:count][quiet] = 0
        self._at += count
        self._left -= count
        return count


class DigitsPart:
    """Hands its digits to the leg's queue; the leg holds the play until they are sent."""

    def __init__(self, digits: str, queue: DigitQueue) -> None:
        self._digits = digits
        self._queue = queue
        self._left = FRAME_SAMPLES

    def read(self, out: Pcm) -> int:
        if self._digits:
            self._queue.add(self._digits)
            self._digits = ""
        count = min(len(out), self._left)
        out[:count] = 0
        self._left -= count
        return count


class SampleStore:
    """Samples of files, read in a thread and shared by all legs that play them; up to 32 MB kept for the next."""

    def __init__(self) -> None:
        self._alive: weakref.WeakValueDictionary[str, Pcm] = weakref.WeakValueDictionary()
        self._kept: OrderedDict[str, Pcm] = OrderedDict()

    async def load(self, path: str) -> Pcm:
        """Raises `UnreadableFile`."""
        samples = self._alive.get(path)
        if samples is None:
            try:
                samples = await asyncio.to_thread(np.fromfile, path, np.dtype("<i2"))
            except OSError as error:
                raise UnreadableFile(f"{path}: {error.strerror}") from error
            self._alive[path] = samples
        self._kept[path] = samples
        self._kept.move_to_end(path)
        while len(self._kept) > 1 and sum(len(kept) for kept in self._kept.values()) > _KEPT_SAMPLES:
            self._kept.popitem(last=False)
        return samples


class Playback:
    def __init__(
        self, play_id: str, segments: Sequence[Segment], files: dict[str, Pcm], loop: int, queue: DigitQueue
    ) -> None:
        self.play_id = play_id
        self._segments = list(segments)
        self._files = files
        self._queue = queue
        self._rounds = loop
        self._parts = self._begin_round()
        self._round_length = 0

    def _begin_round(self) -> deque[Part]:
        self._rounds -= 1
        self._round_length = 0
        return deque(self._part(segment) for segment in self._segments)

    def _part(self, segment: Segment) -> Part:
        match segment:
            case PcmFile():
                return SamplesPart(self._files[segment.path])
            case Tone():
                return TonePart(segment)
            case Silence():
                return TonePart(Tone(frequencies=(), duration_ms=segment.duration_ms))
            case Dtmf():
                return DigitsPart(segment.digits, self._queue)

    def stage(self, out: Pcm) -> int:
        """Fills `out` (n, 160) from the file that is being played, with whole frames; how many, 0 where `fill` has
        something else to say."""
        if not self._parts or not isinstance(self._parts[0], SamplesPart):
            return 0
        count = self._parts[0].whole_frames(out)
        self._round_length += count * FRAME_SAMPLES
        return count

    def fill(self, out: Pcm) -> bool:
        """Writes the next frame into `out` (160 samples); False when the play had nothing more to say."""
        filled = 0
        while filled < len(out):
            if not self._parts:
                if self._rounds <= 0 or self._round_length == 0:
                    break
                self._parts = self._begin_round()
            count = self._parts[0].read(out[filled:])
            filled += count
            self._round_length += count
            if count == 0:
                self._parts.popleft()
            elif isinstance(self._parts[0], DigitsPart):
                break  # what follows the digits waits for them
        out[filled:] = 0
        return filled > 0


async def load_playback(
    store: SampleStore, play_id: str, segments: Sequence[Segment], loop: int, queue: DigitQueue
) -> Playback:
    """Reads the files and checks the digits first, so that a running play cannot fail. Raises `UnreadableFile`, `BadDigits`."""
    if loop < 1:
        raise ValueError("a play is repeated at least once")
    files: dict[str, Pcm] = {}
    for segment in segments:
        if isinstance(segment, PcmFile) and segment.path not in files:
            files[segment.path] = await store.load(segment.path)
        elif isinstance(segment, Dtmf):
            DigitQueue().add(segment.digits)
    return Playback(play_id, segments, files, loop, queue)
