"""Sending a payment in suspense back through Daraja, at most once, and learning what became of it (`mpesa.md` §5)."""

import dataclasses
from datetime import timedelta
from uuid import UUID

import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import Connection, Database
from sautikitd.events.models import Mode
from sautikitd.identity import audit
from sautikitd.identity.audit import OPERATOR, Actor
from sautikitd.ids import uuid7
from sautikitd.payments import request_repository as requests
from sautikitd.payments.accounts import CallbackPaths
from sautikitd.payments.daraja.client import DarajaClient
from sautikitd.payments.daraja.outcomes import Accepted, Outcome, Rejected
from sautikitd.payments.errors import DarajaRefused, ReversalUnderWay
from sautikitd.payments.models import RequestState, SuspenseState
from sautikitd.payments.notices import ResultNotice
from sautikitd.payments.request_repository import MpesaRequest
from sautikitd.payments.suspense import Suspense

log = structlog.get_logger()

_SENT_BACK = {"0", "R000001"}  # R000001: it was sent back before
_REFUSED = {"1", "11", "21", "2001", "2006", "2028", "8006", "R000002"}
_CHECK_AFTER = timedelta(minutes=5)
_STAFF_AFTER = timedelta(days=2)
_LOOK_EVERY_S = 0.5
_STATUS_FAILED = {"failed", "cancelled", "declined", "expired"}


