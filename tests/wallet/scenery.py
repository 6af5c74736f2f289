"""What the wallet's tests are played with: a workspace's money on a real database, events kept in memory."""

from uuid import UUID

from sautikitd.clock import ManualClock
from sautikitd.database.pool import Connection, Database
from sautikitd.events.models import Event
from sautikitd.ids import uuid7
from sautikitd.wallet.models import Account, Cause, Details, EntryType
from sautikitd.wallet.service import Wallets


class RememberedEvents:
    def __init__(self) -> None:
        self.events: list[Event] = []

    async def record(self, connection: Connection, event: Event) -> None:
        self.events.append(event)


class Money:
    """One workspace's wallets, each operation in a transaction of its own."""

    def __init__(self, database: Database, workspace_id: UUID, clock: ManualClock) -> None:
        self.database = database
        self.recorded = RememberedEvents()
        self.clock = clock
        self.wallets = Wallets(self.recorded, clock)
        self.live = Account(workspace_id, "live")
        self.test = Account(workspace_id, "test")

    async def top_up(self, amount_minor: int) -> None:
        async with self.database.transaction() as connection:
            cause = Cause(EntryType.TOP_UP, str(uuid7()))
            await self.wallets.credit(
                connection, self.live, cause, amount_minor, Details(description="Top-up")
            )

    async def figures(self) -> tuple[int, int]:
        """balance and held of the live wallet."""
        async with self.database.connection() as connection:
            balance = await self.wallets.balance(connection, self.live)
        return balance.balance_minor, balance.held_minor


def call() -> Cause:
    return Cause(EntryType.CALL, str(uuid7()))


CALL = Details(description="Call to +254700000001")


async def add_workspace(database: Database, name: str) -> UUID:
    workspace_id = uuid7()
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO workspaces (id, name, slug, mpesa_account_ref) VALUES ($1, $2, $3, $3)",
            workspace_id,
            name,
            workspace_id.hex,
        )
    return workspace_id
