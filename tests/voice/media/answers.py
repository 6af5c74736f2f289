"""Generated answers for the measure of `voice.media.listening.answerer`: what people, machines and faxes say, over a line.

Everything follows from a seed: the sentence, the voice, its pace and level, the pauses, the noise, the beep. Speech is
espeak-ng's, so the timing is speech's and the sound a robot's; real greetings will differ, above all in what people
say when they answer.
"""

import random
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media import g711
from sautikitd.voice.media.listening.answerer import Answerer
from sautikitd.voice.speech.jobs import Answer, Sound, Speak

RATE = 8000
AFTER = 6 * RATE
Signal = NDArray[np.float64]

SHORT = {
    "en": [
        "Hello?",
        "Hello.",
        "Yes?",
        "Hello, Jane speaking.",
        "Wanjiru.",
        "Hello, who is this?",
        "Hi, good morning.",
    ],
    "sw": ["Hallo?", "Habari?", "Ndiyo?", "Jambo, nani anaongea?", "Hallo, habari ya asubuhi.", "Naam?"],
}
HELLO = {"en": ["Hello."], "sw": ["Habari."]}
BUSINESS = {
    "en": [
        "Good afternoon, Duka Limited, how can I help you?",
        "Thank you for calling Mama Mboga Supplies, Peter speaking.",
        "Hello, this is the reception of Hotel Jamhuri.",
    ],
    "sw": ["Habari ya mchana, Duka la Mtandao, nikusaidie vipi?", "Karibu Hospitali ya Uhuru, mapokezi."],
}
VOICEMAIL = {
    "en": [
        "You have reached the voicemail of Jane Wanjiru. Please leave a message after the tone.",
        "Hi, this is Peter. I can't take your call right now, so leave me a message and I will call you back.",
        "The person you are calling is not available. Please leave your message after the beep.",
        "Hello, you have reached Duka Limited. Our office is closed. Our hours are eight to five, Monday to Friday.",
        "Welcome to Safari voicemail. The number you have dialled cannot take your call. Record your message now.",
    ],
    "sw": [
        "Umefika kwenye kisanduku cha sauti cha Wanjiru. Tafadhali acha ujumbe baada ya mlio.",
        "Samahani, mteja wa nambari uliyopiga hapatikani kwa sasa. Tafadhali jaribu tena baadaye.",
        "Habari, huyu ni Otieno. Siwezi kupokea simu yako sasa, tafadhali acha ujumbe wako nami nitakupigia.",
    ],
}
VARIANTS = ("", "+f2", "+f3", "+f4", "+m1", "+m3", "+m5", "+m7")
NOISES = ("none", "white", "pink", "babble")
KINDS = ("short", "business", "voicemail", "paused", "beep_only", "fax_ced", "fax_cng", "silent")
WEIGHTS = (30, 12, 30, 8, 4, 6, 4, 6)

TRUTH = {
    "short": Answerer.HUMAN,
    "business": Answerer.HUMAN,
    "voicemail": Answerer.MACHINE,
    "paused": Answerer.MACHINE,
    "beep_only": Answerer.MACHINE,
    "fax_ced": Answerer.FAX,
    "fax_cng": Answerer.FAX,
    "silent": Answerer.UNKNOWN,
}


@dataclass(frozen=True)
class Line:
    """One answer. `ends_at` is the second at which a machine's greeting, its beep included, is over."""

    kind: str
    truth: Answerer
    samples: NDArray[np.int16]
    ends_at: float | None
    beep: bool
    noise: str


