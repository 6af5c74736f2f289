"""Where money comes in: every channel ends here, and each receipt's money goes to exactly one place, once.

Everything works inside the caller's transaction. Locks: top-up, receipt, suspense case, wallet.
"""

from datetime import datetime
from uuid import UUID

import msgspec
import structlog

from sautikitd.clock import Clock
from sautikitd.database.pool import Connection
from sautikitd.events.kinds import EventKind, TopUpPayload
from sautikitd.events.models import Event, Mode
from sautikitd.ids import uuid7
from sautikitd.payments import receipt_repository as receipts
from sautikitd.payments import repository
from sautikitd.payments import request_repository as requests
from sautikitd.payments.models import (
    Payment,
    Place,
    SuspenseReason,
    SuspenseState,
    TopUp,
    TopUpStatus,
)
from sautikitd.payments.receipt_repository import Receipt
from sautikitd.payments.references import TopUpReference, WorkspaceReference, read_reference
from sautikitd.payments.result_codes import FailureCode, words_of
from sautikitd.wallet.models import Account, Cause, Details, EntryRef, EntryType, LedgerAccount
from sautikitd.wallet.money import CURRENCY
from sautikitd.wallet.service import EventRecorder, Wallets
from sautikitd.wallet.unowned import move_unowned

log = structlog.get_logger()


