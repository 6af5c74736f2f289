"""What somebody hears who waits: music, a sound file, or the `say` and `play` that a URL answers with."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sautikitd.flow.callbacks.question import Question
from sautikitd.flow.hold_music import HOLD_MUSIC
from sautikitd.flow.port import Audio, Prompt, Silence
from sautikitd.flow.rooms_port import Sound
from sautikitd.flow.uploaded import upload_id_of
from sautikitd.flow.verbs.pause import PauseVerb
from sautikitd.flow.verbs.play import PlayVerb
from sautikitd.flow.verbs.say import SayVerb
from sautikitd.flow.verbs.verb import Run, shortened

if TYPE_CHECKING:  # it knows every verb
    from sautikitd.flow.document import Flow

_SOUND_FILES = (".wav", ".mp3", ".ogg")
_FOR_EVER = 1000  # rounds of a sound of seconds

MUSIC = Sound(prompts=HOLD_MUSIC, loop=_FOR_EVER)
SILENCE = Sound(prompts=())


class WaitSounds:
    """The `Sounds` of one verb. A URL that names a sound file is played; any other is asked, round by round, and
    answers with sound or with a flow of `say`, `play` and `pause`. An empty URL is silence; without one, music."""

    def __init__(self, run: Run, url: str | None) -> None:
        self._run = run
        self._url = run.absolute(url) if url else url
        self._warned: set[str] = set()
        if url and self._url is None:
            self._warn("a relative URL, and no URL that it could be relative to")

    async def next(self, facts: Mapping[str, str], url: str | None = None) -> Sound:
        chosen = url if url is not None else self._url
        if chosen is None:
            return MUSIC
        if not chosen:
            return SILENCE
        if upload_id_of(chosen) or urlsplit(chosen).path.lower().endswith(_SOUND_FILES):
            return Sound(prompts=(Audio(url=chosen),), loop=_FOR_EVER)
        return await self._asked(chosen, facts)

    async def _asked(self, url: str, facts: Mapping[str, str]) -> Sound:
        reply = await self._run.consult(Question(url=url, results=facts, aside=True))
        if reply is None:
            self._warn(f"{shortened(url)} said nothing that can be played; there is music instead")
            return MUSIC
        if reply.sound:
            return Sound(prompts=(Audio(url=url),), loop=_FOR_EVER)
        return Sound(prompts=tuple(self._prompts(reply.flow)))

    def _prompts(self, flow: "Flow") -> Iterator[Prompt]:
        for verb in flow.actions:
            match verb:
                case SayVerb():
                    yield from verb.prompts() * max(1, verb.loop)
                case PlayVerb():
                    yield from verb.prompts(self._run) * max(1, verb.loop)
                case PauseVerb():
                    yield Silence(duration_ms=verb.length * 1000)
                case _:
                    self._warn(f"{verb.verb_name()} has no meaning for one who waits; passed over")

    def _warn(self, reason: str) -> None:
        """Each reason once: the URL is asked over and over."""
        if reason not in self._warned:
            self._warned.add(reason)
            self._run.warn(reason, field="waitUrl")
