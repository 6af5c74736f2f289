"""Daraja's answers in all their shapes, and what the client makes of each."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx

from factories import BOX
from payments.office import Office
from sautikitd.clock import ManualClock
from sautikitd.database.pool import Database
from sautikitd.payments import accounts
from sautikitd.payments.daraja.client import DarajaClient, Push
from sautikitd.payments.daraja.outcomes import Accepted, OutcomeUnknown, PushTicket, QueryVerdict, Rejected
from sautikitd.payments.daraja.tokens import TokenStore
from sautikitd.settings import Address

PUSH = Push(phone="254712345678", shillings=1, reference="TABCDEFGH2", callback_url="http://127.0.0.1/x")
ACK = {"ResponseCode": "0", "CheckoutRequestID": "ws_CO_1", "MerchantRequestID": "1"}


class Answering:
    """A Daraja that gives tokens, and these answers to whatever else it is sent."""

    def __init__(self, *answers: Callable[[], httpx.Response]) -> None:
        self.answers = list(answers)
        self.tokens = 0
        self.requests: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/v1/generate":
            self.tokens += 1
            return httpx.Response(200, json={"access_token": f"t{self.tokens}", "expires_in": "3599"})
        self.requests.append(request)
        return self.answers.pop(0)()


def says(status: int, body: Any) -> Callable[[], httpx.Response]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda: httpx.Response(status, content=content)


def error(code: str, message: str = "") -> dict[str, str]:
    return {"requestId": "1", "errorCode": code, "errorMessage": message}


def breaks(kind: type[httpx.TransportError]) -> Callable[[], httpx.Response]:
    def fail() -> httpx.Response:
        raise kind("broken")

    return fail


def client_of(database: Database, daraja: Answering) -> DarajaClient:
    account = accounts.test_account(Address("127.0.0.1", 1), Address("127.0.0.1", 2))
    clock = ManualClock()
    return DarajaClient(
        account, TokenStore(database, BOX, clock), clock, transport=httpx.MockTransport(daraja)
    )


FAULT = {
    "fault": {"faultstring": "Spike", "detail": {"errorcode": "policies.ratelimit.SpikeArrestViolation"}}
}
SOAP = {"Envelope": {"Body": {"Fault": {"faultstring": "x"}}}}


OUTCOMES: list[tuple[Callable[[], httpx.Response], object]] = [
    (says(200, ACK), Accepted(PushTicket("ws_CO_1"))),
    (says(200, ACK | {"ResponseCode": 0}), Accepted(PushTicket("ws_CO_1"))),
    (says(200, ACK | {"ResponseCode": "1"}), Rejected("1", "")),
    (says(200, {"ResponseCode": "0"}), OutcomeUnknown("no ticket in the answer")),
    (says(400, error("400.002.02", "Bad")), Rejected("400.002.02", "Bad")),
    (says(200, error("400.002.02", "Bad")), Rejected("400.002.02", "Bad")),
    (says(500, error("500.003.02", "Busy")), Rejected("500.003.02", "Busy", True)),
    (says(429, FAULT), Rejected("policies.ratelimit.SpikeArrestViolation", "Spike", True)),
    (says(200, FAULT), Rejected("policies.ratelimit.SpikeArrestViolation", "Spike", True)),
    (says(429, b"slow down"), Rejected("429", "too many requests", True)),
    (
        says(500, error("500.001.1001", "Unable to lock subscriber, …")),
        Rejected("phone_locked", "Unable to lock subscriber, …", True),
    ),
    (
        says(500, error("500.001.1001", "Merchant does not exist")),
        Rejected("500.001.1001", "Merchant does not exist"),
    ),
    (says(500, error("500.001.1001")), OutcomeUnknown("500.001.1001 ")),
    (says(500, error("500.003.1001", "Internal")), OutcomeUnknown("500.003.1001 Internal")),
    (says(200, b"<html>gateway</html>"), OutcomeUnknown("HTTP 200 with a body that is no JSON")),
    (says(502, b""), OutcomeUnknown("HTTP 502 with a body that is no JSON")),
    (says(200, SOAP), OutcomeUnknown("a SOAP fault")),
    (says(200, []), OutcomeUnknown("HTTP 200 with JSON that is no object")),
    (says(503, {"message": "x"}), OutcomeUnknown("HTTP 503 without a known answer")),
    (breaks(httpx.ReadTimeout), OutcomeUnknown("ReadTimeout")),
    (breaks(httpx.RemoteProtocolError), OutcomeUnknown("RemoteProtocolError")),
    (breaks(httpx.ConnectError), Rejected("unreachable", "ConnectError", True)),
]


async def test_a_push_has_one_of_three_outcomes_and_is_sent_once(database: Database) -> None:
    for number, (answer, expected) in enumerate(OUTCOMES):
        daraja = Answering(answer)
        async with client_of(database, daraja) as client:
            assert await client.push(PUSH) == expected, number
        assert len(daraja.requests) == 1, number


INVALID_TOKEN = [
    *(error(code) for code in ("404.001.03", "401.002.01", "400.003.01", "401.001")),
    {
        "fault": {
            "faultstring": "Invalid Access Token",
            "detail": {"errorcode": "oauth.v2.InvalidAccessToken"},
        }
    },
]


async def test_an_invalid_token_is_replaced_once(database: Database) -> None:
    for refusal in INVALID_TOKEN:
        daraja = Answering(says(404, refusal), says(200, ACK))
        async with client_of(database, daraja) as client:
            assert isinstance(await client.push(PUSH), Accepted)
        stubborn = Answering(says(404, refusal), says(404, refusal))
        async with client_of(database, stubborn) as client:
            assert isinstance(await client.push(PUSH), Rejected)
        assert (len(daraja.requests), len(stubborn.requests)) == (2, 2)


async def test_a_query_tells_nothing_but_a_result_code(database: Database) -> None:
    final = {"ResponseCode": "0", "ResultCode": 1032, "ResultDesc": "Request cancelled by user"}
    daraja = Answering(says(200, final), says(200, error("500.001.1001")), says(200, {"ResponseCode": "0"}))
    async with client_of(database, daraja) as client:
        assert await client.query("ws_CO_1") == Accepted(QueryVerdict("1032"))
        assert isinstance(await client.query("ws_CO_1"), OutcomeUnknown)
        assert isinstance(await client.query("ws_CO_1"), OutcomeUnknown)


async def test_many_workers_share_one_token(office: Office) -> None:
    """A new token kills the old one, so two that fetched at once would shoot each other's requests down."""
    account, clock = office.accounts.test, office.clock
    async with (
        DarajaClient(account, TokenStore(office.database, BOX, clock), clock) as one,
        DarajaClient(account, TokenStore(office.database, BOX, clock), clock) as two,
    ):
        asked = [client.query("unknown") for client in (one, two, one, two, one, two)]
        assert all(isinstance(answer, OutcomeUnknown) for answer in await asyncio.gather(*asked))
        assert office.simulator.api.tokens_given == 1
        office.simulator.api.expire_token()
        assert isinstance(await one.query("unknown"), OutcomeUnknown)
        assert office.simulator.api.tokens_given == 2


