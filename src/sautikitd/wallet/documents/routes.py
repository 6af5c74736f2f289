"""`/v1/wallet/statements/{month}.pdf` and `/v1/topups/{id}/receipt.pdf`."""

import asyncio
import re
from datetime import date
from uuid import UUID

from sautikitd.errors import Refusal
from sautikitd.http.endpoint import Answer, ApiRequest, endpoint
from sautikitd.identity.principal import Scope
from sautikitd.wallet.documents.month import monthly_statement, receipt
from sautikitd.wallet.documents.paper import Operator
from sautikitd.wallet.documents.receipt_page import receipt_pdf
from sautikitd.wallet.documents.statement_page import statement_pdf
from sautikitd.wallet.models import Account

_MONTH = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])\.pdf", re.ASCII)


class StatementNotFound(Refusal):
    code = "wallet.statement_not_found"
    status = 404
    message = (
        "There is no statement of that month: ask for one like 2026-11.pdf, since the workspace was made."
    )


class StatementOfAllNumbers(Refusal):
    code = "api_key.number_denied"
    status = 403
    message = "A month's statement is about all numbers, and this key is limited to some. Use a key without that limit."


class ReceiptNotFound(Refusal):
    code = "topups.receipt_not_found"
    status = 404
    message = "There is no receipt: no money has come in by that top-up (yet)."


class DocumentRoutes:
    tag = "Wallet"

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    @endpoint(
        "GET",
        "/v1/wallet/statements/{document}",
        scope=Scope.WALLET_READ,
        answers={200: "application/pdf"},
        errors=(StatementNotFound, StatementOfAllNumbers),
    )
    async def statement(self, request: ApiRequest[None, None]) -> Answer:
        """Read a month's statement as PDF.

        `document` is the month, like `2026-11.pdf`. Taxes are itemised. The running month's is provisional.
        """
        if request.principal.number_ids is not None:
            raise StatementOfAllNumbers
        named = _MONTH.fullmatch(request.path["document"])
        if named is None:
            raise StatementNotFound
        account = Account(request.principal.workspace_id, request.principal.mode)
        first_day = date(int(named[1]), int(named[2]), 1)
        found = await monthly_statement(request.connection, account, first_day, request.now)
        if found is None:
            raise StatementNotFound
        pdf = await asyncio.to_thread(statement_pdf, found, self._operator)
        return _pdf(pdf, found.number)

    @endpoint(
        "GET",
        "/v1/topups/{topup_id}/receipt.pdf",
        scope=Scope.WALLET_READ,
        answers={200: "application/pdf"},
        errors=(ReceiptNotFound,),
    )
    async def receipt(self, request: ApiRequest[None, None]) -> Answer:
        """Read a top-up's receipt as PDF."""
        try:
            topup_id = UUID(request.path["topup_id"])
        except ValueError as exc:
            raise ReceiptNotFound from exc
        account = Account(request.principal.workspace_id, request.principal.mode)
        found = await receipt(request.connection, account, topup_id)
        if found is None:
            raise ReceiptNotFound
        return _pdf(await asyncio.to_thread(receipt_pdf, found, self._operator), found.number)


def _pdf(content: bytes, name: str) -> Answer:
    headers = {"Content-Disposition": f'inline; filename="{name}.pdf"'}
    return Answer(body=content, media_type="application/pdf", headers=headers)
