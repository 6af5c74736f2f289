"""Wallets: the one place money moves. Every method works inside the caller's transaction and commits nothing.

Lock order: the caller has locked what the money is for (a call, a number) before he comes here; then the
hold, then the wallet. Whoever needs several wallets goes through them in the order of `Account`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from sautikitd.clock import Clock
from sautikitd.database.asking import Question
from sautikitd.database.pool import Connection
from sautikitd.errors import FieldProblem
from sautikitd.events.kinds import EventKind
from sautikitd.events.models import Event
from sautikitd.ids import uuid7
from sautikitd.wallet import hold_repository as holds
from sautikitd.wallet import repository
from sautikitd.wallet.errors import (
    CauseReused,
    CostAboveHold,
    InsufficientFunds,
    InvalidAmount,
    NoHold,
    NoWallet,
)
from sautikitd.wallet.hold_repository import Settled
from sautikitd.wallet.models import (
    Account,
    Balance,
    Bill,
    Cause,
    Coverage,
    Details,
    EntryRef,
    EntryType,
    Hold,
    HoldState,
    LedgerAccount,
    Line,
    Wish,
)
from sautikitd.wallet.money import CURRENCY, Minor
from sautikitd.wallet.prices import affordable_seconds
from sautikitd.wallet.repository import Change, Posting

TEST_BALANCE = Minor(100_000)
"""What a test wallet starts with and is refilled to: KES 1,000."""

LARGEST_THRESHOLD = 100_000_000_00


T = TypeVar("T")


class EventRecorder(Protocol):
    async def record(self, connection: Connection, event: Event) -> None:
        """Writes the event in the connection's transaction."""
        ...


class LowBalanceNotice(Protocol):
    async def about_low_balance(
        self, connection: Connection, account: Account, balance_minor: int, threshold_minor: int, at: datetime
    ) -> None:
        """Writes mails to whoever wants to know, in the connection's transaction."""
        ...


