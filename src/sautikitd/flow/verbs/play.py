from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec

from sautikitd.flow import port
from sautikitd.flow.uploaded import sound_flaws
from sautikitd.flow.verbs.prompting import play_or_warn
from sautikitd.flow.verbs.verb import Flaw, Loop, Reference, References, Run, Verb, shortened


class ToneName(StrEnum):
    RINGBACK = "ringback"
    BUSY = "busy"
    CONGESTION = "congestion"
    DIAL = "dial"
    BEEP = "beep"


CADENCES = {
    ToneName.RINGBACK: port.Tone(frequencies=(425.0,), duration_ms=5000, on_ms=1000, off_ms=4000),
    ToneName.BUSY: port.Tone(frequencies=(425.0,), duration_ms=5000, on_ms=500, off_ms=500),
    ToneName.CONGESTION: port.Tone(frequencies=(425.0,), duration_ms=5000, on_ms=250, off_ms=250),
    ToneName.DIAL: port.Tone(frequencies=(425.0,), duration_ms=5000),
    ToneName.BEEP: port.Tone(frequencies=(1000.0,), duration_ms=500),
}
"""What each name sounds like, played once: single 425 Hz supervisory tones after ITU-T E.180 §4."""


class PlayVerb(Verb, frozen=True, kw_only=True, tag="play"):
    """Plays a sound file (`url`), sends key presses (`digits`; `w` waits half a second) or a `tone`.

    `url` is also what `POST /v1/uploads/audio` answers: that file is read from the platform's own store.
    """

    answers: ClassVar[bool] = True
    takes_time: ClassVar[bool] = True

    url: Reference | None = None
    digits: Annotated[str, msgspec.Meta(pattern=r"^[0-9*#A-DwW]+$(?!\n)", max_length=64)] | None = None
    tone: ToneName | None = None
    loop: Loop = 1

    def flaws(self) -> Iterator[Flaw]:
        given = [name for name in ("url", "digits", "tone") if getattr(self, name) is not None]
        if len(given) != 1:
            yield Flaw("", f"exactly one of url, digits and tone is wanted; found {len(given)}")
        yield from sound_flaws("url", self.url)

    def prompts(self, run: References) -> list[port.Prompt]:
        """The sound, once; none (and a warning) when a relative URL has nothing to be relative to."""
        if self.digits is not None:
            return [port.Digits(digits=self.digits)]
        if self.tone is not None:
            return [CADENCES[self.tone]]
        url = run.absolute(self.url or "")
        if url is None:
            run.warn("a relative URL, and no URL that it could be relative to", field="url")
            return []
        return [port.Audio(url=url)]

    async def execute(self, run: Run) -> None:
        prompts = self.prompts(run)
        if prompts:
            await play_or_warn(run, prompts, self.loop)

    def told(self) -> str:
        if self.digits is not None:
            return f"play {len(self.digits)} key presses"
        return f"play {self.tone or shortened(self.url or '')}"
