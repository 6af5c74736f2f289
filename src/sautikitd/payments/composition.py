"""The room's parts put together for the worker process."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from sautikitd.clock import Clock
from sautikitd.database.pool import Database
from sautikitd.events.models import Mode
from sautikitd.payments.accounts import CallbackPaths, DarajaAccounts
from sautikitd.payments.daraja.client import DarajaClient
from sautikitd.payments.daraja.tokens import TokenStore
from sautikitd.payments.inbox import Inbox
from sautikitd.payments.paybill import PaybillRegistration
from sautikitd.payments.pulls import PullSweeps
from sautikitd.payments.pushing import Pusher
from sautikitd.payments.reconciler import Reconciler
from sautikitd.payments.reversals import Reversals
from sautikitd.payments.settlement import Settlement
from sautikitd.payments.silence import Silence
from sautikitd.payments.sources import Sources
from sautikitd.payments.suspense import Suspense
from sautikitd.payments.worker import PaymentsWorker
from sautikitd.secretbox import SecretBox


@dataclass(frozen=True, kw_only=True)
class PaymentParts:
    """Everything that speaks to Daraja or works off what it posted."""

    clients: dict[Mode, DarajaClient]
    inbox: Inbox
    pusher: Pusher
    reconciler: Reconciler
    sweeps: PullSweeps
    registration: PaybillRegistration
    reversals: Reversals
    worker: PaymentsWorker


@asynccontextmanager
async def open_payments(
    *,
    database: Database,
    accounts: DarajaAccounts,
    paths: CallbackPaths,
    settlement: Settlement,
    box: SecretBox,
    clock: Clock,
) -> AsyncIterator[PaymentParts]:
    """Its HTTP connections are open for as long as the block lasts."""
    async with AsyncExitStack() as held:
        tokens = TokenStore(database, box, clock)
        clients = {
            account.mode: await held.enter_async_context(DarajaClient(account, tokens, clock))
            for account in accounts.all
        }
        reversals = Reversals(
            database=database,
            clients=clients,
            paths=paths,
            suspense=Suspense(settlement.wallets, clock),
            clock=clock,
        )
        inbox = Inbox(
            database=database,
            settlement=settlement,
            accounts=accounts,
            sources=Sources(accounts),
            clients=clients,
            reversals=reversals,
            box=box,
            clock=clock,
        )
        pusher = Pusher(database=database, clients=clients, paths=paths, settlement=settlement, clock=clock)
        reconciler = Reconciler(database=database, clients=clients, settlement=settlement, clock=clock)
        sweeps = PullSweeps(database=database, clients=clients, settlement=settlement, clock=clock)
        registration = PaybillRegistration(clients, paths)
        worker = PaymentsWorker(
            inbox=inbox,
            pusher=pusher,
            reconciler=reconciler,
            sweeps=sweeps,
            registration=registration,
            reversals=reversals,
            silence=Silence(database, list(clients), clock),
            clock=clock,
        )
        yield PaymentParts(
            clients=clients,
            inbox=inbox,
            pusher=pusher,
            reconciler=reconciler,
            sweeps=sweeps,
            registration=registration,
            reversals=reversals,
            worker=worker,
        )
