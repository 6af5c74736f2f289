"""`GET /v1/wallet/spend`."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from sautikitd.http.checks import Circumstances, Fault, rule
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.identity.principal import Scope
from sautikitd.spending.report import By, Spent, spent
from sautikitd.wallet.models import Account
from sautikitd.wallet.money import CURRENCY

Time = Annotated[datetime, msgspec.Meta(tz=True)]
_WINDOW = timedelta(days=30)
_LONGEST = timedelta(days=366)


class SpendQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """`from` is included, `to` is not; the last thirty days where they are left out, a year at most."""

    by: By = By.DAY
    from_: Time | None = None
    to: Time | None = None

    @rule
    def is_a_span_of_time(self, _: Circumstances) -> Iterator[Fault]:
        if self.from_ and self.to and not timedelta(0) < self.to - self.from_ <= _LONGEST:
            yield Fault("/to", "must be after from, by a year at most")


class Spending(msgspec.Struct, kw_only=True):
    by: By
    data: list[Spent]
    total_minor: int
    currency: str = CURRENCY


class SpendingRoutes:
    tag = "Wallet"

    @endpoint("GET", "/v1/wallet/spend", scope=Scope.WALLET_READ, query=SpendQuery, answers={200: Spending})
    async def spend(self, request: ApiRequest[None, SpendQuery]) -> Answer:
        """Read what was spent, by number, destination or day.

        VAT included, refunds taken off. A destination is a prefix of the tariff with the name it had when the call was
        placed (`254720`, `Kenya, Safaricom mobile`), or `rental`: as finely as the tariff tells them apart.
        """
        query, principal = request.query, request.principal
        end = query.to or (query.from_ + _WINDOW if query.from_ else request.now + timedelta(seconds=1))
        start = query.from_ or end - _WINDOW
        account = Account(principal.workspace_id, principal.mode)
        found = await spent(request.connection, account, query.by, start, end, principal.number_ids)
        total = sum(row.total_minor for row in found)
        return Answer(body=Spending(by=query.by, data=list(found), total_minor=total))
