"""Rooms from the first who comes to the last who leaves. State and events change in the caller's one transaction.

Every step locks the room first, looks where things are, and does nothing where it has been done already: a step
whose commit was never confirmed may simply be run again.
"""

from datetime import datetime
from uuid import UUID

from sautikitd.database.pool import Connection
from sautikitd.events.kinds import EventKind
from sautikitd.events.log import EventLog
from sautikitd.rooms import repository
from sautikitd.rooms.models import (
    End,
    EndReason,
    LeaveReason,
    NewRoom,
    NewSeat,
    Room,
    RoomKind,
    RoomStatus,
    Seat,
)
from sautikitd.rooms.story import RoomStory, seconds_since


class RoomIsFull(Exception):
    """The conference has as many participants as it takes."""


class Rooms:
    def __init__(self, events: EventLog) -> None:
        self._story = RoomStory(events)

    async def enter(
        self, connection: Connection, new: NewRoom, seat: NewSeat, now: datetime
    ) -> tuple[Room, Seat]:
        """Takes a seat in the conference of that name, which is made where there is none. Raises `RoomIsFull`.

        What the room is like is decided by who comes first; `recorded` by anybody who wants it recorded, and who is
        told of that by the first who names somebody.
        """
        room = await self._lock_or_make(connection, new, now)
        present = await repository.seats(connection, room.id)
        for known in present:
            if known.call_id == seat.call_id:
                return room, known
        if len(present) >= room.max_seats:
            raise RoomIsFull
        if new.recorded and not room.recorded:
            room = await repository.update(connection, room.id, recorded=True)
        if new.recording_status_url is not None and room.recording_status_url is None:
            told = new.recording_status_url
            room = await repository.update(connection, room.id, recording_status_url=told)
        taken = await repository.take_seat(connection, room.id, seat, now)
        await self._story.tell(connection, room, EventKind.CONFERENCE_PARTICIPANT_JOINED, now, seat=taken)
        return await self._start_if_due(connection, room, [*present, taken], now), taken

    async def bridge(
        self, connection: Connection, new: NewRoom, pair: tuple[NewSeat, NewSeat], now: datetime
    ) -> tuple[Room, Seat, Seat]:
        """A room for two, live at once, that ends when one of them leaves."""
        made = await repository.make(connection, new, now)
        assert made is not None, "only names can be taken"
        room = await repository.update(connection, made.id, status=RoomStatus.LIVE, started_at=now)
        first, second = [await repository.take_seat(connection, room.id, seat, now) for seat in pair]
        return room, first, second

    async def seated(self, connection: Connection, room_id: UUID, seat_id: UUID, now: datetime) -> None:
        """The sound of a seat is connected."""
        await repository.lock(connection, room_id)
        await repository.update_seat(connection, seat_id, seated_at=now)

    async def link(self, connection: Connection, room_id: UUID, seat_id: UUID, **ends: End) -> None:
        """Tells the other node where an end (`guest` or `home`) of a seat's link is."""
        await repository.lock(connection, room_id)
        await repository.put_end(connection, seat_id, **ends)

    async def leave(
        self, connection: Connection, room_id: UUID, seat_id: UUID, reason: LeaveReason, now: datetime
    ) -> Seat | None:
        """Gives a seat back; the seat as it was left, now or before. Ends the room where that is its end."""
        room = await repository.lock(connection, room_id)
        seat = await repository.find_seat(connection, seat_id)
        if room is None or seat is None or seat.left_at is not None:
            return seat
        left = await repository.update_seat(connection, seat_id, left_at=now, leave_reason=reason)
        await self._story.tell(
            connection,
            room,
            EventKind.CONFERENCE_PARTICIPANT_LEFT,
            now,
            seat=left,
            reason=reason,
            duration_seconds=seconds_since(left.joined_at, now),
        )
        if not await repository.seats(connection, room_id):
            await self._end(connection, room, EndReason.EVERYBODY_LEFT, now, by=left)
        elif left.ends:
            await self._end(connection, room, EndReason.PARTICIPANT_LEFT, now, by=left)
        return left

    async def end(self, connection: Connection, room_id: UUID, reason: EndReason, now: datetime) -> None:
        """Ends a room; who is in it leaves it."""
        room = await repository.lock(connection, room_id)
        if room is not None and room.status is not RoomStatus.ENDED:
            await self._end(connection, room, reason, now)

    async def leave_node(self, connection: Connection, room_id: UUID, gone: UUID, now: datetime) -> None:
        """The node that the room is at home on is gone, and the calls that it ran. Who is on another node stays: the
        conference is at home from now on where its longest participant is. It ends where nobody is left, or somebody
        was lost whose leaving ends it; a bridge always. Harmless to repeat."""
        room = await repository.lock(connection, room_id)
        if room is None or room.status is RoomStatus.ENDED or room.node_id != gone:
            return
        seats = await repository.seats(connection, room_id)
        living = await repository.living_nodes(connection, {seat.node_id for seat in seats} - {gone})
        staying = [seat for seat in seats if seat.node_id in living]
        ending = any(seat.ends for seat in seats if seat.node_id not in living)
        if room.kind is RoomKind.BRIDGE or not staying or ending:
            await self._end(connection, room, EndReason.NODE_LOST, now)
            return
        for seat in seats:
            if seat.node_id not in living:
                await self._lose(connection, room, seat, now)
        await repository.unlink(connection, room_id)
        await repository.update(connection, room_id, node_id=staying[0].node_id)

    async def _lose(self, connection: Connection, room: Room, seat: Seat, now: datetime) -> None:
        left = await repository.update_seat(
            connection, seat.id, left_at=now, leave_reason=LeaveReason.NODE_LOST
        )
        await self._story.tell(
            connection,
            room,
            EventKind.CONFERENCE_PARTICIPANT_LEFT,
            now,
            seat=left,
            reason=LeaveReason.NODE_LOST,
            duration_seconds=seconds_since(left.joined_at, now),
        )

    async def set_muted(
        self, connection: Connection, room: Room, seat: Seat, muted: bool, now: datetime
    ) -> Seat:
        """Of a locked room. Harmless to repeat."""
        if seat.muted == muted:
            return seat
        changed = await repository.update_seat(connection, seat.id, muted=muted)
        kind = EventKind.CONFERENCE_PARTICIPANT_MUTED if muted else EventKind.CONFERENCE_PARTICIPANT_UNMUTED
        await self._story.tell(connection, room, kind, now, seat=changed)
        return changed

    async def set_held(
        self, connection: Connection, room: Room, seat: Seat, held: bool, url: str | None, now: datetime
    ) -> Seat:
        """Of a locked room: who is held neither hears nor is heard, and hears `url`. Harmless to repeat."""
        if seat.held == held and seat.hold_url == url:
            return seat
        changed = await repository.update_seat(connection, seat.id, held=held, hold_url=url)
        kind = EventKind.CONFERENCE_PARTICIPANT_HELD if held else EventKind.CONFERENCE_PARTICIPANT_UNHELD
        await self._story.tell(connection, room, kind, now, seat=changed)
        return changed

    async def hold(
        self, connection: Connection, room_id: UUID, seat_id: UUID, held: bool, now: datetime
    ) -> None:
        """The far end of one of two in a bridge has put the call on hold, or taken it back. Harmless to repeat."""
        room = await repository.lock(connection, room_id)
        seat = await repository.find_seat(connection, seat_id)
        if room is not None and seat is not None and seat.left_at is None:
            await self.set_held(connection, room, seat, held, None, now)

    async def set_recorded(self, connection: Connection, room: Room, recorded: bool, now: datetime) -> Room:
        """Of a locked room; its node starts and stops the recording. Harmless to repeat."""
        if room.recorded == recorded:
            return room
        changed = await repository.update(connection, room.id, recorded=recorded)
        if not recorded and room.recording_id is not None:
            await self._tell_of_recording(connection, changed, EventKind.CONFERENCE_RECORDING_STOPPED, now)
        return changed

    async def recording_started(
        self, connection: Connection, room_id: UUID, recording_id: UUID, now: datetime
    ) -> None:
        room = await repository.lock(connection, room_id)
        if room is not None and room.recording_id != recording_id:
            changed = await repository.update(connection, room_id, recording_id=recording_id)
            await self._tell_of_recording(connection, changed, EventKind.CONFERENCE_RECORDING_STARTED, now)

    async def recording_ended(
        self, connection: Connection, room_id: UUID, recording_id: UUID, now: datetime
    ) -> Room | None:
        """A recording stopped by its own address, or that was as long as it may be: the room is not recorded any more,
        until somebody asks again. The room as it is now."""
        room = await repository.lock(connection, room_id)
        if room is None or room.status is not RoomStatus.LIVE or room.recording_id != recording_id:
            return room
        return await self.set_recorded(connection, room, False, now)

    async def _tell_of_recording(
        self, connection: Connection, room: Room, kind: EventKind, now: datetime
    ) -> None:
        await self._story.tell(connection, room, kind, now, recording_id=room.recording_id)

    async def _lock_or_make(self, connection: Connection, new: NewRoom, now: datetime) -> Room:
        while True:
            room = await repository.lock_named(connection, new.workspace_id, new.mode, new.name)
            room = room or await repository.make(connection, new, now)
            if room is not None:
                return room

    async def _start_if_due(
        self, connection: Connection, room: Room, present: list[Seat], now: datetime
    ) -> Room:
        """It starts with the second participant, or later with one who may start it (TwiML, <Conference>)."""
        if room.status is not RoomStatus.WAITING or len(present) < 2:
            return room
        if not any(seat.starts for seat in present):
            return room
        live = await repository.update(connection, room.id, status=RoomStatus.LIVE, started_at=now)
        await self._story.tell(connection, live, EventKind.CONFERENCE_STARTED, now)
        return live

    async def _end(
        self, connection: Connection, room: Room, reason: EndReason, now: datetime, by: Seat | None = None
    ) -> None:
        leaving = LeaveReason.NODE_LOST if reason is EndReason.NODE_LOST else LeaveReason.CONFERENCE_ENDED
        left = await repository.leave_all(connection, room.id, now, leaving)
        ended = await repository.update(
            connection, room.id, status=RoomStatus.ENDED, ended_at=now, end_reason=reason
        )
        if room.kind is RoomKind.BRIDGE:
            return
        for seat in left:
            await self._story.tell(
                connection,
                ended,
                EventKind.CONFERENCE_PARTICIPANT_LEFT,
                now,
                seat=seat,
                reason=leaving,
                ended_by_call_id=by.call_id if by else None,
                duration_seconds=seconds_since(seat.joined_at, now),
            )
        await self._story.tell(
            connection,
            ended,
            EventKind.CONFERENCE_ENDED,
            now,
            reason=reason,
            ended_by_call_id=by.call_id if by else None,
            ended_by_reason=by.leave_reason if by else None,
            duration_seconds=seconds_since(ended.started_at, now),
        )