class Settlement:
    def __init__(self, wallets: Wallets, events: EventRecorder, clock: Clock) -> None:
        self._wallets = wallets
        self._events = events
        self._clock = clock

    @property
    def wallets(self) -> Wallets:
        return self._wallets

    async def receive(self, connection: Connection, payment: Payment) -> None:
        """Money has arrived, so a channel says. Harmless to repeat, in any order and through any channel."""
        now = self._clock.now()
        topup = await self._topup_of(connection, payment)
        if topup is not None:
            await self._receive_for(connection, payment, topup, now)
            return
        workspace_id = await self._workspace_of(connection, payment)
        if workspace_id is not None:
            await self._receive_for_workspace(connection, payment, workspace_id, now)
            return
        await self._suspend(connection, payment, SuspenseReason.UNKNOWN_REFERENCE, None, now)

    async def paid(self, connection: Connection, mode: Mode, topup_id: UUID) -> None:
        """A query says that a top-up is paid, and tells neither receipt nor amount: what was asked is credited.

        The receipt is attached when a channel brings it. Nothing happens where a payment meant for this
        top-up is in suspense: that is what the query spoke of.
        """
        topup = await repository.lock(connection, mode, topup_id)
        if topup is None or topup.status is TopUpStatus.SUCCEEDED:
            return
        if await receipts.holds_money_of(connection, topup_id):
            return
        await self._credit(connection, topup, None, LedgerAccount.MPESA_CLEARING, self._clock.now())

    async def failed(self, connection: Connection, mode: Mode, topup_id: UUID, code: FailureCode) -> None:
        """A pending top-up has failed; any other stays what it is."""
        topup = await repository.lock(connection, mode, topup_id)
        if topup is not None:
            await self._fail(connection, topup, code, self._clock.now())

    async def _topup_of(self, connection: Connection, payment: Payment) -> TopUp | None:
        if payment.topup_id is not None:
            return await repository.lock(connection, payment.mode, payment.topup_id)
        reference = read_reference(payment.reference or "")
        if isinstance(reference, TopUpReference):
            return await repository.lock_referred(connection, payment.mode, reference.text)
        return None

    @staticmethod
    async def _workspace_of(connection: Connection, payment: Payment) -> UUID | None:
        reference = read_reference(payment.reference or "")
        if isinstance(reference, WorkspaceReference):
            return await repository.workspace_with(connection, reference.digits)
        return None

    async def _receive_for(
        self, connection: Connection, payment: Payment, topup: TopUp, now: datetime
    ) -> None:
        """A payment that names a top-up: by the path of its callback, or by its reference."""
        unpaid = topup.status is not TopUpStatus.SUCCEEDED
        if not unpaid and topup.receipt is not None and topup.receipt != payment.receipt:
            await self._suspend(connection, payment, SuspenseReason.PAID_TWICE, topup, now)
            return
        if unpaid and topup.amount_minor != payment.amount_minor:
            if await self._suspend(connection, payment, SuspenseReason.AMOUNT_DIFFERS, topup, now):
                await self._fail(connection, topup, FailureCode.AMOUNT_MISMATCH, now)
            return
        place = {"workspace_id": topup.workspace_id, "topup_id": topup.id}
        if not await receipts.add(connection, payment, Place.WALLET, **place, now=now):
            await self._seen_again(connection, payment, topup, now)
        elif unpaid:
            await self._credit(connection, topup, payment.receipt, LedgerAccount.MPESA_CLEARING, now)
        else:
            await self._attach(connection, payment, topup, now)

    async def _receive_for_workspace(
        self, connection: Connection, payment: Payment, workspace_id: UUID, now: datetime
    ) -> None:
        """A payment to the Paybill with a workspace's own account."""
        topup_id, account = uuid7(), Account(workspace_id, payment.mode)
        if not await receipts.add(
            connection, payment, Place.WALLET, workspace_id=workspace_id, topup_id=None, now=now
        ):
            await self._seen_again(connection, payment, None, now)
            return
        topup = await repository.add_paybill(
            connection, topup_id, account, payment.amount_minor, payment.reference or "", payment.receipt, now
        )
        await receipts.move(
            connection,
            payment.mode,
            payment.receipt,
            Place.WALLET,
            workspace_id=workspace_id,
            topup_id=topup_id,
        )
        cause = Cause(EntryType.TOP_UP, receipt_cause(payment.mode, payment.receipt))
        details = Details(description="Paybill top-up", reference=payment.receipt, topup_id=topup_id)
        entry = await self._wallets.credit(connection, account, cause, payment.amount_minor, details)
        await self._tell_success(connection, topup, payment.receipt, entry, late=False, now=now)

    async def _seen_again(
        self, connection: Connection, payment: Payment, topup: TopUp | None, now: datetime
    ) -> None:
        """The receipt is known. What is new may be whose it is, where another channel left it in suspense."""
        receipt = await receipts.seen_again(connection, payment, now)
        if receipt.amount_minor != payment.amount_minor:
            log.error("two channels tell different amounts of a receipt", receipt=payment.receipt)
            return
        if topup is None or receipt.topup_id == topup.id:
            return
        if receipt.place is Place.SUSPENSE and await self._match(connection, receipt, topup, now):
            return
        log.warning(
            "a receipt that is used was told for another top-up", receipt=payment.receipt, topup=str(topup.id)
        )
        await repository.check_soon(connection, topup, now)

    async def _match(self, connection: Connection, receipt: Receipt, topup: TopUp, now: datetime) -> bool:
        """Takes a payment out of suspense for the top-up it turns out to pay. False where it does not fit."""
        case = await receipts.lock_case_of(connection, receipt.mode, receipt.receipt)
        if case is None or case.state is not SuspenseState.OPEN:
            return False
        if await requests.reversal_under_way(connection, case.id):
            return False
        if case.reason is not SuspenseReason.UNKNOWN_REFERENCE or receipt.amount_minor != topup.amount_minor:
            return False
        if topup.status is TopUpStatus.SUCCEEDED and topup.receipt is not None:
            return False
        await receipts.close_case(connection, case.id, SuspenseState.MATCHED, f"top-up {topup.id}", now)
        place = {"workspace_id": topup.workspace_id, "topup_id": topup.id}
        await receipts.move(connection, receipt.mode, receipt.receipt, Place.WALLET, **place)
        if topup.status is not TopUpStatus.SUCCEEDED:
            await self._credit(connection, topup, receipt.receipt, LedgerAccount.SUSPENSE, now)
            return True
        await repository.attach_receipt(connection, topup, receipt.receipt)
        moved = [
            (LedgerAccount.SUSPENSE, -receipt.amount_minor),
            (LedgerAccount.MPESA_CLEARING, receipt.amount_minor),
        ]
        details = Details(
            description="Out of suspense: it pays a credited top-up",
            reference=receipt.receipt,
            topup_id=topup.id,
        )
        await move_unowned(connection, receipt.mode, f"{case.id}/matched", moved, details, now)
        return True

    async def _attach(self, connection: Connection, payment: Payment, topup: TopUp, now: datetime) -> None:
        """The receipt of a top-up that a query had already had us credit. A difference goes to suspense."""
        await repository.attach_receipt(connection, topup, payment.receipt)
        difference = payment.amount_minor - topup.amount_minor
        if difference:
            await self._open_case(connection, payment, difference, SuspenseReason.DIFFERENCE, topup, now)

    async def _suspend(
        self,
        connection: Connection,
        payment: Payment,
        reason: SuspenseReason,
        topup: TopUp | None,
        now: datetime,
    ) -> bool:
        """False when the receipt was known already."""
        topup_id = topup.id if topup else None
        if not await receipts.add(
            connection, payment, Place.SUSPENSE, workspace_id=None, topup_id=topup_id, now=now
        ):
            await self._seen_again(connection, payment, topup, now)
            return False
        await self._open_case(connection, payment, payment.amount_minor, reason, topup, now)
        return True

    async def _open_case(
        self,
        connection: Connection,
        payment: Payment,
        amount_minor: int,
        reason: SuspenseReason,
        topup: TopUp | None,
        now: datetime,
    ) -> None:
        case_id, topup_id = uuid7(), topup.id if topup else None
        await receipts.open_case(connection, case_id, payment, amount_minor, reason, topup_id, now)
        moved = [(LedgerAccount.SUSPENSE, amount_minor), (LedgerAccount.MPESA_CLEARING, -amount_minor)]
        details = Details(description=f"In suspense: {reason}", reference=payment.receipt, topup_id=topup_id)
        await move_unowned(connection, payment.mode, str(case_id), moved, details, now)
        log.warning("payment in suspense", case=str(case_id), reason=reason, mode=payment.mode)

    async def _credit(
        self,
        connection: Connection,
        topup: TopUp,
        receipt: str | None,
        source: LedgerAccount,
        now: datetime,
    ) -> None:
        await repository.succeed(connection, topup, receipt, now)
        details = Details(
            description="M-PESA top-up", reference=receipt or topup.reference, topup_id=topup.id
        )
        entry = await self._wallets.credit(
            connection,
            Account(topup.workspace_id, topup.mode),
            Cause(EntryType.TOP_UP, str(topup.id)),
            topup.amount_minor,
            details,
            source=source,
        )
        late = topup.status is TopUpStatus.FAILED
        if late:
            log.warning("late money for a failed top-up", topup=str(topup.id))
        await self._tell_success(connection, topup, receipt, entry, late=late, now=now)

    async def _fail(self, connection: Connection, topup: TopUp, code: FailureCode, now: datetime) -> None:
        if topup.status is not TopUpStatus.PENDING:
            return
        await repository.fail(connection, topup, code, now)
        words = words_of(code)
        payload = TopUpPayload(
            topup_id=topup.id,
            amount_minor=topup.amount_minor,
            currency=CURRENCY,
            provider="mpesa",
            failure_code=code,
            reason=words.reason if words else None,
            advice=words.advice if words else None,
        )
        await self._tell(connection, topup, EventKind.WALLET_TOP_UP_FAILED, payload, now)

    async def _tell_success(
        self,
        connection: Connection,
        topup: TopUp,
        receipt: str | None,
        entry: EntryRef,
        *,
        late: bool,
        now: datetime,
    ) -> None:
        payload = TopUpPayload(
            topup_id=topup.id,
            amount_minor=topup.amount_minor,
            currency=CURRENCY,
            provider="mpesa",
            provider_reference=receipt,
            new_balance_minor=entry.balance_after_minor,
            late=late,
        )
        await self._tell(connection, topup, EventKind.WALLET_TOP_UP, payload, now)

    async def _tell(
        self, connection: Connection, topup: TopUp, kind: EventKind, payload: TopUpPayload, now: datetime
    ) -> None:
        event = Event(
            id=uuid7(),
            workspace_id=topup.workspace_id,
            mode=topup.mode,
            kind=kind,
            data=msgspec.to_builtins(payload),
            occurred_at=now,
        )
        await self._events.record(connection, event)


def receipt_cause(mode: Mode, receipt: str) -> str:
    """The ledger's cause of a receipt's money where no top-up of ours asked for it."""
    return f"mpesa/{mode}/{receipt}"
