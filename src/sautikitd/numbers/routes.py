"""`/v1/numbers`."""

from typing import Any
from uuid import UUID

from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.http.pagination import Page, decode_cursor, page
from sautikitd.identity.audit import Actor
from sautikitd.identity.principal import Scope
from sautikitd.numbering.errors import DestinationForbidden, EmergencyUnsupported
from sautikitd.numbers import inventory_repository, repository
from sautikitd.numbers.claims import NumberClaims
from sautikitd.numbers.errors import (
    AlreadyClaimed,
    NoneAvailable,
    NotAssigned,
    NumberDenied,
    NumberNotFound,
)
from sautikitd.numbers.models import NumberRecord
from sautikitd.numbers.releases import NumberReleases
from sautikitd.numbers.requests import AvailableQuery, ClaimNumber, NumbersQuery, Routing, RoutingPatch
from sautikitd.numbers.routing import NumberRouting
from sautikitd.numbers.views import (
    AvailableNumber,
    Number,
    NumberReleased,
    NumberShown,
    rates_of,
    show,
    show_available,
    show_refund,
)
from sautikitd.wallet.errors import InsufficientFunds

_ROUTING_ERRORS = (NumberNotFound, NotAssigned, EmergencyUnsupported, DestinationForbidden)


class NumberRoutes:
    tag = "Numbers"

    def __init__(self, claims: NumberClaims, routing: NumberRouting, releases: NumberReleases) -> None:
        self._claims = claims
        self._routing = routing
        self._releases = releases

    @endpoint(
        "GET",
        "/v1/numbers/available",
        scope=Scope.NUMBERS_READ,
        query=AvailableQuery,
        answers={200: Page[AvailableNumber]},
    )
    async def list_available(self, request: ApiRequest[None, AvailableQuery]) -> Answer:
        """List numbers that can be claimed.

        In test mode these are +254200000001 to +254200000020, which every workspace has to itself.
        """
        query, after = request.query, decode_cursor(request.query.cursor)
        rates = await rates_of(request.connection, request.principal.workspace_id, request.now)
        rows = await inventory_repository.available(
            request.connection, request.principal, query, after=after, limit=query.limit + 1
        )
        return Answer(
            body=page(rows, query.limit, lambda row: show_available(row, rates), lambda row: row.id)
        )

    @endpoint(
        "POST",
        "/v1/numbers/claim",
        scope=Scope.NUMBERS_WRITE,
        body=ClaimNumber,
        answers={201: NumberShown},
        errors=(InsufficientFunds, NumberNotFound, AlreadyClaimed, NoneAvailable, NumberDenied),
    )
    async def claim(self, request: ApiRequest[ClaimNumber, None]) -> Answer:
        """Claim a number.

        Charges the rental for the rest of the month, today included, and its VAT. Emits `number.provisioned`.
        """
        number = await self._claims.claim(
            request.connection, request.principal, request.body, _actor(request), request.now
        )
        return Answer(
            status=201,
            body=await _shown(request, number),
            headers={"Location": f"/v1/numbers/{number.id}"},
        )

    @endpoint("GET", "/v1/numbers", scope=Scope.NUMBERS_READ, query=NumbersQuery, answers={200: Page[Number]})
    async def list_numbers(self, request: ApiRequest[None, NumbersQuery]) -> Answer:
        """List your numbers.

        Newest first. Released ones only with `status=released`.
        """
        query, after = request.query, decode_cursor(request.query.cursor)
        rates = await rates_of(request.connection, request.principal.workspace_id, request.now)
        rows = await repository.newest(
            request.connection, request.principal, status=query.status, after=after, limit=query.limit + 1
        )
        return Answer(body=page(rows, query.limit, lambda row: show(row, rates), lambda row: row.id))

    @endpoint(
        "GET",
        "/v1/numbers/{number_id}",
        scope=Scope.NUMBERS_READ,
        answers={200: NumberShown},
        errors=(NumberNotFound,),
    )
    async def read(self, request: ApiRequest[None, None]) -> Answer:
        """Read a number."""
        number = await repository.find(request.connection, request.principal, _number_id(request))
        if number is None:
            raise NumberNotFound
        return Answer(body=await _shown(request, number))

    @endpoint(
        "PATCH",
        "/v1/numbers/{number_id}/routing",
        scope=Scope.NUMBERS_WRITE,
        body=RoutingPatch,
        answers={200: NumberShown},
        errors=_ROUTING_ERRORS,
    )
    async def change_routing(self, request: ApiRequest[RoutingPatch, None]) -> Answer:
        """Change where calls to a number go.

        What is left out stays as it is; null clears.
        """
        return await self._route(request)

    @endpoint(
        "PUT",
        "/v1/numbers/{number_id}/routing",
        scope=Scope.NUMBERS_WRITE,
        body=Routing,
        answers={200: NumberShown},
        errors=_ROUTING_ERRORS,
    )
    async def replace_routing(self, request: ApiRequest[Routing, None]) -> Answer:
        """Replace where calls to a number go.

        What is left out gets its default.
        """
        return await self._route(request)

    @endpoint(
        "DELETE",
        "/v1/numbers/{number_id}",
        scope=Scope.NUMBERS_WRITE,
        answers={200: NumberReleased},
        errors=(NumberNotFound,),
    )
    async def release(self, request: ApiRequest[None, None]) -> Answer:
        """Release a number.

        Billing stops; the unused days come back, net and VAT. Live calls finish. Repeating it is harmless and
        answers with the same refund. Emits `number.released`.
        """
        released = await self._releases.release(
            request.connection, request.principal, _number_id(request), _actor(request), request.now
        )
        shown = await _shown(request, released)
        return Answer(body=NumberReleased(shown.number, show_refund(released.refund)))

    async def _route(self, request: ApiRequest[Any, None]) -> Answer:
        changed = await self._routing.change(
            request.connection,
            request.principal,
            _number_id(request),
            request.body,
            _actor(request),
            request.now,
        )
        return Answer(body=await _shown(request, changed))


def _actor(request: ApiRequest[Any, Any]) -> Actor:
    return Actor.of(request.principal, request.source_address)


def _number_id(request: ApiRequest[Any, Any]) -> UUID:
    try:
        return UUID(request.path["number_id"])
    except ValueError as exc:
        raise NumberNotFound from exc


async def _shown(request: ApiRequest[Any, Any], number: NumberRecord) -> NumberShown:
    rates = await rates_of(request.connection, request.principal.workspace_id, request.now)
    return NumberShown(show(number, rates))
