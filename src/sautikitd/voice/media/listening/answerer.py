"""Who answered a call: a human being, a machine or a fax, by the timing of what he says and by tones.

People say a word or two and wait for an answer; an announcement goes on. So a short greeting with silence after it is
a human being, and speech that goes on for longer than people greet is a machine, as is a beep. A fax is told by its
answer tone (CED, 2,100 Hz, ITU-T T.30 §4.3.3) or, one that calls back by mistake, its calling tone (CNG, 1,100 Hz).
Measured by `bench/amd.py`.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from sautikitd.voice.media.g711 import Pcm
from sautikitd.voice.media.listening.tone_watch import ToneRun, ToneWatch

_FRAME_MS = 20
_CLICK_MS = 400  # after which a sound too short for a word was a click


class Answerer(StrEnum):
    HUMAN = "human"
    MACHINE = "machine"
    FAX = "fax"
    UNKNOWN = "unknown"


class GreetingEnd(StrEnum):
    """How the end of a machine's greeting was found."""

    BEEP = "beep"
    SILENCE = "silence"
    LIMIT = "limit"


@dataclass(frozen=True, kw_only=True)
class Patience:
    """In milliseconds. `silences` are how long it must be quiet after a greeting that lasted at most so long
    before it counts as a human being's."""

    decision: int = 7000  # after which it is unknown
    first_word: int = 4000  # a line that is silent for so long is unknown
    machine_speech: int = 3800  # a greeting that lasts longer is a machine's
    silences: tuple[tuple[int, int], ...] = ((900, 800), (1700, 900), (3800, 1200))
    least_speech: int = 100  # shorter sounds are clicks
    beep: int = 140
    fax: int = 400
    greeting: int = 30_000  # the longest greeting that is waited for
    after_greeting: int = 2200  # silence that ends a greeting without a beep


_FAX_ANSWER, _FAX_CALL, _FAX_TOLERANCE = 2100.0, 1100.0, 40.0
_BEEPS = (350.0, 2050.0)
_NETWORK = (412.0, 438.0)  # ringing and busy tones (ITU-T E.180) are nobody's answer


class VoiceWatch:
    """Whether a frame holds voice: louder than the line's own noise, which is what it was at its quietest lately."""

    _RECENT = 50  # frames that the quietest is sought in
    _OVER_NOISE_DB = 11.0
    _UNDER_LOUDEST_DB = 16.0
    _LEAST_DB = 38.0  # mean square in dB: about -52 dBFS

    def __init__(self) -> None:
        self._levels: deque[float] = deque(maxlen=self._RECENT)
        self._last: deque[float] = deque(maxlen=3)
        self._loudest = 0.0

    def hear(self, frame: Pcm) -> bool:
        level = 10 * float(np.log10(np.mean(frame.astype(np.float32) ** 2) + 1.0))
        self._last.append(level)
        self._levels.append(sum(self._last) / len(self._last))
        floor = min(self._levels)
        needed = max(self._LEAST_DB, floor + self._OVER_NOISE_DB, self._loudest - self._UNDER_LOUDEST_DB)
        if level > needed:
            self._loudest = max(self._loudest, level)
        return level > needed


class AnswererEar:
    """Give it every frame of 20 ms from the answer on. `answerer` is set once; with `to_the_end` it then goes on
    until `greeting_end` is set, for anybody but a machine at once."""

    def __init__(self, *, to_the_end: bool = False, patience: Patience | None = None) -> None:
        self.answerer: Answerer | None = None
        self.greeting_end: GreetingEnd | None = None
        self._patience = patience or Patience()
        self._to_the_end = to_the_end
        self._voice = VoiceWatch()
        self._tones = ToneWatch()
        self._elapsed = 0
        self._begun: int | None = None  # ms at which the first word began
        self._spoken = 0  # ms of voice
        self._last_voice = 0

    @property
    def over(self) -> bool:
        return self.answerer is not None and (not self._to_the_end or self.greeting_end is not None)

    @property
    def elapsed_ms(self) -> int:
        return self._elapsed

    def hear(self, frame: Pcm) -> None:
        self._elapsed += _FRAME_MS
        tone, ended = self._tones.hear(frame)
        voiced = self._voice.hear(frame)
        in_tone = tone is not None and tone.frames >= 4
        if voiced and not in_tone:
            self._spoke()
        if self.answerer is None:
            self.answerer = self._by_tone(tone) or self._by_speech() or self._by_time()
        if self.answerer is not None and self.greeting_end is None:
            self._listen_for_end(ended, in_tone=in_tone)

    def _spoke(self) -> None:
        if self._begun is None or self._click_passed():
            self._begun, self._spoken = self._elapsed - _FRAME_MS, 0
        self._spoken += _FRAME_MS
        self._last_voice = self._elapsed

    def _click_passed(self) -> bool:
        """What seemed to be a word was too short for one, and nothing followed it."""
        return self._spoken < self._patience.least_speech and self._quiet > _CLICK_MS

    @property
    def _quiet(self) -> int:
        return self._elapsed - self._last_voice

    def _by_tone(self, tone: ToneRun | None) -> Answerer | None:
        if tone is None:
            return None
        lasted = tone.frames * _FRAME_MS
        silent_before = self._spoken < 300
        if abs(tone.hertz - _FAX_ANSWER) < _FAX_TOLERANCE and lasted >= self._patience.fax:
            return Answerer.FAX
        if abs(tone.hertz - _FAX_CALL) < _FAX_TOLERANCE and silent_before:
            return Answerer.FAX if lasted >= self._patience.fax else None
        if self._is_beep(tone) and not (silent_before and _NETWORK[0] < tone.hertz < _NETWORK[1]):
            return Answerer.MACHINE
        return None

    def _by_speech(self) -> Answerer | None:
        if self._begun is None or self._spoken < self._patience.least_speech:
            return None
        lasted = self._last_voice - self._begun
        if lasted > self._patience.machine_speech:
            return Answerer.MACHINE
        needed = next(silence for longest, silence in self._patience.silences if lasted <= longest)
        return Answerer.HUMAN if self._quiet >= needed else None

    def _by_time(self) -> Answerer | None:
        no_word = self._spoken < self._patience.least_speech and self._quiet > _CLICK_MS
        if no_word and self._elapsed >= self._patience.first_word:
            return Answerer.UNKNOWN
        return Answerer.UNKNOWN if self._elapsed >= self._patience.decision else None

    def _is_beep(self, tone: ToneRun) -> bool:
        return tone.frames * _FRAME_MS >= self._patience.beep and _BEEPS[0] < tone.hertz < _BEEPS[1]

    def _listen_for_end(self, ended: ToneRun | None, *, in_tone: bool) -> None:
        if self.answerer is not Answerer.MACHINE:
            self.greeting_end = GreetingEnd.SILENCE
        elif ended is not None and self._is_beep(ended):
            self.greeting_end = GreetingEnd.BEEP
        elif not in_tone and self._begun is not None and self._quiet >= self._patience.after_greeting:
            self.greeting_end = GreetingEnd.SILENCE
        elif self._elapsed >= self._patience.greeting:
            self.greeting_end = GreetingEnd.LIMIT
