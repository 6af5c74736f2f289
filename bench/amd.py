"""Measures answering-machine detection on generated answers: `PYTHONPATH=src python bench/amd.py [count] [first]`.

Prints the confusion matrix, what each kind of answer was taken for, how long decisions took, and how well the end of
a greeting was found. The thresholds were set while looking at seeds from 100,000 on; measure with others.
"""

import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from sautikitd.voice.media.g711 import FRAME_SAMPLES
from sautikitd.voice.media.listening.answerer import Answerer, AnswererEar, GreetingEnd
from voice.media.answers import KINDS, NOISES, Line, Speaker, make_line

NAMES = tuple(Answerer)


@dataclass(frozen=True)
class Heard:
    line: Line
    answerer: Answerer | None
    decided_s: float
    end: GreetingEnd | None
    over_s: float


def listen(line: Line) -> Heard:
    ear = AnswererEar(to_the_end=True)
    decided = 0.0
    for start in range(0, len(line.samples) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        ear.hear(line.samples[start : start + FRAME_SAMPLES])
        if ear.answerer is not None and not decided:
            decided = ear.elapsed_ms / 1000
        if ear.over:
            break
    return Heard(line, ear.answerer, decided, ear.greeting_end, ear.elapsed_ms / 1000)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with Speaker() as speaker:
        lines = [make_line(seed, speaker) for seed in range(first, first + count)]
    started = time.process_time()
    heard = [listen(line) for line in lines]
    spent = time.process_time() - started
    frames = sum(round(one.over_s * 50) for one in heard)
    print(
        f"{count} answers, seeds {first} to {first + count - 1}; {spent / frames * 1e6:.0f} us of a core a frame\n"
    )
    _matrix(heard)
    _kinds(heard)
    _times(heard)
    _ends(heard)


def _matrix(heard: list[Heard]) -> None:
    print("truth \\ heard  " + "".join(f"{name:>9}" for name in NAMES))
    for truth in NAMES:
        row = Counter(one.answerer for one in heard if one.line.truth is truth)
        print(f"{truth:14} " + "".join(f"{row[name]:9}" for name in NAMES))
    right = sum(one.answerer is one.line.truth for one in heard)
    print(f"right: {right} of {len(heard)} = {100 * right / len(heard):.1f} %\n")


def _kinds(heard: list[Heard]) -> None:
    for kind in KINDS:
        of_kind = [one for one in heard if one.line.kind == kind]
        row = Counter(str(one.answerer) for one in of_kind)
        print(f"{kind:10} {len(of_kind):4}  " + ", ".join(f"{name} {n}" for name, n in row.most_common()))
    for noise in NOISES:
        of_noise = [one for one in heard if one.line.noise == noise]
        right = sum(one.answerer is one.line.truth for one in of_noise)
        print(f"noise {noise:7} {100 * right / max(1, len(of_noise)):5.1f} % of {len(of_noise)} right")
    print()


def _times(heard: list[Heard]) -> None:
    for truth in NAMES:
        times = [one.decided_s for one in heard if one.line.truth is truth and one.answerer is truth]
        if times:
            print(
                f"decided on {truth:8} after p50 {np.percentile(times, 50):.2f} s, p95 {np.percentile(times, 95):.2f} s"
            )
    print()


def _ends(heard: list[Heard]) -> None:
    machines = [
        one for one in heard if one.line.truth is Answerer.MACHINE and one.answerer is Answerer.MACHINE
    ]
    for beep in (True, False):
        late = [
            one.over_s - one.line.ends_at for one in machines if one.line.beep is beep and one.line.ends_at
        ]
        if not late:
            continue
        early = sum(one < -0.05 for one in late)
        print(
            f"greetings {'with a beep' if beep else 'without':12} {len(late):4}: started before its end {early}, "
            f"after it p50 {np.percentile(late, 50):.2f} s, p95 {np.percentile(late, 95):.2f} s"
        )


if __name__ == "__main__":
    main()
