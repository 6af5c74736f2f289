"""Daraja's own endpoints, with its typos and its many shapes of refusal (`mpesa.md` §2–§6)."""

import base64
import secrets
from datetime import datetime, timedelta
from typing import Any

import msgspec
from aiohttp import web

from sautikitd.clock import NAIROBI
from sautikitd.payments.daraja.account import DarajaAccount
from sautikitd.simulators.daraja.behaviours import RESULT_WORDS, Answer, InFlight
from sautikitd.simulators.daraja.mpesa import PushRefused, SimulatedMpesa
from sautikitd.simulators.daraja.pushes import Paid, Prompt, Registration, masked

_PAGE = 100
_TOKEN_SECONDS = 3599
_PULL_REACH = timedelta(hours=48)
_HTML = "<html><body><h1>502 Bad Gateway</h1></body></html>"


class DarajaApi:
    def __init__(self, mpesa: SimulatedMpesa, account: DarajaAccount) -> None:
        self._mpesa = mpesa
        self._account = account
        self._token = ""
        self.tokens_given = 0
        self.pushes_heard = 0

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/oauth/v1/generate", self._generate),
            web.post("/mpesa/stkpush/v1/processrequest", self._push),
            web.post("/mpesa/stkpushquery/v1/query", self._query),
            web.post("/mpesa/c2b/{version:v[12]}/registerurl", self._register),
            web.post("/mpesa/c2b/{version:v[12]}/simulate", self._simulate),
            web.post("/pulltransactions/v1/register", self._register_pull),
            web.post("/pulltransactions/v1/query", self._pull),
        ]

    def expire_token(self) -> None:
        """As if somebody else had fetched a new one."""
        self._token = ""

    async def _generate(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != self._account.basic:
            return web.Response(status=400)
        if request.query.get("grant_type") != "client_credentials":
            return answer_error(400, "400.008.02", "Invalid grant type passed")
        self._token = secrets.token_urlsafe(21)  # 28 characters; the one before is dead now
        self.tokens_given += 1
        return _json({"access_token": self._token, "expires_in": str(_TOKEN_SECONDS)})

    def authorised(self, request: web.Request) -> bool:
        return bool(self._token) and request.headers.get("Authorization") == f"Bearer {self._token}"

    async def _push(self, request: web.Request) -> web.StreamResponse:
        if not self.authorised(request):
            return answer_error(404, "404.001.03", "Invalid Access Token")
        body = await _body(request)
        problem = self._problem_of(body)
        if problem:
            return problem
        self.pushes_heard += 1
        phone, shillings = str(body["PhoneNumber"]), int(body["Amount"])
        behaviour = self._mpesa.behaviour(phone, shillings)
        prompt: Prompt | None = None
        if behaviour.taken:
            try:
                prompt = self._mpesa.push(
                    phone, shillings, str(body["AccountReference"]), str(body["CallBackURL"])
                )
            except PushRefused:
                return answer_error(500, "500.001.1001", RESULT_WORDS["1001"])
            if behaviour.callback_first:
                await self._mpesa.answer_first(prompt)
        return _answer(request, behaviour.answer, prompt)

    def _problem_of(self, body: dict[str, Any]) -> web.Response | None:
        if str(body.get("BusinessShortCode")) != self._account.shortcode:
            return answer_error(400, "400.002.02", "Bad Request - Invalid BusinessShortCode")
        if not self._password_fits(body):
            return answer_error(500, "500.001.1001", "Wrong credentials")
        phone, amount = str(body.get("PhoneNumber", "")), str(body.get("Amount", ""))
        reference = str(body.get("AccountReference", ""))
        if not (phone.startswith("254") and phone.isdigit() and len(phone) == 12):
            return answer_error(400, "400.002.02", "Bad Request - Invalid PhoneNumber")
        if not amount.isdigit() or int(amount) < 1:
            return answer_error(400, "400.002.02", "Bad Request - Invalid Amount")
        if not 1 <= len(reference) <= 12:
            return answer_error(400, "400.002.02", "Bad Request - Invalid AccountReference")
        if not str(body.get("CallBackURL", "")).startswith("http"):
            return answer_error(400, "400.002.02", "Bad Request - Invalid CallBackURL")
        return None

    def _password_fits(self, body: dict[str, Any]) -> bool:
        text = f"{self._account.shortcode}{self._account.passkey}{body.get('Timestamp')}"
        return body.get("Password") == base64.b64encode(text.encode()).decode()

    async def _query(self, request: web.Request) -> web.Response:
        if not self.authorised(request):
            return answer_error(404, "404.001.03", "Invalid Access Token")
        body = await _body(request)
        if not self._password_fits(body):
            return answer_error(500, "500.001.1001", "Wrong credentials")
        prompt = self._mpesa.prompts.get(str(body.get("CheckoutRequestID")))
        if prompt is None:
            return answer_error(500, "500.001.1001", "The transaction does not Exist")
        prompt.queries += 1
        if prompt.queries <= prompt.behaviour.query_faults:
            return answer_error(500, "500.001.1001", "Internal Server Error")
        if prompt.open and prompt.behaviour.in_flight is InFlight.BUSY_500:
            return answer_error(500, "500.001.1001", "The transaction is being processed")
        if prompt.open and prompt.behaviour.in_flight is InFlight.EMPTY_200:
            return answer_error(200, "500.001.1001", "")
        code = prompt.result or "4999"
        words = (
            "The transaction is still under processing" if prompt.open else RESULT_WORDS.get(code, "Unknown")
        )
        return _json(
            {
                "ResponseCode": "0",
                "ResponseDescription": "The service request has been accepted successfully",
                "MerchantRequestID": prompt.merchant_request_id,
                "CheckoutRequestID": prompt.checkout_request_id,
                "ResultCode": code,
                "ResultDesc": words,
            }
        )

    async def _register(self, request: web.Request) -> web.Response:
        if not self.authorised(request):
            return answer_error(400, "400.003.01", "Invalid Access Token")
        body = await _body(request)
        wanted = Registration(
            confirmation_url=str(body.get("ConfirmationURL")),
            validation_url=str(body.get("ValidationURL")),
            response_type=str(body.get("ResponseType")),
            masked=request.match_info["version"] == "v2",
        )
        if wanted.response_type not in ("Completed", "Cancelled"):
            return answer_error(400, "400.002.02", "Bad Request - Invalid ResponseType")
        if self._mpesa.registration not in (None, wanted):
            return answer_error(500, "500.003.1001", "Urls are already registered")
        self._mpesa.registration = wanted
        return _json(
            {"OriginatorCoversationID": "7619-1", "ResponseCode": "0", "ResponseDescription": "Success"}
        )

    async def _simulate(self, request: web.Request) -> web.Response:
        if not self.authorised(request):
            return answer_error(400, "400.003.01", "Invalid Access Token")
        body = await _body(request)
        try:
            phone, shillings = str(int(body["Msisdn"])), int(body["Amount"])
        except (KeyError, ValueError, TypeError):
            return answer_error(400, "400.002.05", "Invalid Request Payload")
        await self._mpesa.pay_paybill(phone, shillings, str(body.get("BillRefNumber", "")))
        return _json(
            {
                "OriginatorCoversationID": "53e3-1",
                "ResponseCode": "0",
                "ResponseDescription": "Accept the service request successfully.",
            }
        )

    async def _register_pull(self, request: web.Request) -> web.Response:
        if not self.authorised(request):
            return answer_error(401, "401.001", "Invalid Access Token")
        return _json(
            {
                "ResponseRefID": "18633-1",
                "ResponseStatus": "1000",
                "ShortCode": self._account.shortcode,
                "ResponseDescription": "The service request is processed successfully.",
            }
        )

    async def _pull(self, request: web.Request) -> web.Response:
        if not self.authorised(request):
            return answer_error(401, "401.001", "Invalid Access Token")
        body = await _body(request)
        try:
            start, end = _time(body["StartDate"]), _time(body["EndDate"])
            offset = int(body.get("OffSetValue") or 0)
        except (KeyError, ValueError, TypeError):
            return answer_error(400, "400.002.05", "Invalid Request Payload")
        start = max(start, self._mpesa.clock.now() - _PULL_REACH)
        end += timedelta(seconds=1)  # the request names whole seconds
        rows = [paid for paid in self._mpesa.paid if start <= paid.paid_at < end][offset : offset + _PAGE]
        code, words = ("1000", "Success") if rows else ("1001", "No records found")
        answer = {"ResponseRefID": "26178-1", "ResponseCode": code, "ResponseMessage": words}
        return _json(answer | {"Response": [[_pull_row(paid) for paid in rows]]})


def _answer(request: web.Request, how: Answer, prompt: Prompt | None) -> web.StreamResponse:
    if how is Answer.LOST:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()
    if how is Answer.HTML:
        return web.Response(text=_HTML, content_type="text/html")
    if how is Answer.SPIKE:
        return answer_error(500, "500.003.02", "Error Occurred: Spike Arrest Violation")
    if how is Answer.ENVELOPE or prompt is None:
        return answer_error(200, "500.001.1001", RESULT_WORDS["1001"])
    return _json(
        {
            "MerchantRequestID": prompt.merchant_request_id,
            "CheckoutRequestID": prompt.checkout_request_id,
            "ResponseCode": "0",
            "ResponseDescription": "Success. Request accepted for processing",
            "CustomerMessage": "Success. Request accepted for processing",
        }
    )


def _pull_row(paid: Paid) -> dict[str, str]:
    return {
        "transactionId": paid.receipt,
        "trxDate": paid.paid_at.astimezone(NAIROBI).isoformat(timespec="seconds"),
        "msisdn": masked(paid.phone),
        "sender": "MPESA",
        "transactiontype": "c2b-pay-bill-debit",
        "billreference": paid.reference,
        "amount": f"{paid.shillings}.0",
        "organizationname": "Sautikit",
    }


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=NAIROBI)


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(await request.read())
    except msgspec.DecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def answer_error(status: int, code: str, message: str) -> web.Response:
    envelope = {"requestId": f"{secrets.token_hex(4)}-1", "errorCode": code, "errorMessage": message}
    return _json(envelope, status)


def _json(content: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(content), status=status, content_type="application/json")
