"""Reversal and TransactionStatus: acknowledged at once, their results posted later (`mpesa.md` §5).

The payer's phone says what goes wrong, by its script or the tables: the response is lost, or nothing is taken; the
result is lost, doubled or late.
"""

import secrets
from typing import Any

import msgspec
from aiohttp import web

from sautikitd.payments.daraja.account import DarajaAccount
from sautikitd.simulators.daraja.api import DarajaApi, answer_error
from sautikitd.simulators.daraja.behaviours import Answer, Behaviour
from sautikitd.simulators.daraja.mpesa import SimulatedMpesa
from sautikitd.simulators.daraja.pushes import Paid

_WORDS = {
    "0": "The service request is processed successfully.",
    "R000001": "The transaction has already been reversed.",
    "R000002": "The OriginalTransactionID is invalid.",
}


class InitiatorApi:
    def __init__(self, mpesa: SimulatedMpesa, account: DarajaAccount, api: DarajaApi) -> None:
        self._mpesa = mpesa
        self._account = account
        self._api = api
        self._reversals: dict[str, str] = {}  # the code each came to, by its ConversationID
        self.sent_back: set[str] = set()
        self.reversals_heard = 0

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/mpesa/reversal/v1/request", self._reverse),
            web.post("/mpesa/transactionstatus/v1/query", self._status),
        ]

    async def _reverse(self, request: web.Request) -> web.StreamResponse:
        body = await self._asked(request)
        if isinstance(body, web.Response):
            return body
        self.reversals_heard += 1
        receipt, conversation = str(body.get("TransactionID")), _conversation()
        paid = self._paid(receipt)
        behaviour = self._behaviour(paid)
        if behaviour.taken:
            code = "R000001" if receipt in self.sent_back else "0" if paid else "R000002"
            if code == "0":
                self.sent_back.add(receipt)
            self._reversals[conversation] = code
            self._tell(str(body["ResultURL"]), _result(conversation, code, {}), behaviour)
        return _acknowledged(request, behaviour.answer, conversation)

    async def _status(self, request: web.Request) -> web.StreamResponse:
        body = await self._asked(request)
        if isinstance(body, web.Response):
            return body
        conversation, original = _conversation(), str(body.get("OriginalConversationID") or "")
        receipt = str(body.get("TransactionID") or "")
        paid = self._paid(receipt)
        parameters: dict[str, Any] = {}
        code = "0" if paid or original in self._reversals else "2032"
        if original in self._reversals:
            parameters = {"TransactionStatus": "Completed" if self._reversals[original] == "0" else "Failed"}
        elif paid:
            status = "Reversed" if receipt in self.sent_back else "Completed"
            parameters = {"TransactionStatus": status, "Amount": float(paid.shillings), "ReceiptNo": receipt}
        self._tell(str(body["ResultURL"]), _result(conversation, code, parameters), Behaviour())
        return _acknowledged(request, Answer.OK, conversation)

    async def _asked(self, request: web.Request) -> dict[str, Any] | web.Response:
        if not self._api.authorised(request):
            return answer_error(404, "404.001.03", "Invalid Access Token")
        try:
            body = msgspec.json.decode(await request.read(), type=dict[str, Any])
        except msgspec.DecodeError:
            return answer_error(400, "400.002.05", "Invalid Request Payload")
        given = (body.get("Initiator"), body.get("SecurityCredential"))
        if given != (self._account.initiator, self._account.security_credential):
            return answer_error(400, "400.002.02", "Bad Request - Invalid Initiator")
        if not str(body.get("ResultURL", "")).startswith("http"):
            return answer_error(400, "400.002.02", "Bad Request - Invalid ResultURL")
        return body

    def _paid(self, receipt: str) -> Paid | None:
        return next((paid for paid in self._mpesa.paid if paid.receipt == receipt), None)

    def _behaviour(self, paid: Paid | None) -> Behaviour:
        return self._mpesa.behaviour(paid.phone, paid.shillings) if paid else Behaviour()

    def _tell(self, url: str, body: dict[str, Any], behaviour: Behaviour) -> None:
        for _ in range(behaviour.callbacks):
            self._mpesa.post_later(url, body, late=behaviour.late)


def _conversation() -> str:
    return f"AG_{secrets.token_hex(10)}"


def _result(conversation: str, code: str, parameters: dict[str, Any]) -> dict[str, Any]:
    rows = [{"Key": key, "Value": value} for key, value in parameters.items()]
    told: dict[str, Any] = {
        "ResultType": 0,
        "ResultCode": int(code) if code.isdigit() else code,
        "ResultDesc": _WORDS.get(code, "The transaction was not found."),
        "OriginatorConversationID": "8521-1",
        "ConversationID": conversation,
        "TransactionID": "SIM0000000",
    }
    if rows:
        told["ResultParameters"] = {"ResultParameter": rows if len(rows) > 1 else rows[0]}
    return {"Result": told}


def _acknowledged(request: web.Request, how: Answer, conversation: str) -> web.StreamResponse:
    if how is Answer.LOST:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()
    if how is Answer.SPIKE:
        return answer_error(500, "500.003.02", "Error Occurred: Spike Arrest Violation")
    answer = {
        "OriginatorConversationID": "8521-1",
        "ConversationID": conversation,
        "ResponseCode": "0",
        "ResponseDescription": "Accept the service request successfully.",
    }
    return web.json_response(answer)
