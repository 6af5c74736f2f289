"""One caller's wait in a queue, and the conversation that it leads to."""

import asyncio
from collections.abc import Mapping

import structlog

from sautikitd.calls.models import CallRecord
from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.flow.rooms_port import QueueLeft, Sounds, WaitEnd
from sautikitd.node.rooms.pair import Pair
from sautikitd.node.rooms.seat import RoomParts, SeatFailed, TakenSeat
from sautikitd.node.rooms.wait_player import WaitPlayer
from sautikitd.rooms.models import LeaveReason
from sautikitd.rooms.queues.lifecycle import QueueIsFull
from sautikitd.rooms.queues.models import Member, MemberStatus, QueueResult
from sautikitd.voice.leg import MediaLeg

log = structlog.get_logger(__name__)


class QueueWait:
    """Runs once. Cancelled, because the call ended or its flow was replaced, it leaves the queue."""

    def __init__(
        self,
        call: CallRecord,
        leg: MediaLeg,
        name: str,
        sounds: Sounds,
        *,
        most: int | None,
        longest_s: int,
        parts: RoomParts,
    ) -> None:
        self._call = call
        self._leg = leg
        self._name = name
        self._most = most
        self._longest_s = longest_s
        self._parts = parts
        self._books = parts.books
        self._clock = parts.clock
        self._player = WaitPlayer(leg, sounds, parts.clock, self._facts)
        self._member: Member | None = None
        self._entered = parts.clock.monotonic()
        self._met_at: float | None = None

    async def run(self) -> QueueLeft:
        with self._books.board.followed():
            try:
                member = self._member = await self._books.enqueue(self._call, self._name, self._most)
            except QueueIsFull:
                return QueueLeft(result=QueueResult.QUEUE_FULL)
            except DatabaseUnavailable as exc:
                log.warning("node.not_queued", call_id=str(self._call.id), error=repr(exc))
                return QueueLeft(result=QueueResult.ERROR)
            result = QueueResult.HANGUP
            patience = asyncio.ensure_future(self._clock.sleep(self._longest_s))
            try:
                await self._books.board.look()
                result = await self._wait(member, patience)
            except asyncio.CancelledError:
                result = self._cut_short()
                raise
            finally:
                patience.cancel()
                left = await asyncio.shield(asyncio.ensure_future(self._leave(member, result)))
        return self._outcome(left or member, result)

    def _cut_short(self) -> QueueResult:
        if self._met_at is not None:
            return QueueResult.BRIDGED
        return QueueResult.HANGUP if self._leg.ended else QueueResult.LEAVE

    async def _wait(self, member: Member, patience: "asyncio.Future[None]") -> QueueResult:
        board = self._books.board
        while True:
            seen, now = board.version, board.member(member.id)
            if now is None:
                return QueueResult.LEAVE  # what is in the row counts
            if now.status is MemberStatus.TAKEN:
                if await self._meet(now):
                    return QueueResult.BRIDGED
                continue
            if self._player.ended.done():
                return await self._as_told(self._player.ended.result())
            if patience.done():
                return QueueResult.TIMEOUT
            await self._player.play()
            await board.beyond_or(seen, patience, self._player.ended)

    async def _as_told(self, end: WaitEnd) -> QueueResult:
        """By his wait URL."""
        if end is WaitEnd.HANGUP:
            await self._leg.hang_up()
        return QueueResult.LEAVE

    async def _meet(self, member: Member) -> bool:
        """Into the room of whoever took him, until either goes; False when they did not come together."""
        assert member.seat_id is not None
        seat = await self._seat(member)
        if seat is None:
            await self._return(member)
            return False
        pair = Pair(self._leg, seat, self._books)
        reason, met = LeaveReason.FAILED, False
        try:
            await self._player.stop()
            await seat.connect(self._call)
            met = seat.now is not None
            if met:
                self._met_at = self._clock.monotonic()
                await self._books.connected(member.id)
                pair.start()
                await seat.gone()
            reason = LeaveReason.LEFT
        except SeatFailed as exc:
            log.warning("node.seat_failed", call_id=str(self._call.id), error=str(exc))
        except asyncio.CancelledError:
            reason = LeaveReason.HANGUP if self._leg.ended else LeaveReason.LEFT
            raise
        finally:
            pair.stop()
            await asyncio.shield(asyncio.ensure_future(seat.leave(reason)))
        if not met:
            await self._return(member)
        return met

    async def _seat(self, member: Member) -> TakenSeat | None:
        """His seat in the room that the taker made; None when the room is over already."""
        board = self._books.board
        await board.look()
        assert member.seat_id is not None
        for room in board.rooms():
            if row := board.seats(room.id).get(member.seat_id):
                return self._parts.seat(self._leg, room, row)
        return None

    async def _return(self, member: Member) -> None:
        await self._books.back_to_queue(member.id)
        await self._books.board.look()

    async def _leave(self, member: Member, result: QueueResult) -> Member | None:
        await self._player.stop()
        return await self._books.leave_queue(member.id, result)

    def _outcome(self, left: Member, result: QueueResult) -> QueueLeft:
        now = self._clock.monotonic()
        met_at = self._met_at
        return QueueLeft(
            result=left.result or result,
            wait_seconds=round((met_at or now) - self._entered),
            talk_seconds=round(now - met_at) if met_at is not None else 0,
            queue_id=left.queue_id,
            taken_by=left.taken_by_call_id,
        )

    async def _facts(self) -> Mapping[str, str]:
        """What the caller's wait URL is told, in the words of our own vocabulary."""
        facts = {"queueName": self._name, "queueTime": str(round(self._clock.monotonic() - self._entered))}
        if self._member is None:
            return facts
        try:
            waiting = await self._books.waiting(self._member)
        except DatabaseUnavailable as exc:
            log.info("node.position_unknown", call_id=str(self._call.id), error=repr(exc))
            return facts
        return facts | {
            "queuePosition": str(waiting.position),
            "currentQueueSize": str(waiting.size),
            "averageQueueTime": str(waiting.average_seconds),
            "queueId": str(self._member.queue_id),
        }
