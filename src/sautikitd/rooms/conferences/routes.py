"""`/v1/conferences`: list, read, and control them while they are live."""

from typing import Any

import msgspec

from sautikitd.database.wake import Waker
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.http.errors import InvalidCursor
from sautikitd.http.pagination import Page, decode_cursor, page
from sautikitd.identity.principal import Scope
from sautikitd.rooms import rows
from sautikitd.rooms.conferences import search
from sautikitd.rooms.conferences.views import (
    Announce,
    Announced,
    Conference,
    HoldParticipant,
    ListConferences,
    ListParticipants,
    OneConference,
    OneParticipant,
    Participant,
    PlayToAll,
    show_conference,
    show_participant,
)
from sautikitd.rooms.errors import ConferenceEnded, ConferenceNotFound, ParticipantNotFound
from sautikitd.rooms.lifecycle import Rooms
from sautikitd.rooms.models import CHANNEL, EndReason, LeaveReason, Room, RoomStatus, Seat

Request = ApiRequest[Any, Any]

_ROOM = "/v1/conferences/{conference}"
_PARTICIPANT = _ROOM + "/participants/{call_id}"
_ROOM_ERRORS = (ConferenceNotFound, ConferenceEnded)
_PARTICIPANT_ERRORS = (*_ROOM_ERRORS, ParticipantNotFound)