async def test_cancelled_requests_leave_room_for_others(office: Office) -> None:
    """A pool of httpx loses the connections that tasks are cancelled in; ours must not, or nothing is sent after twenty."""
    client = office.parts.clients["test"]
    await client.query("unknown")  # a token: who dies fetching one holds up the others for 20 s
    for delay in range(120):
        asked = asyncio.gather(*(client.query("unknown") for _ in range(4)))
        await asyncio.sleep(delay / 40_000)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
    async with asyncio.timeout(10):
        answers = await asyncio.gather(*(client.query("unknown") for _ in range(20)))
    assert all(isinstance(answer, OutcomeUnknown) for answer in answers)
    assert {answer.why for answer in answers if isinstance(answer, OutcomeUnknown)} == {
        "500.001.1001 The transaction does not Exist"
    }


async def test_the_token_is_kept_encrypted_and_renewed_in_time(database: Database) -> None:
    daraja = Answering(*[says(200, ACK)] * 3)
    async with client_of(database, daraja) as client:
        clock: Any = client._clock
        await client.push(PUSH)
        async with database.connection() as connection:
            assert b"t1" not in await connection.fetchval(
                "SELECT token_encrypted FROM daraja_tokens WHERE mode = 'test'"
            )
        clock.advance(timedelta(minutes=50).total_seconds())
        await client.push(PUSH)
        clock.advance(timedelta(minutes=8).total_seconds())
        await client.push(PUSH)
    assert daraja.tokens == 2


async def test_the_password_is_made_of_nairobi_time(database: Database) -> None:
    daraja = Answering(says(200, ACK))
    async with client_of(database, daraja) as client:
        await client.push(PUSH)
    sent = json.loads(daraja.requests[0].content)
    assert sent["Timestamp"] == "20261123120000"  # 09:00 UTC
    assert "asskey" not in json.dumps(sent)


def test_an_account_does_not_show_its_secrets() -> None:
    shown = repr(accounts.test_account(Address("127.0.0.1", 1), Address("127.0.0.1", 2)))
    assert "passkey" not in shown
    assert "consumer" not in shown
