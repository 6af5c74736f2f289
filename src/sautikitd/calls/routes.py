"""`/v1/calls`: place, read, list, export, count, hang up."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from sautikitd.calls import callbacks, commands, queue, repository, search
from sautikitd.calls import stats as statistics
from sautikitd.calls.callbacks import VoiceCallback
from sautikitd.calls.control import HangUp
from sautikitd.calls.errors import CallNotFound, NoTariff, QueueFull
from sautikitd.calls.models import Call, CallEvent, CallRecord
from sautikitd.calls.placing import PlaceOutboundCall
from sautikitd.calls.requests import ListCalls, PlaceCall, StatsQuery
from sautikitd.calls.search import CallSearch
from sautikitd.calls.stats import Stats
from sautikitd.calls.test_calls import RingNumber, RungCall, TestCalls, TestModeOnly
from sautikitd.calls.views import show_call, show_event
from sautikitd.database.pool import Database
from sautikitd.database.wake import Waker
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.http.errors import InvalidCursor
from sautikitd.http.fields import PageQuery
from sautikitd.http.pagination import Page, decode_cursor, encode_cursor
from sautikitd.identity.principal import Scope
from sautikitd.numbering.errors import DestinationForbidden, EmergencyUnsupported
from sautikitd.numbers.errors import NumberInactive, NumberNotFound
from sautikitd.wallet.errors import InsufficientFunds
from sautikitd.wallet.limits import OutboundPaused, SpendLimit


class PlacedCall(msgspec.Struct, frozen=True, omit_defaults=True):
    call_id: UUID
    session_id: str
    status: str
    call: Call
    client_request_id: str | None = None


class OneCall(msgspec.Struct, frozen=True):
    call: Call


class HungUp(msgspec.Struct, frozen=True):
    call_id: UUID
    status: str = "hung_up"


_PLACING_ERRORS = (
    *(SpendLimit, OutboundPaused),
    *(InsufficientFunds, NoTariff, DestinationForbidden, EmergencyUnsupported),
    *(NumberNotFound, NumberInactive, QueueFull),
)


class CallRoutes:
    tag = "Calls"

    def __init__(
        self,
        placing: PlaceOutboundCall,
        finding: CallSearch,
        hang_up: HangUp,
        database: Database,
        waker: Waker,
    ) -> None:
        self._placing = placing
        self._finding = finding
        self._hang_up = hang_up
        self._database = database
        self._waker = waker

    @endpoint(
        "POST",
        "/v1/calls",
        scope=Scope.CALLS_WRITE,
        body=PlaceCall,
        answers={201: PlacedCall},
        errors=_PLACING_ERRORS,
        rate_limited=False,
    )
    @endpoint(
        "POST",
        "/v1/calls/originate",
        scope=Scope.CALLS_WRITE,
        body=PlaceCall,
        answers={201: PlacedCall},
        errors=_PLACING_ERRORS,
        rate_limited=False,
    )
    async def place(self, request: ApiRequest[PlaceCall, None]) -> Answer:
        """Place an outbound call from a claimed number.

        The call is queued and dialled as soon as your limits allow; follow it by webhooks or by reading it.
        On answer the `actions` run, or your `voice_callback_url` is asked what to do.
        """
        call = await self._placing.place(request.connection, request.principal, request.body)
        request.after_commit.append(lambda: self._waker.wake(queue.CHANNEL))
        shown = show_call(call)
        placed = PlacedCall(call.id, call.session_id, call.status, shown, call.client_request_id)
        return Answer(status=201, body=placed, headers={"Location": f"/v1/calls/{call.id}"})

    @endpoint(
        "GET",
        "/v1/calls",
        scope=Scope.CALLS_READ,
        query=ListCalls,
        answers={200: (Page[Call], "text/csv")},
        errors=(InvalidCursor,),
    )
    async def list(self, request: ApiRequest[None, ListCalls]) -> Answer:
        """List calls, newest first.

        With `format=csv` every matching call is streamed as CSV.
        """
        principal, wish = request.principal, request.query
        if wish.format == "csv":
            exported = search.export(
                self._database, principal.workspace_id, principal.mode, wish, principal.number_ids
            )
            named = {"Content-Disposition": 'attachment; filename="calls.csv"'}
            return Answer(stream=exported, media_type="text/csv", headers=named)
        calls = await search.page(
            request.connection, principal.workspace_id, principal.mode, wish, principal.number_ids
        )
        more = len(calls) > wish.limit
        calls = calls[: wish.limit]
        data = await self._finding.many(request.connection, calls)
        return Answer(body=Page(data, encode_cursor(calls[-1].id) if more else None))

    @endpoint("GET", "/v1/calls/stats", scope=Scope.CALLS_READ, query=StatsQuery, answers={200: Stats})
    async def stats(self, request: ApiRequest[None, StatsQuery]) -> Answer:
        """Count calls, minutes and spend since a moment."""
        wish = request.query
        found = await statistics.stats(
            request.connection, request.principal, wish.since, wish.bucket, request.real_now
        )
        return Answer(body=found)

    @endpoint(
        "GET", "/v1/calls/{call_id}", scope=Scope.CALLS_READ, answers={200: OneCall}, errors=(CallNotFound,)
    )
    async def read(self, request: ApiRequest[None, None]) -> Answer:
        """Read a call's status, duration, cost and events."""
        call = await self._find(request)
        return Answer(body=OneCall(await self._finding.whole(request.connection, call)))

    @endpoint(
        "GET",
        "/v1/calls/{call_id}/events",
        scope=Scope.CALLS_READ,
        query=PageQuery,
        answers={200: Page[CallEvent]},
        errors=(CallNotFound, InvalidCursor),
    )
    async def events(self, request: ApiRequest[None, PageQuery]) -> Answer:
        """List everything that happened in a call, newest first, the steps of its flow included."""
        call = await self._find(request)
        rows = await repository.events_page(
            request.connection, call.id, decode_cursor(request.query.cursor), request.query.limit + 1
        )
        return Answer(body=_page([show_event(row) for row in rows], request.query.limit))

    @endpoint(
        "GET",
        "/v1/calls/{call_id}/callbacks",
        scope=Scope.CALLS_READ,
        query=PageQuery,
        answers={200: Page[VoiceCallback]},
        errors=(CallNotFound, InvalidCursor),
    )
    async def callbacks(self, request: ApiRequest[None, PageQuery]) -> Answer:
        """List the voice callbacks of a call: what we asked, what you answered, how long it took."""
        call = await self._find(request)
        found = await callbacks.page(
            request.connection, call.id, decode_cursor(request.query.cursor), request.query.limit + 1
        )
        return Answer(body=_page(found, request.query.limit))

    @endpoint(
        "POST",
        "/v1/calls/{call_id}/hangup",
        scope=Scope.CALLS_WRITE,
        answers={200: HungUp},
        errors=(CallNotFound,),
    )
    async def hang_up(self, request: ApiRequest[None, None]) -> Answer:
        """Hang up a call, or take it out of the queue. Harmless when it has ended already."""
        call = await self._find(request)
        await self._hang_up.hang_up(request.connection, call.id, request.now)
        request.after_commit.append(lambda: self._waker.wake(commands.CHANNEL))
        return Answer(body=HungUp(call.id))

    @staticmethod
    async def _find(request: ApiRequest[Any, Any]) -> CallRecord:
        principal = request.principal
        call = await search.find(
            request.connection, principal.workspace_id, principal.mode, request.path["call_id"]
        )
        if not principal.may_use_number(call.number_id):
            raise CallNotFound(reference=request.path["call_id"])
        return call


class TestCallRoutes:
    __test__ = False
    tag = "Test mode"

    def __init__(self, test_calls: TestCalls, waker: Waker) -> None:
        self._test_calls = test_calls
        self._waker = waker

    @endpoint(
        "POST",
        "/v1/test/calls",
        scope=Scope.CALLS_WRITE,
        body=RingNumber,
        answers={201: RungCall},
        errors=(TestModeOnly, NumberNotFound, NumberInactive),
    )
    async def ring(self, request: ApiRequest[RingNumber, None]) -> Answer:
        """Ring one of your test numbers from a simulated caller.

        The call is real in every part: your voice callback is asked, the flow runs, events are sent. The caller
        follows `script`: waits, presses keys, speaks, listens, hangs up.
        """
        call = await self._test_calls.ring(request.connection, request.principal, request.body)
        request.after_commit.append(lambda: self._waker.wake(queue.CHANNEL))
        rung = RungCall(call.id, call.session_id, call.status, show_call(call))
        return Answer(status=201, body=rung, headers={"Location": f"/v1/calls/{call.id}"})


def _page(found: Sequence[Any], limit: int) -> Page[Any]:
    shown = found[:limit]
    return Page(shown, encode_cursor(shown[-1].id) if len(found) > limit else None)
