"""Taking the oldest caller from a queue, and talking to him."""

import asyncio
from collections.abc import Mapping

import structlog

from sautikitd.calls.models import CallRecord
from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.flow.rooms_port import Dequeued, Sounds
from sautikitd.node.rooms.board import POLL_S
from sautikitd.node.rooms.pair import Pair
from sautikitd.node.rooms.seat import RoomParts, SeatFailed
from sautikitd.node.rooms.wait_player import WaitPlayer
from sautikitd.rooms.models import LeaveReason, Seat
from sautikitd.rooms.queues.lifecycle import Taken
from sautikitd.voice.leg import MediaLeg

log = structlog.get_logger(__name__)

_COMES_WITHIN_S = 10.0


class Taking:
    """Runs once. Cancelled, because the call ended or its flow was replaced, it lets the caller go on."""

    def __init__(
        self,
        call: CallRecord,
        leg: MediaLeg,
        name: str,
        sounds: Sounds,
        *,
        longest_s: int,
        parts: RoomParts,
    ) -> None:
        self._call = call
        self._leg = leg
        self._name = name
        self._longest_s = longest_s
        self._parts = parts
        self._books = parts.books
        self._clock = parts.clock
        self._player = WaitPlayer(leg, sounds, parts.clock, self._facts)

    async def run(self) -> Dequeued:
        patience = asyncio.ensure_future(self._clock.sleep(self._longest_s))
        with self._books.board.followed():
            try:
                while (taken := await self._next(patience)) is not None:
                    talked = await self._talk(taken)
                    if talked is not None:
                        return self._outcome(taken, talked)
                return Dequeued()
            finally:
                patience.cancel()
                await self._player.stop()

    async def _next(self, patience: "asyncio.Future[None]") -> Taken | None:
        """The oldest caller, as soon as there is one; None once time is up. Somebody is looked for at least once."""
        while True:
            try:
                taken = await self._books.take(self._call, self._name)
            except DatabaseUnavailable as exc:
                log.warning("node.nobody_taken", call_id=str(self._call.id), error=repr(exc))
                taken = None
            if taken is not None or patience.done():
                return taken
            await self._player.play()
            await asyncio.wait({patience}, timeout=POLL_S)

    async def _talk(self, taken: Taken) -> float | None:
        """Seconds that the two talked; None when the caller was gone, and the next is to be taken."""
        seat = self._parts.seat(self._leg, taken.room, taken.own_seat)
        pair = Pair(self._leg, seat, self._books)
        reason = LeaveReason.LEFT
        try:
            await self._player.stop()
            await seat.connect(self._call)
            if not await self._came(taken.his_seat):
                return None
            met_at = self._clock.monotonic()
            pair.start()
            await seat.gone()
            return self._clock.monotonic() - met_at
        except SeatFailed as exc:
            log.warning("node.seat_failed", call_id=str(self._call.id), error=str(exc))
            reason = LeaveReason.FAILED
            return None
        except asyncio.CancelledError:
            reason = LeaveReason.HANGUP if self._leg.ended else LeaveReason.LEFT
            raise
        finally:
            pair.stop()
            await asyncio.shield(asyncio.ensure_future(seat.leave(reason)))

    async def _came(self, his: Seat) -> bool:
        """Whether the caller's sound was connected in time."""
        board = self._books.board
        patience = asyncio.ensure_future(self._clock.sleep(_COMES_WITHIN_S))
        try:
            while True:
                seen, now = board.version, board.seats(his.room_id).get(his.id)
                if now is None or patience.done():
                    return False
                if now.seated_at is not None:
                    return True
                await board.beyond_or(seen, patience)
        finally:
            patience.cancel()

    def _outcome(self, taken: Taken, talked: float) -> Dequeued:
        member = taken.member
        waited = (member.taken_at or member.entered_at) - member.entered_at
        return Dequeued(
            call_id=member.call_id, wait_seconds=round(waited.total_seconds()), talk_seconds=round(talked)
        )

    async def _facts(self) -> Mapping[str, str]:
        return {"queueName": self._name}
