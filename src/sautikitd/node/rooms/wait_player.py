"""What one leg hears while it waits: its sound over and over, asked again for each round, and the keys it presses."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from sautikitd.clock import Clock
from sautikitd.flow.hold_music import HOLD_MUSIC
from sautikitd.flow.port import LegGone, PromptUnavailable
from sautikitd.flow.rooms_port import Gathering, Sound, Sounds, WaitEnd
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.media.client import MediaLost, MediaRefused

log = structlog.get_logger(__name__)

_ROUND_S = 1.0  # the least a round takes, whatever its sound: URLs are asked no more often

Facts = Callable[[], Awaitable[Mapping[str, str]]]


class WaitPlayer:
    """`facts` are asked for each round, for the URL that says what is heard. `ended` is done when it says that the wait
    is over."""

    def __init__(self, leg: MediaLeg, sounds: Sounds, clock: Clock, facts: Facts) -> None:
        self._leg = leg
        self._sounds = sounds
        self._clock = clock
        self._facts = facts
        self.ended: asyncio.Future[WaitEnd] = asyncio.get_running_loop().create_future()
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
        digits = ""
        try:
            while not self.ended.done():
                started = self._clock.monotonic()
                sound = await self._sounds.next(await self._facts(), url, digits)
                digits = await self._round(sound)
                if sound.end is not None:
                    self.ended.set_result(sound.end)
                left = _ROUND_S - (self._clock.monotonic() - started)
                if left > 0 and not digits:
                    await self._clock.sleep(left)
        except (LegGone, MediaLost, MediaRefused) as error:
            log.debug("node.waiting_ended", call_id=str(self._leg.call_id), cause=str(error))

    async def _round(self, sound: Sound) -> str:
        """What was pressed, where keys were waited for."""
        if sound.prompts:  # else silence is what was asked for
            try:
                await self._leg.play(sound.prompts, loop=sound.loop)
            except PromptUnavailable as error:
                self._missing(error)
                await self._leg.play(HOLD_MUSIC)
        return await self._pressed(sound.keys) if sound.keys is not None else ""

    async def _pressed(self, keys: Gathering) -> str:
        for prompts in (keys.prompts, ()):
            try:
                pressed = await self._leg.collect(
                    max_digits=keys.most,
                    finish_on_key=keys.finish_on_key,
                    timeout_s=keys.timeout_s,
                    prompts=prompts,
                )
            except PromptUnavailable as error:
                self._missing(error)
            else:
                return pressed.digits
        return ""

    def _missing(self, error: PromptUnavailable) -> None:
        log.info("node.wait_sound_missing", call_id=str(self._leg.call_id), error=str(error))
