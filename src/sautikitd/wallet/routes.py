"""`/v1/wallet`, `/v1/test/wallet/refill`, `/v1/public/pricing` (contract §7, §9)."""

from typing import Annotated, Any, Literal

import msgspec

from sautikitd.database.pool import Database
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.http.errors import InvalidCursor
from sautikitd.http.fields import Cursor
from sautikitd.http.pagination import Limit, Page, decode_cursor, page
from sautikitd.http.time_window import TimeWindow
from sautikitd.identity.principal import Principal, Scope
from sautikitd.wallet.errors import RefillNeedsTestKey
from sautikitd.wallet.models import Account, Balance, EntryType, StatementEntry
from sautikitd.wallet.service import LARGEST_THRESHOLD, Wallets
from sautikitd.wallet.statements import StatementFilters, statements, statements_csv
from sautikitd.wallet.tariffs import PriceList, price_list


class ListStatements(TimeWindow, kw_only=True, forbid_unknown_fields=True):
    """`from` (`created_after`) is included, `to` (`created_before`) is not: RFC 3339 or unix seconds."""

    limit: Limit = 25
    cursor: Cursor = None
    type: EntryType | None = None
    format: Literal["json", "csv"] = "json"


class SetThreshold(msgspec.Struct, forbid_unknown_fields=True):
    """A balance below `threshold_minor` counts as low. Zero: only a balance below zero does."""

    threshold_minor: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_THRESHOLD)]


class WalletRoutes:
    tag = "Wallet"

    def __init__(self, wallets: Wallets, database: Database) -> None:
        self._wallets = wallets
        self._database = database

    @endpoint("GET", "/v1/wallet/balance", scope=Scope.WALLET_READ, answers={200: Balance})
    @endpoint("GET", "/v1/wallet", scope=Scope.WALLET_READ, answers={200: Balance})
    async def balance(self, request: ApiRequest[None, None]) -> Answer:
        """Read the balance.

        `balance_minor` = `available_minor` + `held_minor`: what live calls may still cost is held.
        """
        return Answer(body=await self._wallets.balance(request.connection, _account(request.principal)))

    @endpoint(
        "GET",
        "/v1/wallet/statements",
        scope=Scope.WALLET_READ,
        query=ListStatements,
        answers={200: (Page[StatementEntry], "text/csv")},
        errors=(InvalidCursor,),
    )
    async def statements(self, request: ApiRequest[None, ListStatements]) -> Answer:
        """List everything that moved the balance, newest first.

        A key that is limited to numbers sees what they cost.
        With `format=csv` every matching entry is streamed as CSV.
        """
        account, query = _account(request.principal), request.query
        filters = StatementFilters(
            created_after=query.start,
            created_before=query.end,
            type=query.type,
            number_ids=request.principal.number_ids,
        )
        if query.format == "csv":
            named = {"Content-Disposition": 'attachment; filename="statement.csv"'}
            stream = statements_csv(self._database, account, filters)
            return Answer(stream=stream, media_type="text/csv", headers=named)
        after = decode_cursor(query.cursor)
        rows = await statements(request.connection, account, filters, after, query.limit + 1)
        return Answer(body=page(rows, query.limit, lambda entry: entry, lambda entry: entry.id))

    @endpoint(
        "PATCH",
        "/v1/wallet/threshold",
        scope=Scope.WALLET_WRITE,
        body=SetThreshold,
        answers={200: Balance},
    )
    async def set_threshold(self, request: ApiRequest[SetThreshold, None]) -> Answer:
        """Set the low-balance threshold.

        `wallet.low_balance` is sent once when the balance falls below it, and again only after it has recovered.
        """
        account = _account(request.principal)
        wanted = request.body.threshold_minor
        balance = await self._wallets.set_threshold(request.connection, account, wanted, request.now)
        return Answer(body=balance)

    @endpoint(
        "POST",
        "/v1/test/wallet/refill",
        scope=Scope.WALLET_TOPUP,
        answers={200: Balance},
        errors=(RefillNeedsTestKey,),
    )
    async def refill(self, request: ApiRequest[None, None]) -> Answer:
        """Refill the test wallet to KES 1,000.

        With a test key only. A wallet that holds more is left alone.
        """
        if request.principal.mode != "test":
            raise RefillNeedsTestKey
        workspace_id = request.principal.workspace_id
        balance = await self._wallets.refill_test_wallet(request.connection, workspace_id, request.now)
        return Answer(body=balance)

    @endpoint("GET", "/v1/public/pricing", authenticated=False, browser_safe=True, answers={200: PriceList})
    async def pricing(self, request: ApiRequest[Any, None]) -> Answer:
        """Read the price list. No key is needed.

        Rentals are before VAT (`vat_basis_points`: 1600 is 16 %), rates per minute include it.
        """
        return Answer(body=await price_list(request.connection, request.now))


def _account(principal: Principal) -> Account:
    return Account(principal.workspace_id, principal.mode)
