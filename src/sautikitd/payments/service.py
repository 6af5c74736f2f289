"""Asking for a top-up: the policy of prompts, and the row that a worker turns into one (contract §12, Top-ups)."""

from datetime import datetime, timedelta

from sautikitd.clock import NAIROBI, Clock
from sautikitd.database.pool import Connection
from sautikitd.identity import audit
from sautikitd.identity.audit import Actor
from sautikitd.ids import uuid7
from sautikitd.payments import repository
from sautikitd.payments.accounts import DarajaAccounts
from sautikitd.payments.errors import PushInProgress, TooManyPrompts, TooSoon, TopUpsUnavailable
from sautikitd.payments.models import TopUp
from sautikitd.payments.references import topup_reference
from sautikitd.payments.repository import NewTopUp, PhoneHistory
from sautikitd.payments.requests import CreateTopUp, e164_of
from sautikitd.wallet.models import Account

CHANNEL = "payments"
"""The NOTIFY channel that wakes workers for pushes and callbacks."""

BETWEEN_PUSHES = timedelta(seconds=60)
BETWEEN_SAME_AMOUNTS = timedelta(minutes=2)
UNPAID_A_DAY = 5


class TopUps:
    """Its clock is the workers' own, never that of a test workspace, which may be days ahead of them."""

    def __init__(self, accounts: DarajaAccounts, clock: Clock) -> None:
        self._accounts = accounts
        self._clock = clock

    async def request(
        self, connection: Connection, account: Account, wish: CreateTopUp, actor: Actor
    ) -> TopUp:
        """Queues a push. Inside a transaction; the worker sends it after commit.

        Raises `TopUpsUnavailable`, `PushInProgress`, `TooSoon` or `TooManyPrompts`: phones are protected
        across all workspaces.
        """
        if self._accounts.of(account.mode) is None:
            raise TopUpsUnavailable
        now = self._clock.now()
        phone = e164_of(wish.phone_e164)
        await repository.lock_phone(connection, account.mode, phone)
        history = await repository.phone_history(
            connection, account.mode, phone, wish.amount_minor, _start_of_day(now)
        )
        _require_patience(history, now)
        new = NewTopUp(
            id=uuid7(),
            account=account,
            amount_minor=wish.amount_minor,
            phone_e164=phone,
            reference=topup_reference(),
            now=now,
        )
        topup = await repository.add(connection, new)
        detail = {"amount_minor": topup.amount_minor}
        await audit.record(connection, actor, "topup.create", str(topup.id), detail, now=now)
        return topup


def _require_patience(history: PhoneHistory, now: datetime) -> None:
    if history.open_prompt:
        raise PushInProgress
    if history.unpaid >= UNPAID_A_DAY:
        tomorrow = _start_of_day(now) + timedelta(days=1)
        raise TooManyPrompts(limit=UNPAID_A_DAY, seconds=_seconds(tomorrow - now))
    for last, gap, words in (
        (history.last_at, BETWEEN_PUSHES, "60 s"),
        (history.same_amount_at, BETWEEN_SAME_AMOUNTS, "of the same amount two minutes"),
    ):
        if last is not None and now - last < gap:
            raise TooSoon(seconds=_seconds(last + gap - now), after=words)


def _start_of_day(now: datetime) -> datetime:
    return now.astimezone(NAIROBI).replace(hour=0, minute=0, second=0, microsecond=0)


def _seconds(span: timedelta) -> int:
    """Whole seconds, rounded up, at least one."""
    return max(1, -(-span // timedelta(seconds=1)))
