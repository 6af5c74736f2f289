"""`/v1/wallet/auto-topup`: one setting a workspace and mode."""

from typing import Annotated

import msgspec

from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.identity import audit
from sautikitd.identity.audit import Actor
from sautikitd.identity.principal import Scope
from sautikitd.payments.auto_topups import repository
from sautikitd.payments.auto_topups.repository import AutoTopUp
from sautikitd.payments.models import WholeShillings
from sautikitd.payments.requests import SavedPhone, e164_of
from sautikitd.timestamps import rfc3339
from sautikitd.wallet.models import Account
from sautikitd.wallet.service import LARGEST_THRESHOLD


class SetAutoTopUp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the balance falls below `below_minor`, `phone_e164` gets an M-PESA prompt for `amount_minor`."""

    phone_e164: SavedPhone
    amount_minor: WholeShillings
    below_minor: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_THRESHOLD)]


class AutoTopUpSetting(msgspec.Struct, frozen=True, kw_only=True):
    """Whose phone is asked for how much, once the balance is below `below_minor`."""

    phone_e164: str
    amount_minor: int
    below_minor: int
    updated_at: str


class AutoTopUpShown(msgspec.Struct, frozen=True, kw_only=True):
    """Null while there is none."""

    auto_topup: AutoTopUpSetting | None


class AutoTopUpRoutes:
    tag = "Top-ups"

    @endpoint("GET", "/v1/wallet/auto-topup", scope=Scope.WALLET_TOPUP, answers={200: AutoTopUpShown})
    async def read_auto_topup(self, request: ApiRequest[None, None]) -> Answer:
        """Read the auto-top-up."""
        found = await repository.find(request.connection, _account(request))
        return Answer(body=_show(found))

    @endpoint(
        "PUT",
        "/v1/wallet/auto-topup",
        scope=Scope.WALLET_TOPUP,
        body=SetAutoTopUp,
        answers={200: AutoTopUpShown},
    )
    async def set_auto_topup(self, request: ApiRequest[SetAutoTopUp, None]) -> Answer:
        """Have top-ups offered when the balance is low.

        Each is an ordinary top-up, paid only with the PIN typed on the phone: at most three a day, an hour after one that
        failed at the earliest, and never while another is pending.
        """
        wish = request.body
        wanted = AutoTopUp(
            phone_e164=e164_of(wish.phone_e164),
            amount_minor=wish.amount_minor,
            below_minor=wish.below_minor,
            updated_at=request.now,
        )
        await repository.put(request.connection, _account(request), wanted)
        detail = {"amount_minor": wish.amount_minor, "below_minor": wish.below_minor}
        actor = Actor.of(request.principal, request.source_address)
        await audit.record(request.connection, actor, "auto_topup.set", detail=detail, now=request.now)
        return Answer(body=_show(wanted))

    @endpoint("DELETE", "/v1/wallet/auto-topup", scope=Scope.WALLET_TOPUP, answers={204: None})
    async def remove_auto_topup(self, request: ApiRequest[None, None]) -> Answer:
        """End the auto-top-up and forget its phone. Without one it changes nothing."""
        if await repository.remove(request.connection, _account(request)):
            actor = Actor.of(request.principal, request.source_address)
            await audit.record(request.connection, actor, "auto_topup.remove", now=request.now)
        return Answer(status=204)


def _show(found: AutoTopUp | None) -> AutoTopUpShown:
    if found is None:
        return AutoTopUpShown(auto_topup=None)
    setting = AutoTopUpSetting(
        phone_e164=found.phone_e164,
        amount_minor=found.amount_minor,
        below_minor=found.below_minor,
        updated_at=rfc3339(found.updated_at),
    )
    return AutoTopUpShown(auto_topup=setting)


def _account(request: ApiRequest[SetAutoTopUp, None] | ApiRequest[None, None]) -> Account:
    return Account(request.principal.workspace_id, request.principal.mode)