class ConferenceRoutes:
    tag = "Conferences"

    def __init__(self, rooms: Rooms, waker: Waker) -> None:
        self._rooms = rooms
        self._waker = waker

    @endpoint(
        "GET",
        "/v1/conferences",
        scope=Scope.CALLS_READ,
        query=ListConferences,
        answers={200: Page[Conference]},
        errors=(InvalidCursor,),
    )
    async def list(self, request: Request) -> Answer:
        """List conferences, newest first, those that have ended included."""
        wish = request.query
        found = await search.page(
            request.connection,
            request.principal,
            status=wish.status,
            name=wish.name,
            before=decode_cursor(wish.cursor),
            limit=wish.limit,
        )
        return Answer(body=page(found, wish.limit, lambda one: show_conference(*one), lambda one: one[0].id))

    @endpoint(
        "GET",
        _ROOM,
        scope=Scope.CALLS_READ,
        answers={200: OneConference},
        errors=(ConferenceNotFound,),
    )
    async def read(self, request: Request) -> Answer:
        """Read a conference, by its id or, while it is live, by its name."""
        found = await search.find(request.connection, request.principal, request.path["conference"])
        return Answer(body=OneConference(show_conference(*found)))

    @endpoint(
        "GET",
        _ROOM + "/participants",
        scope=Scope.CALLS_READ,
        query=ListParticipants,
        answers={200: Page[Participant]},
        errors=(ConferenceNotFound, InvalidCursor),
    )
    async def participants(self, request: Request) -> Answer:
        """List who is in a conference, newest first."""
        room, _ = await search.find(request.connection, request.principal, request.path["conference"])
        wish = request.query
        found = await search.participants(
            request.connection,
            room.id,
            present=wish.present,
            before=decode_cursor(wish.cursor),
            limit=wish.limit,
        )
        return Answer(body=page(found, wish.limit, lambda one: show_participant(*one), lambda one: one[0].id))

    @endpoint(
        "POST",
        _PARTICIPANT + "/mute",
        scope=Scope.CALLS_WRITE,
        answers={200: OneParticipant},
        errors=_PARTICIPANT_ERRORS,
    )
    async def mute(self, request: Request) -> Answer:
        """Mute a participant: nobody hears him, and he hears everybody."""
        return await self._mute(request, True)

    @endpoint(
        "POST",
        _PARTICIPANT + "/unmute",
        scope=Scope.CALLS_WRITE,
        answers={200: OneParticipant},
        errors=_PARTICIPANT_ERRORS,
    )
    async def unmute(self, request: Request) -> Answer:
        """Let a muted participant be heard again."""
        return await self._mute(request, False)

    @endpoint(
        "POST",
        _PARTICIPANT + "/hold",
        scope=Scope.CALLS_WRITE,
        body=HoldParticipant,
        body_optional=True,
        answers={200: OneParticipant},
        errors=_PARTICIPANT_ERRORS,
    )
    async def hold(self, request: Request) -> Answer:
        """Hold a participant: he neither hears the others nor is heard, and hears music meanwhile."""
        return await self._hold(request, True, request.body.url)

    @endpoint(
        "POST",
        _PARTICIPANT + "/unhold",
        scope=Scope.CALLS_WRITE,
        answers={200: OneParticipant},
        errors=_PARTICIPANT_ERRORS,
    )
    async def unhold(self, request: Request) -> Answer:
        """Let a held participant back in."""
        return await self._hold(request, False, None)

    @endpoint(
        "POST",
        _PARTICIPANT + "/kick",
        scope=Scope.CALLS_WRITE,
        answers={200: OneParticipant},
        errors=_PARTICIPANT_ERRORS,
    )
    async def kick(self, request: Request) -> Answer:
        """Take a participant out of a conference; his call goes on with the next action of its flow."""
        room, seat, call = await self._participant(request)
        left = await self._rooms.leave(request.connection, room.id, seat.id, LeaveReason.KICKED, request.now)
        return self._told(request, OneParticipant(show_participant(left or seat, call)))

    @endpoint(
        "POST",
        _ROOM + "/announce",
        scope=Scope.CALLS_WRITE,
        body=Announce,
        answers={202: Announced},
        errors=_ROOM_ERRORS,
    )
    async def announce(self, request: Request) -> Answer:
        """Say something to everybody in a conference, on top of what they say."""
        return await self._tell_all(request, "announce", msgspec.to_builtins(request.body))

    @endpoint(
        "POST",
        _ROOM + "/play",
        scope=Scope.CALLS_WRITE,
        body=PlayToAll,
        answers={202: Announced},
        errors=_ROOM_ERRORS,
    )
    async def play(self, request: Request) -> Answer:
        """Play a sound file to everybody in a conference, on top of what they say."""
        return await self._tell_all(request, "announce", msgspec.to_builtins(request.body))

    @endpoint(
        "POST",
        _ROOM + "/hush",
        scope=Scope.CALLS_WRITE,
        answers={202: Announced},
        errors=_ROOM_ERRORS,
    )
    async def hush(self, request: Request) -> Answer:
        """Stop what is being said or played to a conference."""
        return await self._tell_all(request, "hush", {})

    @endpoint(
        "POST",
        _ROOM + "/recording/start",
        scope=Scope.CALLS_WRITE,
        answers={200: OneConference},
        errors=_ROOM_ERRORS,
    )
    async def start_recording(self, request: Request) -> Answer:
        """Record a conference, everybody in one channel, from now on or from its start.

        `recording_id` names the recording once it has begun; whispers of coaches are not in it.
        """
        return await self._record(request, True)

    @endpoint(
        "POST",
        _ROOM + "/recording/stop",
        scope=Scope.CALLS_WRITE,
        answers={200: OneConference},
        errors=_ROOM_ERRORS,
    )
    async def stop_recording(self, request: Request) -> Answer:
        """Stop recording a conference; harmless when it is not recorded."""
        return await self._record(request, False)

    @endpoint(
        "POST",
        _ROOM + "/end",
        scope=Scope.CALLS_WRITE,
        answers={200: OneConference},
        errors=(ConferenceNotFound,),
    )
    async def end(self, request: Request) -> Answer:
        """End a conference: everybody leaves it, and each call goes on with its flow. Harmless to repeat."""
        room, _ = await search.find(request.connection, request.principal, request.path["conference"])
        await self._rooms.end(request.connection, room.id, EndReason.ENDED_BY_API, request.now)
        found = await search.find(request.connection, request.principal, str(room.id))
        return self._told(request, OneConference(show_conference(*found)))

    async def _mute(self, request: Request, muted: bool) -> Answer:
        room, seat, call = await self._participant(request)
        changed = await self._rooms.set_muted(request.connection, room, seat, muted, request.now)
        return self._told(request, OneParticipant(show_participant(changed, call)))

    async def _hold(self, request: Request, held: bool, url: str | None) -> Answer:
        room, seat, call = await self._participant(request)
        changed = await self._rooms.set_held(request.connection, room, seat, held, url, request.now)
        return self._told(request, OneParticipant(show_participant(changed, call)))

    async def _record(self, request: Request, recorded: bool) -> Answer:
        room = await self._live(request)
        await self._rooms.set_recorded(request.connection, room, recorded, request.now)
        found = await search.find(request.connection, request.principal, str(room.id))
        return self._told(request, OneConference(show_conference(*found)))

    async def _tell_all(self, request: Request, kind: str, payload: dict[str, Any]) -> Answer:
        room = await self._live(request)
        await rows.give_command(request.connection, room.id, kind, payload, request.now)
        return self._told(request, Announced(room.id), 202)

    async def _participant(self, request: Request) -> tuple[Room, Seat, Any]:
        room = await self._live(request)
        reference = request.path["call_id"]
        found = await search.participant(request.connection, room.id, reference)
        if found is None:
            raise ParticipantNotFound(reference=reference[:64])
        return room, *found

    async def _live(self, request: Request) -> Room:
        """The conference the path names, locked. Raises `ConferenceNotFound`, `ConferenceEnded`."""
        room, _ = await search.find(
            request.connection, request.principal, request.path["conference"], lock=True
        )
        if room.status is RoomStatus.ENDED:
            raise ConferenceEnded
        return room

    def _told(self, request: Request, body: Any, status: int = 200) -> Answer:
        """The answer, and the node of the room woken after the commit."""
        request.after_commit.append(lambda: self._waker.wake(CHANNEL))
        return Answer(status=status, body=body)