class Wallets:
    """`notice`: told once per downward crossing of the threshold, beside the event."""

    def __init__(self, events: EventRecorder, clock: Clock, notice: LowBalanceNotice | None = None) -> None:
        self._events = events
        self._clock = clock
        self._notice = notice

    async def open_wallets(self, connection: Connection, workspace_id: UUID) -> None:
        """The live and the test wallet of a new workspace: empty, and KES 1,000. Harmless to repeat."""
        await repository.open_wallets(connection, workspace_id, self._clock.now())
        test = Account(workspace_id, "test")
        cause = Cause(EntryType.TEST_CREDIT, f"{workspace_id}/opening")
        await self._fund_test_wallet(connection, test, cause, TEST_BALANCE)

    async def balance(self, connection: Connection, account: Account) -> Balance:
        return _existing(account, await repository.balance(connection, account))

    async def entry_ids(
        self, connection: Connection, type_: EntryType, cause_ids: Sequence[str]
    ) -> dict[str, UUID]:
        """The statement entries of many causes at once, by cause id; a cause that moved no money is left out."""
        return await repository.entry_ids(connection, type_, cause_ids)

    async def check_funds(self, connection: Connection, account: Account, amount_minor: int) -> None:
        """Raises `InsufficientFunds` when less is available. Locks and promises nothing: only a hold does."""
        refuse_short(await self.balance(connection, account), amount_minor)

    @staticmethod
    def asked_balance(account: Account) -> Question[Balance]:
        """What `refuse_short` has to know, where it is asked together with other things."""
        return repository.asked_balance(account)

    async def hold(self, connection: Connection, account: Account, cause: Cause, amount_minor: int) -> Hold:
        """Sets money aside. A cause has one hold for ever: a second call returns the first as it is now.

        Raises `InsufficientFunds`, with nothing written. A wallet below zero bears no hold, not even of zero.
        """
        _refuse_negative(amount_minor)
        taken = await holds.take(connection, account, cause, amount_minor, self._clock.now())
        available, made = _existing(account, taken)
        if made:
            return Hold(cause=cause, account=account, amount_minor=Minor(amount_minor), state=HoldState.OPEN)
        earlier = await holds.find(connection, cause)
        if earlier is None:
            raise InsufficientFunds(needed_minor=amount_minor, available_minor=available)
        if earlier.account != account:
            raise CauseReused(cause)
        return earlier

    async def hold_many(self, connection: Connection, type_: EntryType, wishes: Sequence[Wish]) -> set[str]:
        """Sets money aside for several new causes at once; those of one wallet in their order, as far as it reaches.

        Returns the causes that were held for; `hold` says of the others what is wrong.
        """
        _refuse_negative(*(wish.amount_minor for wish in wishes))
        return await holds.take_many(connection, type_, wishes, self._clock.now())

    async def lock(self, connection: Connection, accounts: Collection[Account]) -> None:
        """Locks wallets in the order they are to be locked in, for whoever goes through several in any other."""
        await repository.lock_many(connection, accounts)

    async def held(self, connection: Connection, cause: Cause) -> int:
        """What an open hold holds; 0 where there is none."""
        hold = await holds.find(connection, cause)
        return hold.amount_minor if hold and hold.state is HoldState.OPEN else 0

    async def resize_hold(self, connection: Connection, cause: Cause, amount_minor: int) -> Hold:
        """Makes an open hold exactly `amount_minor`. Raises `InsufficientFunds`, leaving it as it was."""
        _refuse_negative(amount_minor)
        resized = await holds.resize_to(connection, cause, amount_minor, self._clock.now())
        if resized is None:
            raise NoHold(cause)
        if resized.hold.amount_minor != amount_minor:
            raise InsufficientFunds(needed_minor=amount_minor, available_minor=resized.reachable_minor)
        return resized.hold

    async def extend_hold(
        self, connection: Connection, cause: Cause, wanted_seconds: int, rate_per_minute: int
    ) -> Coverage:
        """Grows an open hold to cover `wanted_seconds` in all, or the whole seconds the wallet can bear.

        Never shrinks and never raises for lack of money: the answer says how many of the wanted seconds are covered.
        """
        _refuse_negative(wanted_seconds, rate_per_minute)
        now = self._clock.now()
        if rate_per_minute == 0:
            resized = await holds.resize_to(connection, cause, 0, now)
        else:
            resized = await holds.resize_up_to(connection, cause, wanted_seconds, rate_per_minute, now)
        if resized is None:
            raise NoHold(cause)
        covered = affordable_seconds(resized.hold.amount_minor, rate_per_minute)
        return Coverage(wanted_seconds if covered is None else min(wanted_seconds, covered), resized.hold)

    async def settle(
        self,
        connection: Connection,
        cause: Cause,
        cost_minor: int,
        details: Details,
        *,
        earned_by: LedgerAccount = LedgerAccount.REVENUE_CALLS,
    ) -> EntryRef | None:
        """Closes a hold: `cost_minor` of it is paid, the rest is free again. None when it cost nothing.

        Only the first settlement counts; later ones return what that one paid, whatever they ask.
        Raises `CostAboveHold`, and `NoHold` when there never was one.
        """
        bill = Bill(cause_id=cause.id, cost_minor=cost_minor, details=details)
        settled, entry = await self._settle_alone(connection, cause.type, bill, earned_by)
        if settled is None:
            raise NoHold(cause)
        if settled.change is None:
            if settled.found.state is HoldState.OPEN:
                raise CostAboveHold(cause, cost_minor, settled.found.amount_minor)
            earlier = await repository.find(connection, cause)
            return None if earlier is None else earlier[1]
        return entry

    async def settle_many(
        self,
        connection: Connection,
        type_: EntryType,
        bills: Sequence[Bill],
        *,
        earned_by: LedgerAccount = LedgerAccount.REVENUE_CALLS,
    ) -> dict[str, EntryRef | None]:
        """Closes several holds at once, those of one wallet in their order: what was paid, by cause id.

        One that cannot be settled to its cost is left as it is, and out of the answer; `settle` says what is wrong, in
        any order: the wallets of open holds are locked.
        """
        if len(bills) == 1:  # in a statement of half the expense
            (bill,) = bills
            settled, entry = await self._settle_alone(connection, type_, bill, earned_by)
            return {bill.cause_id: entry} if settled and settled.change else {}
        _refuse_negative(*(bill.cost_minor for bill in bills))
        now = self._clock.now()
        paid, changes = await holds.settle_many(connection, type_, bills, now, earned_by=earned_by)
        for account, change in changes.items():
            await self._tell_if_low(connection, account, change, now)
        return paid

    async def _settle_alone(
        self, connection: Connection, type_: EntryType, bill: Bill, earned_by: LedgerAccount
    ) -> tuple[Settled | None, EntryRef | None]:
        """What became of the hold, and its entry if one was made now."""
        _refuse_negative(bill.cost_minor)
        transaction_id, now = uuid7(), self._clock.now()
        settled = await holds.settle(
            connection,
            Cause(type_, bill.cause_id),
            bill.cost_minor,
            now,
            transaction_id=transaction_id,
            earned_by=earned_by,
            details=bill.details,
        )
        if settled is None or settled.change is None:
            return settled, None
        await self._tell_if_low(connection, settled.found.account, settled.change, now)
        if bill.cost_minor == 0:
            return settled, None
        return settled, EntryRef(
            id=transaction_id,
            amount_minor=Minor(-bill.cost_minor),
            balance_after_minor=settled.change.balance_minor,
        )

    async def charge(
        self,
        connection: Connection,
        account: Account,
        cause: Cause,
        lines: Sequence[Line],
        details: Details,
        *,
        at: datetime | None = None,
    ) -> EntryRef:
        """Takes the sum of `lines` at once and gives each account its share (net to revenue, VAT to `vat_payable`).

        `at` dates the entry, now by default. Raises `InsufficientFunds` with nothing written. Repeating a cause
        returns its first entry.
        """
        return await self._post(connection, account, cause, -1, lines, details, at=at)

    async def refund(
        self,
        connection: Connection,
        account: Account,
        cause: Cause,
        lines: Sequence[Line],
        details: Details,
        *,
        at: datetime | None = None,
    ) -> EntryRef:
        """Gives the sum of `lines` back, each share out of its account. Repeating a cause returns its first entry."""
        return await self._post(connection, account, cause, 1, lines, details, at=at)

    async def credit(
        self,
        connection: Connection,
        account: Account,
        cause: Cause,
        amount_minor: int,
        details: Details,
        *,
        source: LedgerAccount = LedgerAccount.MPESA_CLEARING,
        at: datetime | None = None,
    ) -> EntryRef:
        """Money that came in, `at` which moment, now by default. Repeating a cause returns its first entry."""
        lines = [Line(source, Minor(amount_minor))]
        return await self._post(connection, account, cause, 1, lines, details, at=at)

    async def adjust(
        self,
        connection: Connection,
        account: Account,
        cause: Cause,
        amount_minor: int,
        reason: str,
        *,
        against: LedgerAccount = LedgerAccount.ADJUSTMENTS,
    ) -> EntryRef:
        """A correction by staff, up or down; the one charge, with a reversal, that may take a wallet below zero."""
        lines = [Line(against, Minor(abs(amount_minor)))]
        sign = 1 if amount_minor > 0 else -1
        details = Details(description=reason)
        return await self._post(connection, account, cause, sign, lines, details, may_overdraw=True)

    async def set_threshold(
        self, connection: Connection, account: Account, threshold_minor: int, at: datetime | None = None
    ) -> Balance:
        """From now on a balance below `threshold_minor` is low; one that is so already is told at once, as of `at`."""
        if not 0 <= threshold_minor <= LARGEST_THRESHOLD:
            problem = f"must be between 0 and {LARGEST_THRESHOLD}"
            raise InvalidAmount(fields=[FieldProblem("/threshold_minor", problem)])
        now = at or self._clock.now()
        found = await repository.set_threshold(connection, account, threshold_minor, now)
        change = _existing(account, found)
        await self._tell_if_low(connection, account, change, now)
        return change.balance_of(account)

    async def refill_test_wallet(
        self, connection: Connection, workspace_id: UUID, at: datetime | None = None
    ) -> Balance:
        """Brings the test wallet back up to KES 1,000; a fuller one is left alone.

        `at` is the time of its workspace's test mode, whose clock may have been moved.
        """
        account = Account(workspace_id, "test")
        before = _existing(account, await repository.lock(connection, account))
        missing = TEST_BALANCE - before.balance_minor
        if missing <= 0:
            return before
        cause = Cause(EntryType.TEST_CREDIT, str(uuid7()))
        await self._fund_test_wallet(connection, account, cause, missing, at)
        return await self.balance(connection, account)

    async def _fund_test_wallet(
        self,
        connection: Connection,
        account: Account,
        cause: Cause,
        amount_minor: int,
        at: datetime | None = None,
    ) -> None:
        details = Details(description="Test money")
        source = LedgerAccount.TEST_FUNDING
        await self.credit(connection, account, cause, amount_minor, details, source=source, at=at)

    async def _post(
        self,
        connection: Connection,
        account: Account,
        cause: Cause,
        sign: int,
        lines: Sequence[Line],
        details: Details,
        *,
        may_overdraw: bool = False,
        at: datetime | None = None,
    ) -> EntryRef:
        """Moves the sum of `lines` into the wallet (sign 1) or out of it (-1)."""
        lines = [line for line in lines if line.amount_minor]
        amount = sign * sum(line.amount_minor for line in lines)
        if amount == 0 or any(line.amount_minor < 0 for line in lines):
            raise ValueError("an entry moves a positive amount; what costs nothing has no entry")
        posting = Posting(
            id=uuid7(),
            account=account,
            cause=cause,
            wallet_minor=amount,
            others=[(line.account, -sign * line.amount_minor) for line in lines],
            details=details,
            at=at or self._clock.now(),
            may_overdraw=may_overdraw or amount > 0,
        )
        outcome = _existing(account, await repository.post(connection, posting))
        if outcome.change is None:
            return await self._earlier(connection, posting, outcome.available_minor)
        await self._tell_if_low(connection, account, outcome.change, posting.at)
        balance = outcome.change.balance_minor
        return EntryRef(id=posting.id, amount_minor=Minor(amount), balance_after_minor=balance)

    @staticmethod
    async def _earlier(connection: Connection, posting: Posting, available_minor: int) -> EntryRef:
        found = await repository.find(connection, posting.cause)
        if found is None:
            raise InsufficientFunds(needed_minor=-posting.wallet_minor, available_minor=available_minor)
        account, entry = found
        if account != posting.account or entry.amount_minor != posting.wallet_minor:
            raise CauseReused(posting.cause)
        return entry

    async def _tell_if_low(
        self, connection: Connection, account: Account, change: Change, at: datetime
    ) -> None:
        """The event is of the moment of what took the money, which in test mode may be ahead of the real one."""
        if not change.fell_low:
            return
        event = Event(
            id=uuid7(),
            workspace_id=account.workspace_id,
            mode=account.mode,
            kind=EventKind.WALLET_LOW_BALANCE,
            data={
                "balance_minor": change.balance_minor,
                "threshold_minor": change.low_balance_threshold_minor,
                "currency": CURRENCY,
            },
            occurred_at=at,
        )
        await self._events.record(connection, event)
        if self._notice:
            await self._notice.about_low_balance(
                connection, account, change.balance_minor, change.low_balance_threshold_minor, at
            )


def refuse_short(balance: Balance, amount_minor: int) -> None:
    """Raises `InsufficientFunds`."""
    if balance.available_minor < amount_minor:
        raise InsufficientFunds(needed_minor=amount_minor, available_minor=balance.available_minor)


def _existing(account: Account, found: T | None) -> T:
    if found is None:
        raise NoWallet(account)
    return found


def _refuse_negative(*amounts: int) -> None:
    if min(amounts) < 0:
        raise ValueError(f"amounts, times and rates are not negative: {amounts}")
