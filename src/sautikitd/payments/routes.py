"""`/v1/topups` (contract §7)."""

from uuid import UUID

from sautikitd.database.wake import Waker
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.http.errors import InvalidCursor
from sautikitd.http.pagination import Page, decode_cursor, page
from sautikitd.identity.audit import Actor
from sautikitd.identity.principal import Scope
from sautikitd.payments import repository, views
from sautikitd.payments.errors import (
    PushInProgress,
    TooManyPrompts,
    TooSoon,
    TopUpNotFound,
    TopUpsUnavailable,
)
from sautikitd.payments.requests import CreateTopUp, ListTopUps
from sautikitd.payments.service import CHANNEL, TopUps
from sautikitd.wallet.models import Account


class TopUpRoutes:
    tag = "Top-ups"

    def __init__(self, topups: TopUps, waker: Waker) -> None:
        self._topups = topups
        self._waker = waker

    @endpoint(
        "POST",
        "/v1/topups",
        scope=Scope.WALLET_TOPUP,
        body=CreateTopUp,
        answers={201: views.TopUpMade},
        errors=(PushInProgress, TooSoon, TooManyPrompts, TopUpsUnavailable),
    )
    async def create(self, request: ApiRequest[CreateTopUp, None]) -> Answer:
        """Top up the wallet by an M-PESA prompt.

        The phone shows a prompt within seconds; `wallet.top_up` or `wallet.top_up_failed` tells how it ended. With a test
        key the simulated M-PESA answers, by the last four digits of the phone.
        """
        principal, connection = request.principal, request.connection
        account = Account(principal.workspace_id, principal.mode)
        actor = Actor.of(principal, request.source_address)
        topup = await self._topups.request(connection, account, request.body, actor)
        request.after_commit.append(lambda: self._waker.wake(CHANNEL))
        made = views.TopUpMade(
            topup_id=topup.id,
            status=topup.status,
            mpesa_account_ref=await repository.account_reference(connection, principal.workspace_id),
            topup=views.show(topup),
        )
        return Answer(status=201, body=made, headers={"Location": f"/v1/topups/{topup.id}"})

    @endpoint(
        "GET",
        "/v1/topups",
        scope=Scope.WALLET_READ,
        query=ListTopUps,
        answers={200: Page[views.TopUp]},
        errors=(InvalidCursor,),
    )
    async def list(self, request: ApiRequest[None, ListTopUps]) -> Answer:
        """List top-ups, newest first: prompts and Paybill payments."""
        account = Account(request.principal.workspace_id, request.principal.mode)
        wish = request.query
        rows = await repository.newest(
            request.connection,
            account,
            after=decode_cursor(wish.cursor),
            limit=wish.limit + 1,
            status=wish.status,
            created_after=wish.start,
            created_before=wish.end,
        )
        return Answer(body=page(rows, wish.limit, views.show, lambda topup: topup.id))

    @endpoint(
        "GET",
        "/v1/topups/{topup_id}",
        scope=Scope.WALLET_READ,
        answers={200: views.TopUpShown},
        errors=(TopUpNotFound,),
    )
    async def read(self, request: ApiRequest[None, None]) -> Answer:
        """Read one top-up."""
        given = request.path["topup_id"]
        account = Account(request.principal.workspace_id, request.principal.mode)
        try:
            topup = await repository.find(request.connection, account, UUID(given))
        except ValueError:
            topup = None
        if topup is None:
            raise TopUpNotFound(topup_id=given[:64])
        return Answer(body=views.TopUpShown(views.show(topup)))
