"""Music for those who wait, where nobody has given other: a slow arpeggio of our own, made of tones."""

from sautikitd.flow.port import Prompt, Silence, Tone

_CHORDS = (
    (261.6, 329.6, 392.0),  # C
    (220.0, 261.6, 329.6),  # a
    (349.2, 440.0, 523.3),  # F
    (392.0, 493.9, 587.3),  # G
)
_NOTE_MS = 420
_CHORD_MS = 900
_REST_MS = 180


def _bar(chord: tuple[float, ...]) -> tuple[Prompt, ...]:
    notes: tuple[Prompt, ...] = tuple(Tone(frequencies=(note,), duration_ms=_NOTE_MS) for note in chord)
    return (*notes, Tone(frequencies=chord, duration_ms=_CHORD_MS), Silence(duration_ms=_REST_MS))


HOLD_MUSIC: tuple[Prompt, ...] = tuple(part for chord in _CHORDS for part in _bar(chord))
"""Nine seconds, to be repeated."""
