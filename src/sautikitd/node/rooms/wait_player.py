"""What one leg hears while it waits: its sound over and over, asked again for each round."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from sautikitd.clock import Clock
from sautikitd.flow.hold_music import HOLD_MUSIC
from sautikitd.flow.port import LegGone, PromptUnavailable
from sautikitd.flow.rooms_port import Sound, Sounds
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.media.client import MediaLost, MediaRefused

log = structlog.get_logger(__name__)

_ROUND_S = 1.0  # the least a round takes, whatever its sound: URLs are asked no more often

Facts = Callable[[], Awaitable[Mapping[str, str]]]


class WaitPlayer:
    """`facts` are asked for each round, for the URL that says what is heard."""

    def __init__(self, leg: MediaLeg, sounds: Sounds, clock: Clock, facts: Facts) -> None:
        self._leg = leg
        self._sounds = sounds
        self._clock = clock
        self._facts = facts
        self._playing: asyncio.Task[None] | None = None
        self._url: str | None = None

    async def play(self, url: str | None = None) -> None:
        """Starts, unless this plays already; `url` instead of the verb's own."""
        if self._playing is not None and self._url == url:
            return
        await self.stop()
        self._url = url
        self._playing = asyncio.ensure_future(self._run(url))

    async def stop(self) -> None:
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)
            self._playing = None

    async def _run(self, url: str | None) -> None:
        try:
            while True:
                started = self._clock.monotonic()
                await self._round(await self._sounds.next(await self._facts(), url))
                left = _ROUND_S - (self._clock.monotonic() - started)
                if left > 0:
                    await self._clock.sleep(left)
        except (LegGone, MediaLost, MediaRefused) as error:
            log.debug("node.waiting_ended", call_id=str(self._leg.call_id), cause=str(error))

    async def _round(self, sound: Sound) -> None:
        if not sound.prompts:  # silence is what was asked for
            return
        try:
            await self._leg.play(sound.prompts, loop=sound.loop)
        except PromptUnavailable as error:
            log.info("node.wait_sound_missing", call_id=str(self._leg.call_id), error=str(error))
            await self._leg.play(HOLD_MUSIC)
