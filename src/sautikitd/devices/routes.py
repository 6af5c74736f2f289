"""`/v1/numbers/{number_id}/sip-credentials`, `/v1/webrtc/token`, `/v1/sip/token`."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sautikitd.clock import Clock
from sautikitd.devices import binding_repository, credential_repository
from sautikitd.devices.addresses import DeviceAddresses
from sautikitd.devices.credentials import SipCredentials
from sautikitd.devices.errors import CredentialNotFound, TooManyCredentials
from sautikitd.devices.models import CredentialRecord
from sautikitd.devices.requests import CreateCredential, CreateToken
from sautikitd.devices.views import (
    DeviceToken,
    SipCredential,
    SipCredentialSecret,
    show,
    show_secret,
    show_token,
)
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.http.fields import PageQuery
from sautikitd.http.pagination import Page, decode_cursor, page
from sautikitd.identity.audit import Actor
from sautikitd.identity.principal import Scope
from sautikitd.numbers.errors import NotAssigned, NumberInactive, NumberNotFound
from sautikitd.numbers.lookup import only_number, own_number
from sautikitd.numbers.models import NumberRecord

_PATH = "/v1/numbers/{number_id}/sip-credentials"


class DeviceRoutes:
    tag = "Devices"

    def __init__(self, credentials: SipCredentials, addresses: DeviceAddresses, clock: Clock) -> None:
        self._credentials = credentials
        self._addresses = addresses
        self._clock = clock

    @endpoint(
        "POST",
        _PATH,
        scope=Scope.NUMBERS_WRITE,
        body=CreateCredential,
        body_optional=True,
        answers={201: SipCredentialSecret},
        errors=(NumberNotFound, NotAssigned, TooManyCredentials),
    )
    async def create(self, request: ApiRequest[CreateCredential, None]) -> Answer:
        """Let a softphone or a PBX call as a number.

        The password is shown this once. The device registers at `domain` over UDP, TCP or TLS, or at `ws_url` from a
        browser, presents this number only, and is rung by `dial` with its username as `client`.
        """
        number = await own_number(
            request.connection, request.principal, _uuid(request, "number_id"), lock=True
        )
        made = await self._credentials.create(
            request.connection, number, request.body.label, _actor(request), request.now
        )
        return Answer(
            status=201,
            body=show_secret(made, self._addresses),
            headers={"Location": f"/v1/numbers/{number.id}/sip-credentials/{made.credential.id}"},
            secret=True,
        )

    @endpoint(
        "GET",
        _PATH,
        scope=Scope.NUMBERS_READ,
        query=PageQuery,
        answers={200: Page[SipCredential]},
        errors=(NumberNotFound, NotAssigned),
    )
    async def list_credentials(self, request: ApiRequest[None, PageQuery]) -> Answer:
        """List the SIP credentials of a number.

        Newest first, each with the devices that are registered with it now.
        """
        query, after = request.query, decode_cursor(request.query.cursor)
        number = await own_number(request.connection, request.principal, _uuid(request, "number_id"))
        rows = await credential_repository.newest(
            request.connection, number.id, after=after, limit=query.limit + 1
        )
        devices = await binding_repository.of_credentials(
            request.connection, [row.id for row in rows], self._clock.now()
        )

        def shown(row: CredentialRecord) -> SipCredential:
            return show(row, devices.get(row.id, ()), self._addresses)

        return Answer(body=page(rows, query.limit, shown, lambda row: row.id))

    @endpoint(
        "POST",
        _PATH + "/{credential_id}/rotate",
        scope=Scope.NUMBERS_WRITE,
        answers={200: SipCredentialSecret},
        errors=(NumberNotFound, NotAssigned, CredentialNotFound),
    )
    async def rotate(self, request: ApiRequest[None, None]) -> Answer:
        """Give a SIP credential a new password.

        The old one is refused at once and its devices are forgotten until they register with the new one; calls that
        are up go on. To change devices one by one, make a second credential first and delete the old one after.
        """
        number = await own_number(request.connection, request.principal, _uuid(request, "number_id"))
        rotated = await self._credentials.rotate(
            request.connection, number.id, _credential_id(request, number), _actor(request), request.now
        )
        return Answer(body=show_secret(rotated, self._addresses), secret=True)

    @endpoint(
        "DELETE",
        _PATH + "/{credential_id}",
        scope=Scope.NUMBERS_WRITE,
        answers={204: None},
        errors=(NumberNotFound, NotAssigned, CredentialNotFound),
    )
    async def delete(self, request: ApiRequest[None, None]) -> Answer:
        """Delete a SIP credential.

        Its devices can neither call nor be rung any more; calls that are up go on.
        """
        number = await own_number(request.connection, request.principal, _uuid(request, "number_id"))
        await self._credentials.delete(
            request.connection, number.id, _credential_id(request, number), _actor(request), request.now
        )
        return Answer(status=204)

    @endpoint(
        "POST",
        "/v1/webrtc/token",
        scope=Scope.WEBRTC_TOKEN,
        body=CreateToken,
        body_optional=True,
        answers={201: DeviceToken},
        errors=(NumberNotFound, NumberInactive),
    )
    @endpoint(
        "POST",
        "/v1/sip/token",
        scope=Scope.WEBRTC_TOKEN,
        body=CreateToken,
        body_optional=True,
        answers={201: DeviceToken},
        errors=(NumberNotFound, NumberInactive),
    )
    async def mint_token(self, request: ApiRequest[CreateToken, None]) -> Answer:
        """Let a browser or an app call for a while.

        A credential that ends by itself: ask for one on your server and hand it to the page, which registers over
        `ws_url` with any SIP library for browsers. It calls as the number, and `dial` rings it by `identity` or by its
        username as `client`.
        """
        wish, now = request.body, self._clock.now()
        number = await self._number_of(request)
        made = await self._credentials.mint(
            request.connection, number, wish.identity, now + timedelta(seconds=wish.ttl_seconds), now
        )
        return Answer(
            status=201,
            body=show_token(made, number.e164, self._addresses),
            headers={"Location": f"/v1/numbers/{number.id}/sip-credentials"},
            secret=True,
        )

    @staticmethod
    async def _number_of(request: ApiRequest[CreateToken, None]) -> NumberRecord:
        if request.body.number_id is not None:
            return await own_number(
                request.connection, request.principal, request.body.number_id, working=True
            )
        number = await only_number(request.connection, request.principal)
        assert number is not None  # else it was refused before (`CreateToken`)
        return number


def _actor(request: ApiRequest[Any, Any]) -> Actor:
    return Actor.of(request.principal, request.source_address)


def _uuid(request: ApiRequest[Any, Any], name: str) -> UUID:
    try:
        return UUID(request.path[name])
    except ValueError as exc:
        raise NumberNotFound from exc


def _credential_id(request: ApiRequest[Any, Any], number: NumberRecord) -> UUID:
    try:
        return UUID(request.path["credential_id"])
    except ValueError as exc:
        raise CredentialNotFound(number_id=number.id) from exc
