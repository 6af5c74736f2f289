"""What somebody hears who waits: music, a sound file, or the flow of sounds that a URL answers with."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from sautikitd.flow.callbacks.question import Method, Question, SessionState
from sautikitd.flow.hold_music import HOLD_MUSIC
from sautikitd.flow.port import Audio
from sautikitd.flow.rooms_port import Sound
from sautikitd.flow.uploaded import upload_id_of
from sautikitd.flow.verbs.verb import Run, shortened
from sautikitd.flow.verbs.waiting_flow import WaitingFlow

_SOUND_FILES = (".wav", ".mp3", ".ogg")
_FOR_EVER = 1000  # rounds of a sound of seconds

MUSIC = Sound(prompts=HOLD_MUSIC, loop=_FOR_EVER)
SILENCE = Sound(prompts=())


class WaitSounds:
    """The `Sounds` of one verb. A URL that names a sound file is played; any other is asked, round by round, and
    answers with sound or with a flow (`WaitingFlow`). An empty URL is silence; without one, music."""

    def __init__(
        self, run: Run, url: str | None, method: Method = Method.POST, *, in_queue: bool = False
    ) -> None:
        self._run = run
        self._url = run.absolute(url) if url else url
        self._method = method
        self._in_queue = in_queue
        self._heard: str | None = None
        self._flow: WaitingFlow | None = None
        self._warned: set[str] = set()
        if url and self._url is None:
            self._warn("a relative URL, and no URL that it could be relative to")

    async def next(self, facts: Mapping[str, str], url: str | None = None, digits: str = "") -> Sound:
        chosen = url if url is not None else self._url
        if chosen != self._heard:
            self._heard, self._flow = chosen, None
        if chosen is None:
            return MUSIC
        if not chosen:
            return SILENCE
        flow = self._flow
        if flow is not None and digits:
            return await self._asked(self._pressed(flow, digits), facts)
        if flow is not None and flow.goes_on:
            return flow.sound()
        if flow is not None and flow.leads_to is not None:
            return await self._asked(flow.leads_to, facts)
        method = self._method if url is None else Method.POST
        return await self._asked(Question(url=chosen, method=method), facts)

    def _pressed(self, flow: WaitingFlow, digits: str) -> Question:
        question = flow.asked_for or Question(url=flow.base_url)
        if question.sensitive:
            self._run.hide(digits)
        return msgspec.structs.replace(question, state=SessionState.DIGITS_COLLECTED, digits=digits)

    async def _asked(self, question: Question, facts: Mapping[str, str]) -> Sound:
        url, self._flow = question.url, None
        if upload_id_of(url) or urlsplit(url).path.lower().endswith(_SOUND_FILES):
            return Sound(prompts=(Audio(url=url),), loop=_FOR_EVER)
        reply = await self._run.consult(msgspec.structs.replace(question, results=facts, aside=True))
        if reply is None:
            self._warn(f"{shortened(url)} said nothing that can be played; there is music instead")
            return MUSIC
        if reply.sound:
            return Sound(prompts=(Audio(url=url),), loop=_FOR_EVER)
        self._flow = WaitingFlow(reply.flow, reply.url, self._warn, in_queue=self._in_queue)
        return self._flow.sound()

    def _warn(self, reason: str) -> None:
        """Each reason once: the URL is asked over and over."""
        if reason not in self._warned:
            self._warned.add(reason)
            self._run.warn(reason, field="waitUrl")
