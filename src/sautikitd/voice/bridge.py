"""Two legs put together: each party hears the other, and keys go through."""

import asyncio
from contextlib import suppress

from sautikitd.voice.holding import Holding
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.media.client import MediaLost, MediaRefused


def room_of(far: MediaLeg) -> str:
    """The room of the bridge that `far` was dialled for; a third leg of its media process may take a seat there."""
    return f"bridge-{far.call_id}"


class Bridge:
    """Of two legs of one media process: a room for two. Opening it again does no harm. While one party has put the call
    on hold, the other hears music.

    A leg that ends leaves by itself; nothing here raises for one that is on its way out.
    """

    def __init__(self, near: MediaLeg, far: MediaLeg) -> None:
        self._near = near
        self._far = far
        self.room = room_of(far)
        self._holding = Holding(self.room, near, far)

    async def listen(self) -> None:
        """The near party hears the far one, who does not hear him: early media (RFC 3960), before any answer."""
        await self._join(near_muted=True)

    async def open(self) -> None:
        """Both hear each other, and the keys that one presses are sent on to the other."""
        await self._join(near_muted=False)
        self._near.send_digits_to(self._far)
        self._far.send_digits_to(self._near)
        self._holding.start()

    async def until_over(self) -> None:
        """Waits for the end of either leg."""
        either = [asyncio.ensure_future(leg.gone()) for leg in (self._near, self._far)]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in either:
                waiting.cancel()

    async def close(self) -> None:
        """Takes both legs apart again; whoever is still there is heard by the platform alone."""
        await self._holding.stop()
        for leg in (self._near, self._far):
            leg.send_digits_to(None)
            if not leg.ended:
                with suppress(MediaLost, MediaRefused):  # it ended in this moment
                    await leg.leave()

    async def _join(self, *, near_muted: bool) -> None:
        try:
            await self._far.join(self.room)
            await self._near.join(self.room, muted=near_muted)
        except (MediaLost, MediaRefused):
            if not (self._near.ended or self._far.ended):
                raise
