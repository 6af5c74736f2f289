"""What staff does with money that is in nobody's wallet: give it to a workspace, or note that it was sent back."""

import dataclasses
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sautikitd.clock import Clock
from sautikitd.database.pool import Connection
from sautikitd.identity import audit
from sautikitd.identity.audit import Actor
from sautikitd.payments import receipt_repository as receipts
from sautikitd.payments import request_repository as requests
from sautikitd.payments.errors import CaseClosed, CaseNotFound, CaseNotReversible, ReversalUnderWay
from sautikitd.payments.models import Place, SuspenseCase, SuspenseReason, SuspenseState
from sautikitd.payments.settlement import receipt_cause
from sautikitd.wallet.models import Account, Cause, Details, EntryRef, EntryType, LedgerAccount
from sautikitd.wallet.service import Wallets
from sautikitd.wallet.unowned import move_unowned


class Suspense:
    """Each method works inside the caller's transaction, audited. A case is closed once and for ever."""

    def __init__(self, wallets: Wallets, clock: Clock) -> None:
        self._wallets = wallets
        self._clock = clock

    async def open_cases(self, connection: Connection) -> Sequence[dict[str, Any]]:
        """The open ones, oldest first, with what is known of their payments."""
        return await receipts.open_cases(connection)

    async def assign(
        self, connection: Connection, case_id: UUID, workspace_id: UUID, note: str, actor: Actor
    ) -> EntryRef:
        """Puts the money into the workspace's wallet of the case's mode; a case below zero takes it out again.

        Raises `CaseNotFound`, `CaseClosed`, `ReversalUnderWay`, and what the wallet raises for a workspace without one.
        """
        case = await self._open(connection, case_id)
        if await requests.reversal_under_way(connection, case_id):
            raise ReversalUnderWay(receipt=case.receipt)
        account, now = Account(workspace_id, case.mode), self._clock.now()
        close = (case.id, SuspenseState.ASSIGNED, note, now)
        await receipts.close_case(connection, *close, workspace_id=workspace_id)
        if case.reason is not SuspenseReason.DIFFERENCE:
            await receipts.move(connection, case.mode, case.receipt, Place.WALLET, workspace_id=workspace_id)
        entry = await self._move(connection, case, account, note)
        await self._note(connection, case, "suspense.assign", note, actor, workspace_id)
        return entry

    async def reverse(self, connection: Connection, case_id: UUID, note: str, actor: Actor) -> SuspenseCase:
        """Notes that the payment was sent back to its payer, in M-PESA's portal. Raises `CaseNotFound`,
        `CaseClosed`, and `CaseNotReversible` for the difference of a payment that was credited."""
        case, now = await self.reversible(connection, case_id), self._clock.now()
        await receipts.close_case(connection, case.id, SuspenseState.REVERSED, note, now)
        await receipts.move(connection, case.mode, case.receipt, Place.REVERSED, topup_id=case.topup_id)
        moved = [
            (LedgerAccount.SUSPENSE, -case.amount_minor),
            (LedgerAccount.MPESA_CLEARING, case.amount_minor),
        ]
        details = Details(description="Sent back to the payer", reference=case.receipt)
        await move_unowned(connection, case.mode, f"{case.id}/reversed", moved, details, now)
        await self._note(connection, case, "suspense.reverse", note, actor, None)
        return case

    async def find(self, connection: Connection, case_id: UUID) -> SuspenseCase | None:
        """Locked, whatever its state."""
        return await receipts.lock_case(connection, case_id)

    async def reversible(self, connection: Connection, case_id: UUID) -> SuspenseCase:
        """An open case that can be sent back, locked. Raises `CaseNotFound`, `CaseClosed`,
        and `CaseNotReversible` for the difference of a payment that was credited."""
        case = await self._open(connection, case_id)
        if case.reason is SuspenseReason.DIFFERENCE:
            raise CaseNotReversible
        return case

    @staticmethod
    async def _open(connection: Connection, case_id: UUID) -> SuspenseCase:
        case = await receipts.lock_case(connection, case_id)
        if case is None:
            raise CaseNotFound(case_id=case_id)
        if case.state is not SuspenseState.OPEN:
            raise CaseClosed(state=case.state)
        return case

    async def _move(
        self, connection: Connection, case: SuspenseCase, account: Account, note: str
    ) -> EntryRef:
        if case.reason is SuspenseReason.DIFFERENCE:
            cause = Cause(EntryType.ADJUSTMENT, f"suspense/{case.id}")
            return await self._wallets.adjust(
                connection, account, cause, case.amount_minor, note, against=LedgerAccount.SUSPENSE
            )
        cause = Cause(EntryType.TOP_UP, receipt_cause(case.mode, case.receipt))
        details = Details(
            description="M-PESA payment, assigned", reference=case.receipt, topup_id=case.topup_id
        )
        return await self._wallets.credit(
            connection, account, cause, case.amount_minor, details, source=LedgerAccount.SUSPENSE
        )

    async def _note(
        self,
        connection: Connection,
        case: SuspenseCase,
        action: str,
        note: str,
        actor: Actor,
        workspace_id: UUID | None,
    ) -> None:
        actor = dataclasses.replace(actor, workspace_id=workspace_id, mode=case.mode)
        detail = {"receipt": case.receipt, "amount_minor": case.amount_minor, "reason": note}
        await audit.record(connection, actor, action, str(case.id), detail, now=self._clock.now())