class Reversals:
    def __init__(
        self,
        *,
        database: Database,
        clients: dict[Mode, DarajaClient],
        paths: CallbackPaths,
        suspense: Suspense,
        clock: Clock,
    ) -> None:
        self._database = database
        self._clients = clients
        self._paths = paths
        self._suspense = suspense
        self._clock = clock

    def available(self, mode: Mode) -> bool:
        """Whether the mode has an initiator; else payments are sent back in M-PESA's portal."""
        client = self._clients.get(mode)
        return client is not None and client.account.has_initiator

    async def request(self, case_id: UUID, note: str, actor: Actor = OPERATOR) -> MpesaRequest:
        """Asks for the reversal of a case's payment, audited: the case closes when M-PESA says that the money went back.

        Raises `CaseNotFound`, `CaseClosed`, `CaseNotReversible`, `ReversalUnderWay`, and `DarajaRefused` when
        it was certainly not done. An unknown outcome is none of these: it waits for its result.
        """
        now = self._clock.now()
        async with self._database.transaction() as connection:
            case = await self._suspense.reversible(connection, case_id)
            new = MpesaRequest(
                id=uuid7(),
                mode=case.mode,
                kind="reversal",
                receipt=case.receipt,
                amount_minor=case.amount_minor,
                case_id=case.id,
                note=note,
                state=RequestState.SENDING,
                asked_at=now,
            )
            if not await requests.claim(connection, new, now + _CHECK_AFTER):
                raise ReversalUnderWay(receipt=case.receipt)
            actor = dataclasses.replace(actor, mode=case.mode)
            detail = {"receipt": case.receipt, "amount_minor": case.amount_minor, "reason": note}
            await audit.record(connection, actor, "suspense.reversal_request", str(case.id), detail, now=now)
        outcome = await self._clients[new.mode].reverse(
            new.receipt, case.amount_minor // 100, *self._urls(new)
        )
        await self._note(new, outcome)
        if isinstance(outcome, Rejected):
            raise DarajaRefused(why=outcome.message or outcome.code)
        return new

    async def ask_status(self, mode: Mode, receipt: str, about: MpesaRequest | None = None) -> UUID:
        """Asks M-PESA what became of a payment, or of the reversal `about`; the result comes as a callback.

        Raises `DarajaRefused`; an answer that got lost is none, for its result may still come.
        """
        if not self.available(mode):
            raise DarajaRefused(why="SAUTIKIT_DARAJA_INITIATOR and its password and certificate are not set")
        new = MpesaRequest(
            id=uuid7(),
            mode=mode,
            kind="status",
            receipt=receipt,
            about=about.id if about else None,
            state=RequestState.SENDING,
            asked_at=self._clock.now(),
        )
        async with self._database.transaction() as connection:
            await requests.claim(connection, new, None)
        known = about.conversation_id if about else None
        outcome = await self._clients[mode].transaction_status(receipt, known or "", *self._urls(new))
        await self._note(new, outcome)
        if isinstance(outcome, Rejected):
            raise DarajaRefused(why=outcome.message or outcome.code)
        return new.id

    async def wait_for(self, request_id: UUID, seconds: float) -> MpesaRequest | None:
        """The request once its result is there; None when it is not within `seconds`."""
        until = self._clock.now() + timedelta(seconds=seconds)
        while True:
            async with self._database.transaction() as connection:
                request = await requests.lock(connection, request_id)
            if request is not None and request.state == RequestState.DONE:
                return request
            if self._clock.now() >= until:
                return None
            await self._clock.sleep(_LOOK_EVERY_S)

    async def check(self) -> None:
        """Asks for the status of reversals whose result has not come."""
        now = self._clock.now()
        async with self._database.transaction() as connection:
            waiting = await requests.claim_checks(connection, now)
        for reversal in waiting:
            if now - reversal.asked_at > _STAFF_AFTER:
                log.error(
                    "a reversal has no result: look for it in M-PESA's portal, and note what you see there with "
                    "`sautikitd suspense reverse --recorded`",
                    receipt=reversal.receipt,
                    case=str(reversal.case_id),
                )
            try:
                await self.ask_status(reversal.mode, reversal.receipt, reversal)
            except DarajaRefused as exc:
                log.error("a reversal's outcome is unknown", receipt=reversal.receipt, why=str(exc))

    async def take(self, connection: Connection, request_id: UUID, notice: ResultNotice) -> None:
        """A result has come, for the first time or once more. Works inside the caller's transaction."""
        request = await requests.lock(connection, request_id)
        if request is None or request.state == RequestState.DONE:
            return
        if request.kind == "reversal":
            await self._reversed(connection, request, notice.result_code)
            return
        await requests.finish(
            connection,
            request.id,
            RequestState.DONE,
            notice.result_code,
            self._clock.now(),
            told=notice.status,
            told_amount_minor=notice.amount_minor,
        )
        if request.about is not None and notice.result_code == "0":
            await self._learn(connection, request.about, notice.status.lower())

    async def _learn(self, connection: Connection, reversal_id: UUID, status: str) -> None:
        """By its conversation a reversal is `completed`; a payment asked for by its receipt is `reversed`."""
        reversal = await requests.lock(connection, reversal_id)
        if reversal is None or reversal.state == RequestState.DONE:
            return
        by_conversation = reversal.conversation_id is not None
        if status == "reversed" or (by_conversation and status == "completed"):
            await self._reversed(connection, reversal, "0")
        elif by_conversation and status in _STATUS_FAILED:
            await requests.finish(connection, reversal.id, RequestState.REFUSED, status, self._clock.now())

    async def _reversed(self, connection: Connection, reversal: MpesaRequest, code: str) -> None:
        now = self._clock.now()
        if code in _SENT_BACK:
            assert reversal.case_id is not None
            await requests.finish(connection, reversal.id, RequestState.DONE, code, now)
            case = await self._suspense.find(connection, reversal.case_id)
            if case is not None and case.state is SuspenseState.REVERSED:
                return  # staff saw it in the portal first
            if case is None or case.state is not SuspenseState.OPEN:
                log.error("money of a closed case was sent back", case=str(reversal.case_id))
                return
            await self._suspense.reverse(connection, reversal.case_id, reversal.note, OPERATOR)
        elif code in _REFUSED and reversal.state != RequestState.REFUSED:
            log.error("M-PESA refused a reversal", receipt=reversal.receipt, result_code=code)
            await requests.finish(connection, reversal.id, RequestState.REFUSED, code, now)
        else:
            log.error("a reversal ended in an unknown way", receipt=reversal.receipt, result_code=code[:20])

    async def _note(self, request: MpesaRequest, outcome: Outcome[str]) -> None:
        async with self._database.connection() as connection:
            if isinstance(outcome, Rejected):
                await requests.finish(
                    connection, request.id, RequestState.REFUSED, outcome.code, self._clock.now()
                )
            else:
                conversation = outcome.value if isinstance(outcome, Accepted) else None
                await requests.sent(connection, request.id, conversation)

    def _urls(self, request: MpesaRequest) -> tuple[str, str]:
        base = self._clients[request.mode].account.callback_base
        return base + self._paths.request(request.id, "result"), base + self._paths.request(
            request.id, "timeout"
        )
