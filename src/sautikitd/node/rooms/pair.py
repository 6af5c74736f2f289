"""Two who have met in a bridge room: what goes from one to the other besides the sound, on whatever nodes they are."""

import asyncio

from sautikitd.node.rooms.books import RoomBooks
from sautikitd.node.rooms.seat import TakenSeat
from sautikitd.voice.holding import play_music
from sautikitd.voice.leg import MediaLeg


class Pair:
    """Our half, from `start` to `stop`: the keys of our party go to the other one. Whoever puts the call on hold is held
    in the row of his seat, and the other one, whose node sees it there, hears music."""

    def __init__(self, leg: MediaLeg, seat: TakenSeat, books: RoomBooks) -> None:
        self._leg = leg
        self._seat = seat
        self._books = books
        self._turned = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self._music: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Once our party is connected. Harmless to repeat."""
        if self._following is not None:
            return
        self._leg.send_digits_to(self._seat)
        self._leg.watch_hold(self._turned.set)
        self._following = asyncio.ensure_future(self._follow())

    def stop(self) -> None:
        """Harmless to repeat, and where it never started."""
        following, self._following = self._following, None
        if following is None:
            return
        self._leg.send_digits_to(None)
        self._leg.watch_hold(None)
        following.cancel()
        self._hush()

    async def _follow(self) -> None:
        board = self._books.board
        while True:
            seen = board.version
            self._turned.clear()
            await self._tell_of_hold()
            self._heed_his_hold()
            turned = asyncio.ensure_future(self._turned.wait())
            try:
                await board.beyond_or(seen, turned)
            finally:
                turned.cancel()

    async def _tell_of_hold(self) -> None:
        own, held = self._seat.now, self._leg.held
        if own is not None and own.held != held:
            await self._books.hold(own, held)

    def _heed_his_hold(self) -> None:
        own = self._seat.now
        others = self._books.board.seats(own.room_id).values() if own is not None else ()
        if not any(one.held and one.id != self._seat.id for one in others):
            self._hush()
        elif self._music is None:
            self._music = asyncio.ensure_future(play_music(self._leg))

    def _hush(self) -> None:
        music, self._music = self._music, None
        if music is not None:
            music.cancel()
