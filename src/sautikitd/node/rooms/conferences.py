"""One call's participation in a conference."""

import asyncio
from collections.abc import Mapping

import structlog

from sautikitd.calls.models import CallRecord
from sautikitd.database.pool import DatabaseUnavailable
from sautikitd.events.models import Form
from sautikitd.flow.port import CollectEnd, LegGone
from sautikitd.flow.rooms_port import Attended, AttendEnd, ConferenceSpec, OnDigits, Sounds
from sautikitd.node.rooms.seat import RoomParts, SeatFailed, TakenSeat
from sautikitd.node.rooms.wait_player import WaitPlayer
from sautikitd.rooms.lifecycle import RoomIsFull
from sautikitd.rooms.models import (
    Beep,
    LeaveReason,
    NewRoom,
    NewSeat,
    RoomKind,
    RoomStatus,
)
from sautikitd.rooms.story import kinds_of
from sautikitd.voice.leg import MediaLeg

log = structlog.get_logger(__name__)

_BETWEEN_KEYS_S = 4.0

_ENDS = {
    LeaveReason.KICKED: AttendEnd.KICKED,
    LeaveReason.CONFERENCE_ENDED: AttendEnd.ENDED,
    LeaveReason.NODE_LOST: AttendEnd.ENDED,
    LeaveReason.FAILED: AttendEnd.FAILED,
}


class Attendance:
    """Runs once. Cancelled, because the call ended or its flow was replaced, it leaves the room."""

    def __init__(
        self,
        call: CallRecord,
        leg: MediaLeg,
        spec: ConferenceSpec,
        sounds: Sounds,
        on_digits: OnDigits,
        parts: RoomParts,
    ) -> None:
        self._call = call
        self._leg = leg
        self._spec = spec
        self._on_digits = on_digits
        self._parts = parts
        self._books = parts.books
        self._clock = parts.clock
        self._player = WaitPlayer(leg, sounds, parts.clock, self._facts)
        self._keys: asyncio.Task[None] | None = None

    async def run(self) -> Attended:
        started = self._clock.monotonic()
        with self._books.board.followed():
            try:
                seat = await self._enter()
            except RoomIsFull:
                return Attended(end=AttendEnd.FULL)
            except DatabaseUnavailable as exc:
                log.warning("node.not_in_conference", call_id=str(self._call.id), error=repr(exc))
                return Attended(end=AttendEnd.FAILED)
            reason = LeaveReason.HANGUP
            try:
                await seat.connect(self._call)
                await self._stay(seat)
                reason = LeaveReason.LEFT
            except SeatFailed as exc:
                log.error("node.seat_failed", call_id=str(self._call.id), error=str(exc))
                reason = LeaveReason.FAILED
            except asyncio.CancelledError:
                reason = LeaveReason.HANGUP if self._leg.ended else LeaveReason.LEFT
                raise
            finally:
                left = await asyncio.shield(asyncio.ensure_future(self._leave(seat, reason)))
        end = _ENDS.get(LeaveReason(left), AttendEnd.LEFT)
        seconds = round(self._clock.monotonic() - started)
        return Attended(end=end, seconds=seconds, conference_id=seat.row.room_id)

    async def _enter(self) -> TakenSeat:
        spec, call = self._spec, self._call
        form: Form | None = "twilio" if spec.twilio_status or call.callback_format == "twilio" else None
        coached = await self._books.call_named(call, spec.coach) if spec.coach else None
        room, seat = await self._books.enter(
            NewRoom(
                workspace_id=call.workspace_id,
                mode=call.mode,
                kind=RoomKind.CONFERENCE,
                node_id=self._books.node_id,
                owner_call_id=call.id,
                name=spec.name,
                max_seats=spec.most,
                recorded=spec.record,
                status_url=spec.status_url,
                status_events=kinds_of(spec.status_events, form) if spec.status_url else (),
                status_form=form,
                recording_status_url=spec.recording_told.url if spec.recording_told else None,
            ),
            NewSeat(
                call_id=call.id,
                node_id=self._books.node_id,
                muted=spec.muted,
                # A coach whose agent is not known is heard by nobody, which is what his own id says.
                coached_call_id=(coached or call.id) if spec.coach else None,
                starts=spec.starts,
                ends=spec.ends,
                beep=Beep(spec.beep.value),
            ),
        )
        return self._parts.seat(self._leg, room, seat)

    async def _stay(self, seat: TakenSeat) -> None:
        """Music while there is nothing to hear, keys where they are wanted, until the seat is gone."""
        board = self._books.board
        if self._spec.num_digits is not None:
            self._keys = asyncio.ensure_future(self._gather(self._spec.num_digits))
        while (row := seat.now) is not None:
            if seat.moved:
                await seat.follow(self._call)
            seen, room = board.version, seat.room
            if row.held:
                await self._player.play(row.hold_url)
            elif room is not None and room.status is RoomStatus.WAITING:
                await self._player.play()
            else:
                await self._player.stop()
            await board.beyond_or(seen, *filter(None, [self._keys]))
            if self._keys is not None and self._keys.done():
                self._keys.result()
                return

    async def _gather(self, num_digits: int) -> None:
        """Hands on what is pressed; returns when that replaced the flow."""
        while True:
            pressed = await self._leg.collect(
                max_digits=num_digits,
                finish_on_key=self._spec.finish_on_key,
                timeout_s=_BETWEEN_KEYS_S,
            )
            whole = pressed.end is not CollectEnd.TIMEOUT or num_digits == 0
            if pressed.digits and whole and await self._on_digits(pressed.digits):
                return

    async def _leave(self, seat: TakenSeat, reason: LeaveReason) -> str:
        await self._player.stop()
        if self._keys is not None:
            self._keys.cancel()
            for problem in await asyncio.gather(self._keys, return_exceptions=True):
                if isinstance(problem, Exception) and not isinstance(problem, LegGone):
                    log.error("node.conference_keys_failed", call_id=str(self._call.id), exc_info=problem)
        left = await seat.leave(reason)
        return (left.leave_reason if left else None) or reason

    async def _facts(self) -> Mapping[str, str]:
        return {"conferenceName": self._spec.name}
