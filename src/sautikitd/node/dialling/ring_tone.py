"""What a caller hears while others are rung for him."""

import asyncio
from collections.abc import Sequence

import structlog

from sautikitd.flow.port import LegGone, Prompt, PromptUnavailable
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.media.client import MediaLost, MediaRefused
from sautikitd.voice.outbound_leg import OutboundLeg

log = structlog.get_logger(__name__)

_FOR_EVER = 1000  # rounds of a tone or a sound of seconds: longer than anybody lets it ring


class RingTone:
    """An answered caller hears `sound` over and over; one that is not answered gets the signals of who is rung."""

    def __init__(self, leg: MediaLeg, sound: Sequence[Prompt]) -> None:
        self._leg = leg
        self._sound = sound
        self._playing: asyncio.Task[None] | None = None
        self._told = False
        self.missing: str | None = None
        """Why the sound could not be played."""

    def start(self) -> None:
        if self._leg.answered and self._playing is None:
            self._playing = asyncio.ensure_future(self._play())

    async def stop(self) -> None:
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)
            self._playing = None

    async def pass_on(self, called: OutboundLeg) -> None:
        """Rings at an unanswered caller once the called party's phone rings."""
        await called.alerted.wait()
        if not self._told:
            self._told = True
            await self._leg.ring()

    async def _play(self) -> None:
        try:
            await self._leg.play(self._sound, loop=_FOR_EVER)
        except PromptUnavailable as error:
            self.missing = f"the ring tone was not played: {error}"
        except (LegGone, MediaLost, MediaRefused) as error:
            log.debug("node.ring_tone_ended", call_id=str(self._leg.call_id), cause=str(error))