class Speaker:
    """The platform's own espeak-ng worker, asked one sentence at a time. A context manager."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sautikitd.voice.speech.espeak_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    @lru_cache(maxsize=2000)  # noqa: B019 - there is one speaker, for the whole of a measurement
    def speak(self, text: str, voice: str, pace: int) -> Signal:
        """Speech at 8 kHz of peak one, silence at both ends cut off."""
        assert self._process.stdin
        assert self._process.stdout
        job = msgspec.msgpack.encode(Speak(text=text, voice=voice, words_per_minute=pace, ssml=False))
        self._process.stdin.write(struct.pack("!I", len(job)) + job)
        self._process.stdin.flush()
        (size,) = struct.unpack("!I", self._process.stdout.read(4))
        answer: Sound = msgspec.msgpack.decode(self._process.stdout.read(size), type=Answer)
        raw = np.frombuffer(answer.samples, "<i2").astype(np.float64)
        wanted = len(raw) * RATE // answer.rate
        signal: Signal = np.fft.irfft(np.fft.rfft(raw)[: wanted // 2 + 1], wanted)
        loud = np.flatnonzero(np.abs(signal) > 0.02 * np.abs(signal).max())
        spoken: Signal = signal[loud[0] : loud[-1]] / np.abs(signal).max()
        return spoken


def make_line(seed: int, speaker: Speaker) -> Line:
    chance = random.Random(seed)
    kind = chance.choices(KINDS, WEIGHTS)[0]
    language = chance.choice(("en", "en", "sw"))
    voice, pace = language + chance.choice(VARIANTS), chance.randint(135, 195)

    def say(sentences: dict[str, list[str]]) -> Signal:
        return speaker.speak(chance.choice(sentences[language]), voice, pace)

    parts, beep = _parts(kind, chance, say)
    clean = np.concatenate(parts)
    ends_at = len(clean) / RATE if TRUTH[kind] is Answerer.MACHINE else None
    noise = chance.choice(NOISES)
    under = _noise(noise, len(clean) + AFTER, np.random.default_rng(seed), speaker)
    return Line(kind, TRUTH[kind], _over_the_line(clean, under, chance), ends_at, beep, noise)


def _parts(
    kind: str, chance: random.Random, say: Callable[[dict[str, list[str]]], Signal]
) -> tuple[list[Signal], bool]:
    """What is heard one after the other, and whether a beep ends it."""
    lead, gap = _silence(chance.uniform(0.1, 1.2)), _silence(chance.uniform(0.15, 1.2))
    beep = _tone(chance.choice((440.0, 480.0, 600.0, 850.0, 1000.0, 1400.0)), chance.uniform(0.18, 0.8))
    match kind:
        case "short":
            return [lead, say(SHORT)], False
        case "business":
            return [lead, say(BUSINESS)], False
        case "voicemail" if chance.random() < 0.75:
            return [lead, say(VOICEMAIL), gap, beep], True
        case "voicemail":
            return [lead, say(VOICEMAIL)], False
        case "paused":
            return [lead, say(HELLO), _silence(chance.uniform(0.4, 0.9)), say(VOICEMAIL), gap, beep], True
        case "beep_only":
            return [lead, beep], True
        case "fax_ced":
            return [_silence(chance.uniform(0.2, 2.0)), _tone(2100 + chance.uniform(-15, 15), 2.9)], False
        case "fax_cng":
            cng = _tone(1100 + chance.uniform(-30, 30), 0.5)
            return [lead, cng, _silence(3), cng], False
    return [_silence(4)], False


def _silence(seconds: float) -> Signal:
    return np.zeros(int(RATE * seconds))


def _tone(hertz: float, seconds: float) -> Signal:
    times = np.arange(int(RATE * seconds)) / RATE
    tone: Signal = 0.7 * np.sin(2 * np.pi * hertz * times)
    return tone


def _over_the_line(clean: Signal, noise: Signal, chance: random.Random) -> NDArray[np.int16]:
    """At a level, with noise under it and some seconds of line after it, as G.711 carries it."""
    level = 32767 * 10 ** (chance.uniform(-22, -4) / 20)
    signal = np.concatenate([clean, np.zeros(AFTER)]) * level
    loud = level * 0.18  # the usual rms of speech under its peak
    signal += loud / 10 ** (chance.uniform(12, 30) / 20) * noise
    pcm = np.clip(signal, -32768, 32767).astype(np.int16)
    return g711.decode(g711.encode(pcm, g711.Codec.PCMA), g711.Codec.PCMA)


def _noise(kind: str, count: int, chance: np.random.Generator, speaker: Speaker) -> Signal:
    """Of rms one; `none` is a line's faint hiss."""
    white = chance.standard_normal(count)
    match kind:
        case "white":
            return white
        case "pink":
            made = np.fft.irfft(np.fft.rfft(white) / np.sqrt(np.arange(count // 2 + 1) + 20.0), count)
        case "babble":
            made = np.zeros(count)
            for text, variant in zip(VOICEMAIL["en"], VARIANTS[1:], strict=False):
                voice = speaker.speak(text, "en" + variant, 160)
                made += np.resize(np.roll(voice, int(chance.integers(len(voice)))), count)
        case _:
            return white * 0.1
    scaled: Signal = made / made.std()
    return scaled
