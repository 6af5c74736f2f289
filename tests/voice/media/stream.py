"""A stream through the jitter buffer without sockets: packets that arrive when the test says, heard tick by tick."""

import asyncio
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sautikitd.voice.media.rows import Rows
from sautikitd.voice.media.rtp import jitter
from sautikitd.voice.speech.engine import Utterance
from sautikitd.voice.speech.espeak import Espeak
from sautikitd.voice.speech.sounds import Sounds
from voice.media.rtp_peer import LINEAR, Samples, companded

TICK_MS = 20.0


@dataclass
class Heard:
    samples: Samples
    late: int
    depth_ms: list[float] = field(default_factory=list)  # at each tick


def through_the_buffer(spoken: Samples, arrivals_ms: NDArray[np.float64], *, adapts: bool = True) -> Heard:
    """What is heard of speech whose packets arrive at these times; NaN for one that is lost."""
    rows = Rows(4)
    row = rows.take()
    rows.started[row] = rows.listening[row] = True
    codes = np.frombuffer(companded(spoken, "PCMU"), np.uint8)
    order = np.argsort(arrivals_ms)
    order = order[: int(np.isfinite(arrivals_ms).sum())]
    jitter.anchor(rows, row, int(order[0]) * 160)
    heard, depth, position = [], [], 0
    for tick in range(int(np.nanmax(arrivals_ms) / TICK_MS) + 20):
        while position < len(order) and arrivals_ms[order[position]] <= tick * TICK_MS:
            packet = int(order[position])
            position += 1
            jitter.put_payload(rows, row, packet * 160, False, codes[packet * 160 : packet * 160 + 160])
        if position:
            jitter.play_out(rows)
            heard.append(rows.heard[row].astype(np.float64))
            depth.append(jitter.depth_ms(rows, row))
        if adapts and tick % jitter.ADJUST_TICKS == 0:
            jitter.adjust(rows)
    return Heard(np.concatenate(heard), int(rows.late[row]), depth)


def as_sent(spoken: Samples) -> Samples:
    """The speech after G.711 alone: the best that can be heard."""
    sent: Samples = LINEAR["PCMU"][np.frombuffer(companded(spoken, "PCMU"), np.uint8)]
    return sent


def speech(text: str) -> Samples:
    """Spoken by espeak-ng, at the level of a telephone."""

    async def speak() -> bytes:
        sounds = Sounds()
        engine = Espeak(sounds)
        try:
            return await engine.speak(
                Utterance(text=text, markup=None, voice="woman", language="en-US", rate=1.0)
            )
        finally:
            await engine.close()
            await sounds.close()

    samples = np.frombuffer(asyncio.run(speak()), "<i2").astype(np.float64)
    scaled: Samples = samples * (8000 / np.abs(samples).max())
    return scaled
