"""A thin Daraja client on httpx, after `mpesa.md` §12: what has left us is never sent a second time by itself.

Logs hold neither secrets, nor phone numbers, nor CheckoutRequestIDs (they are made of phone digits).
"""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
import structlog

from sautikitd.clock import NAIROBI, Clock
from sautikitd.payments.daraja.account import DarajaAccount
from sautikitd.payments.daraja.answers import Fields, Invalid, read
from sautikitd.payments.daraja.outcomes import (
    NO_TOKEN,
    UNREACHABLE,
    Accepted,
    Outcome,
    OutcomeUnknown,
    PulledRow,
    PushTicket,
    QueryVerdict,
    Rejected,
)
from sautikitd.payments.daraja.tokens import FetchedToken, Token, TokenStore

log = structlog.get_logger()

_TIMEOUT = httpx.Timeout(30, connect=5)
_LIMITS = httpx.Limits(max_connections=20, max_keepalive_connections=10)
_PULL_NONE = "1001"
_PULL_OK = {"1000", "0"}
_RAW = Fields | Rejected | OutcomeUnknown


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt to show: `phone` as 2547XXXXXXXX, `shillings` whole, `reference` at most twelve characters."""

    phone: str
    shillings: int
    reference: str
    callback_url: str


class DarajaClient:
    """One account's client. Use it as a context manager; it keeps connections."""

    def __init__(
        self,
        account: DarajaAccount,
        tokens: TokenStore,
        clock: Clock,
        *,
        timeout: httpx.Timeout = _TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.account = account
        self._tokens = tokens
        self._clock = clock
        self._http = httpx.AsyncClient(
            base_url=account.base_url,
            timeout=timeout,
            limits=_LIMITS,
            transport=transport,
            trust_env=False,
        )
        self._under_way: set[asyncio.Task[httpx.Response]] = set()

    async def __aenter__(self) -> "DarajaClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._http.aclose()

    async def push(self, push: Push) -> Outcome[PushTicket]:
        """Shows an STK prompt. Sent at most once: only a request that provably never left us is `Rejected.not_sent`."""
        timestamp, password = self.account.signature(self._clock.now())
        body = {
            "BusinessShortCode": self.account.shortcode,
            "Password": password,
            "Timestamp": timestamp,
            "TransactionType": "CustomerPayBillOnline",
            "Amount": push.shillings,
            "PartyA": push.phone,
            "PartyB": self.account.shortcode,
            "PhoneNumber": push.phone,
            "CallBackURL": push.callback_url,
            "AccountReference": push.reference,
            "TransactionDesc": "Top-up",
        }
        answer = await self._send("/mpesa/stkpush/v1/processrequest", body)
        if not isinstance(answer, Fields):
            return answer
        code, ticket = answer.text("ResponseCode"), answer.text("CheckoutRequestID")
        if code and code != "0":
            return Rejected(code, answer.text("ResponseDescription"))
        return Accepted(PushTicket(ticket)) if code and ticket else OutcomeUnknown("no ticket in the answer")

    async def query(self, checkout_request_id: str) -> Outcome[QueryVerdict]:
        """What became of a push. Anything but a ResultCode is no answer, and says nothing (`mpesa.md` §4)."""
        timestamp, password = self.account.signature(self._clock.now())
        body = {
            "BusinessShortCode": self.account.shortcode,
            "Password": password,
            "Timestamp": timestamp,
            "CheckoutRequestID": checkout_request_id,
        }
        answer = await self._send("/mpesa/stkpushquery/v1/query", body)
        if not isinstance(answer, Fields):
            return answer
        verdict = answer.text("ResultCode")  # ResponseCode only says that the query was accepted
        return Accepted(QueryVerdict(verdict)) if verdict else OutcomeUnknown("no ResultCode in the answer")

    async def register_paybill(
        self, confirmation_url: str, validation_url: str, *, version: str = "v2"
    ) -> Outcome[None]:
        """Tells Daraja where to post C2B payments, and to let them through when we do not answer.

        In production it takes this once for ever; a second time is `Rejected` with "Urls are already registered".
        """
        body = {
            "ShortCode": self.account.shortcode,
            "ResponseType": "Completed",
            "ConfirmationURL": confirmation_url,
            "ValidationURL": validation_url,
        }
        answer = await self._send(f"/mpesa/c2b/{version}/registerurl", body)
        if isinstance(answer, OutcomeUnknown) and "already registered" in answer.why.lower():
            return Rejected("500.003.1001", "Urls are already registered")
        return _acknowledged(answer, {"0", "00000000"}, "ResponseCode")

    async def register_pull(self, nominated_phone: str, callback_url: str) -> Outcome[None]:
        """Once a shortcode; being registered already is as good."""
        body = {
            "ShortCode": self.account.shortcode,
            "RequestType": "Pull",
            "NominatedNumber": nominated_phone,
            "CallBackURL": callback_url,
        }
        answer = await self._send("/pulltransactions/v1/register", body)
        return _acknowledged(answer, {"1000", "1001"}, "ResponseStatus")

    async def pull(self, start: datetime, end: datetime, offset: int = 0) -> Outcome[Sequence[PulledRow]]:
        """One page of the payments in a window of the last 48 hours; empty at the end."""
        body = {
            "ShortCode": self.account.shortcode,
            "StartDate": _nairobi(start),
            "EndDate": _nairobi(end),
            "OffSetValue": str(offset),
        }
        answer = await self._send("/pulltransactions/v1/query", body)
        if not isinstance(answer, Fields):
            return answer
        code = answer.text("ResponseCode")
        if code == _PULL_NONE:
            return Accepted(())
        if code not in _PULL_OK:
            return Rejected(code or "no_code", answer.text("ResponseMessage"))
        return Accepted([_row(row) for row in _flattened(answer.values.get("Response"))])

    async def reverse(self, receipt: str, shillings: int, result_url: str, timeout_url: str) -> Outcome[str]:
        """Asks for a payment to be sent back: the ConversationID its result will come under. Sent at most once."""
        return await self._initiate(
            "/mpesa/reversal/v1/request",
            {
                "CommandID": "TransactionReversal",
                "TransactionID": receipt,
                "Amount": shillings,
                "ReceiverParty": self.account.shortcode,
                "RecieverIdentifierType": "11",  # Daraja's own spelling
            },
            (result_url, timeout_url),
        )

    async def transaction_status(
        self, receipt: str, conversation_id: str, result_url: str, timeout_url: str
    ) -> Outcome[str]:
        """Asks what became of a request by its ConversationID, or (where that is empty) of a payment by its receipt."""
        named = {"OriginalConversationID": conversation_id} if conversation_id else {"TransactionID": receipt}
        party = {"PartyA": self.account.shortcode, "IdentifierType": "4"}
        return await self._initiate(
            "/mpesa/transactionstatus/v1/query",
            {"CommandID": "TransactionStatusQuery", **named, **party},
            (result_url, timeout_url),
        )

    async def _initiate(self, path: str, body: dict[str, Any], urls: tuple[str, str]) -> Outcome[str]:
        """What takes the initiator's right. The answer only acknowledges; the result is posted to the first URL."""
        common = {
            "Initiator": self.account.initiator,
            "SecurityCredential": self.account.security_credential,
            "ResultURL": urls[0],
            "QueueTimeOutURL": urls[1],
            "Remarks": "Payment without an owner",
            "Occasion": "",
        }
        answer = await self._send(path, body | common)
        if not isinstance(answer, Fields):
            return answer
        code, conversation = answer.text("ResponseCode"), answer.text("ConversationID")
        if code and code != "0":
            return Rejected(code, answer.text("ResponseDescription"))
        return Accepted(conversation) if code and conversation else OutcomeUnknown("no ConversationID")

    async def _send(self, path: str, body: dict[str, Any]) -> _RAW:
        """POSTs once; once more only with a new token, when the old one was refused and nothing executed."""
        answer: _RAW | Invalid = Invalid()
        for _ in range(2):
            token = await self._token()
            if not isinstance(token, Token):
                return token
            answer = await self._post(path, body, token)
            if not isinstance(answer, Invalid):
                break
            await self._tokens.invalidate(self.account.mode, token)
        if isinstance(answer, Invalid):
            return Rejected("invalid_token", "Daraja refuses even a new access token")
        if not isinstance(answer, Fields):
            log.info("daraja answered otherwise", path=path, mode=self.account.mode, answer=_shown(answer))
        return answer

    async def _post(self, path: str, body: dict[str, Any], token: Token) -> _RAW | Invalid:
        headers = {"Authorization": f"Bearer {token.value}"}
        try:
            return read(await self._to_its_end(self._http.post(path, json=body, headers=headers)))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as exc:
            return Rejected(UNREACHABLE, type(exc).__name__, retryable=True)
        except httpx.HTTPError as exc:
            return OutcomeUnknown(type(exc).__name__)

    async def _to_its_end(self, request: Coroutine[Any, Any, httpx.Response]) -> httpx.Response:
        """Awaits a request that goes on by itself, within its time limits, should whoever awaits it be cancelled.

        httpcore loses a connection of its pool for good when a task is cancelled in it: after twenty, nothing
        would be sent any more (found by the chaos run).
        """
        task = asyncio.create_task(request)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: "asyncio.Task[httpx.Response]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, so that nobody warns of it where the one who waited is gone

    async def _token(self) -> Token | Rejected:
        mode = self.account.mode
        if token := await self._tokens.current(mode):
            return token
        if not await self._tokens.claim(mode):
            waited = await self._tokens.wait_for_other(mode)
            return waited or Rejected(NO_TOKEN, "no access token was fetched", retryable=True)
        try:
            fetched = await self._fetch_token()
            if isinstance(fetched, FetchedToken):
                return await self._tokens.store(mode, fetched)
        except BaseException:
            await self._tokens.give_up(mode)
            raise
        await self._tokens.give_up(mode)
        return fetched

    async def _fetch_token(self) -> FetchedToken | Rejected:
        """Retried once: a GET that moves nothing."""
        why = ""
        for _ in range(2):
            try:
                response = await self._to_its_end(
                    self._http.get(
                        "/oauth/v1/generate",
                        params={"grant_type": "client_credentials"},
                        headers={"Authorization": self.account.basic},
                    )
                )
                answer = read(response)
            except httpx.HTTPError as exc:
                why = type(exc).__name__
                continue
            if isinstance(answer, Fields) and answer.text("access_token"):
                seconds = answer.text("expires_in")  # 3599 or "3599"
                lifetime = timedelta(seconds=int(seconds) if seconds.isdigit() else 3599)
                return FetchedToken(answer.text("access_token"), lifetime)
            why = f"HTTP {response.status_code}"
        log.warning("daraja gives no access token", mode=self.account.mode, why=why)
        return Rejected(NO_TOKEN, why, retryable=True)


def _acknowledged(answer: _RAW, good: set[str], field: str) -> Outcome[None]:
    if not isinstance(answer, Fields):
        return answer
    code = answer.text(field)
    return Accepted(None) if code in good else Rejected(code, answer.text("ResponseDescription"))


def _flattened(rows: Any) -> list[dict[str, Any]]:
    """The portal shows a list of lists; a plain list has been seen too."""
    found: list[dict[str, Any]] = []
    for row in rows if isinstance(rows, list) else []:
        found += _flattened(row) if isinstance(row, list) else [row] if isinstance(row, dict) else []
    return found


def _row(row: dict[str, Any]) -> PulledRow:
    def text(name: str) -> str:
        return str(row.get(name) or "").strip()

    return PulledRow(
        receipt=text("transactionId"),
        amount=text("amount"),
        reference=text("billreference"),
        payer=text("msisdn"),
        time=text("trxDate"),
    )


def _nairobi(moment: datetime) -> str:
    return moment.astimezone(NAIROBI).strftime("%Y-%m-%d %H:%M:%S")


def _shown(answer: Rejected | OutcomeUnknown) -> str:
    return f"rejected {answer.code}" if isinstance(answer, Rejected) else f"unknown: {answer.why[:80]}"
