"""Two legs put together: each party hears the other, and keys go through."""

from contextlib import suppress

from sautikitd.voice.holding import Holding
from sautikitd.voice.leg import MediaLeg
from sautikitd.voice.links import GuestEnd, LinkEnd
from sautikitd.voice.media.client import MediaLost, MediaRefused


def room_of(far: MediaLeg) -> str:
    """The room of the bridge that `far` was dialled for; a third leg of its media process may take a seat there."""
    return f"bridge-{far.call_id}"


class Bridge:
    """Of two legs: a room for two, on the media process of `near`, which `far` joins over a link where it is on another.
    Opening it again does no harm. While one party has put the call on hold, the other hears music.

    A leg that ends leaves by itself; nothing here raises for one that is on its way out.
    """

    def __init__(self, near: MediaLeg, far: MediaLeg) -> None:
        self._near = near
        self._far = far
        self.room = room_of(far)
        self._holding = Holding(near, far)
        self._joined = False
        self._link: tuple[GuestEnd, LinkEnd] | None = None

    async def listen(self) -> None:
        """The near party hears the far one, who does not hear him: early media (RFC 3960), before any answer."""
        await self._join(near_muted=True)

    async def open(self) -> None:
        """Both hear each other, and the keys that one presses are sent on to the other."""
        await self._join(near_muted=False)
        self._near.send_digits_to(self._far)
        self._far.send_digits_to(self._near)
        self._holding.start()

    async def close(self) -> None:
        """Takes both legs apart again; whoever is still there is heard by the platform alone. Harmless to repeat, also
        when a leg talks to somebody else by then."""
        if not self._joined:
            return
        self._joined = False
        await self._holding.stop()
        link, self._link = self._link, None
        if link is not None:
            for end in link:
                await end.close()
        for leg in (self._near, self._far):
            leg.send_digits_to(None)
            if not leg.ended and leg.room == self.room:
                with suppress(MediaLost, MediaRefused):  # it ended in this moment
                    await leg.leave()

    async def _join(self, *, near_muted: bool) -> None:
        self._joined = True
        try:
            if self._far.media is self._near.media:
                await self._far.join(self.room)
            elif self._link is None:
                await self._connect()
            await self._near.join(self.room, muted=near_muted)
        except (MediaLost, MediaRefused):
            if not (self._near.ended or self._far.ended):
                raise

    async def _connect(self) -> None:
        """The far leg into the near one's media process."""
        name = f"{self._far.call_id}-{self._near.call_id}"
        home = await LinkEnd.open(self._near.media, f"home-{name}")
        try:
            guest = await GuestEnd.open(self._far, name)
        except (MediaLost, MediaRefused):
            await home.close()
            raise
        self._link = guest, home
        await guest.connect(home.local_address, home.port)
        await home.connect(guest.local_address, guest.port)
        await home.join(self.room)
