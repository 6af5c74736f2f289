"""`/v1/calls/{id}/control`: what a controlled call asks, and what is answered."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec

from sautikitd.calls import commands, search
from sautikitd.calls.controlled import turns
from sautikitd.calls.controlled.errors import NotControlled, TurnOver
from sautikitd.calls.controlled.feed import ControlFeed
from sautikitd.calls.controlled.models import ControlEvent, ControlEventKind
from sautikitd.calls.errors import CallNotFound, CallNotLive, NodeSilent
from sautikitd.calls.live import lock_live
from sautikitd.calls.models import CallRecord
from sautikitd.calls.requests import Actions
from sautikitd.clock import Clock
from sautikitd.database.pool import Connection, Database
from sautikitd.database.wake import Waker
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.identity.principal import Scope

_EVENT_STREAM = "text/event-stream"
_LARGEST_SEQUENCE = 2**31 - 1


class ControlQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cursor: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=_LARGEST_SEQUENCE,
            description="The `sequence` of the last event you have; 0 for all. `Last-Event-ID` goes before it.",
        ),
    ] = 0
    wait_seconds: Annotated[
        int,
        msgspec.Meta(ge=0, le=20, description="How long to wait for an event when there is none; JSON only."),
    ] = 20


class ControlEvents(msgspec.Struct, frozen=True):
    """`cursor` is what to ask with next; it is the one you gave when nothing happened in time. `ended`: nothing will
    follow any more."""

    data: Sequence[ControlEvent]
    cursor: int
    ended: bool


class Respond(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`actions` run now. `turn` says which turn they answer; without it they answer the one that is open."""

    actions: Actions
    turn: Annotated[int, msgspec.Meta(ge=1, le=_LARGEST_SEQUENCE)] | None = None


class Responded(msgspec.Struct, frozen=True):
    call_id: UUID
    turn: int


class ControlRoutes:
    tag = "Controlled calls"

    def __init__(self, database: Database, feed: ControlFeed, waker: Waker, clock: Clock) -> None:
        self._database = database
        self._feed = feed
        self._waker = waker
        self._clock = clock

    @endpoint(
        "GET",
        "/v1/calls/{call_id}/control/events",
        scope=Scope.CALLS_READ,
        query=ControlQuery,
        answers={200: (ControlEvents, _EVENT_STREAM)},
        errors=(CallNotFound, NotControlled),
        needs_connection=False,
    )
    async def events(self, request: ApiRequest[None, ControlQuery]) -> Answer:
        """Follow what a controlled call asks of you.

        Waits for news (long poll), or streams it when `Accept` is `text/event-stream`; a stream ends with the call
        or after five minutes. Come back with the last `sequence` as `cursor` or `Last-Event-ID`: nothing is lost
        in between.
        """
        async with self._database.connection() as connection:
            call = await _controlled(connection, request)
        after = _resumed(request.headers.get("last-event-id"), request.query.cursor)
        if _EVENT_STREAM in request.headers.get("accept", ""):
            headers = {"X-Accel-Buffering": "no"}
            return Answer(stream=self._feed.stream(call, after), media_type=_EVENT_STREAM, headers=headers)
        found = await self._feed.events(call, after, request.query.wait_seconds)
        ended = bool(found) and found[-1].kind is ControlEventKind.ENDED
        return Answer(body=ControlEvents(found, found[-1].sequence if found else after, ended))

    @endpoint(
        "POST",
        "/v1/calls/{call_id}/control/respond",
        scope=Scope.CALLS_WRITE,
        body=Respond,
        answers={202: Responded},
        errors=(CallNotFound, NotControlled, TurnOver, CallNotLive, NodeSilent),
        rate_limited=False,
    )
    async def respond(self, request: ApiRequest[Respond, None]) -> Answer:
        """Answer the open turn of a controlled call with actions, which run at once.

        A turn can be answered once, and until its time is over.
        """
        call = await _controlled(request.connection, request)
        live = await lock_live(request.connection, call.id, self._clock.now())
        wish = request.body
        turn = await turns.respond(request.connection, live, wish.turn, wish.actions, request.now)
        request.after_commit.append(lambda: self._waker.wake(commands.CHANNEL))
        return Answer(status=202, body=Responded(call.id, turn))


async def _controlled(connection: Connection, request: ApiRequest[Any, Any]) -> CallRecord:
    principal, reference = request.principal, request.path["call_id"]
    call = await search.find(connection, principal.workspace_id, principal.mode, reference)
    if not principal.may_use_number(call.number_id):
        raise CallNotFound(reference=reference[:64])
    if call.control is None:
        raise NotControlled
    return call


def _resumed(last_event_id: str | None, cursor: int) -> int:
    """A `Last-Event-ID` that is none of ours is passed over, as the one of another stream would be."""
    if last_event_id and last_event_id.isascii() and last_event_id.isdigit():
        return min(int(last_event_id[:10]), _LARGEST_SEQUENCE)
    return cursor
