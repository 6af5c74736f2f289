"""A voice node as the voice role makes it, on a real database and a clock of the test's own, with one trunk."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from node.exchange import PATIENCE_S, Exchange
from ports import free_port
from sautikitd.app import Platform, open_platform
from sautikitd.calls.models import CallRecord, record_of
from sautikitd.calls.outcomes import CallStatus
from sautikitd.clock import Clock, ManualClock
from sautikitd.events.log import EventLog
from sautikitd.identity.audit import OPERATOR
from sautikitd.identity.principal import Principal
from sautikitd.ids import uuid7
from sautikitd.numbers.claims import NumberClaims
from sautikitd.numbers.inventory import import_inventory
from sautikitd.numbers.requests import ClaimNumber
from sautikitd.roles.voice import Parts, assemble
from sautikitd.secretbox import make_key_file
from sautikitd.settings import from_environment
from sautikitd.trunks.models import NewTrunk
from sautikitd.voice.sip.hops import Hop
from sautikitd.wallet.models import Account, Cause, Details, EntryType

NUMBER = "+254207000001"
PARTIES = ("+254712000001", "+254712000002", "+254712000003")


@dataclass(kw_only=True)
class Office:
    """One live workspace with one number, whoever runs its calls."""

    platform: Platform
    exchange: Exchange
    workspace_id: UUID
    number_id: UUID

    async def route(self, **columns: Any) -> None:
        """Sets columns of the number's routing."""
        sets = ", ".join(f"{name} = ${place}" for place, name in enumerate(columns, start=2))
        async with self.platform.database.connection() as connection:
            await connection.execute(
                f"UPDATE numbers SET {sets} WHERE id = $1", self.number_id, *columns.values()
            )

    async def limit(self, most: int) -> None:
        async with self.platform.database.connection() as connection:
            await connection.execute(
                "UPDATE call_queues SET max_concurrent_calls = $2 WHERE workspace_id = $1",
                self.workspace_id,
                most,
            )

    async def balance(self) -> tuple[int, int]:
        """What the wallet has, and what of it is held."""
        async with self.platform.database.connection() as connection:
            found = await self.platform.wallets.balance(connection, Account(self.workspace_id, "live"))
        return found.balance_minor, found.held_minor

    async def calls(self) -> list[CallRecord]:
        """All calls there were, the oldest first."""
        columns = ", ".join(CallRecord.__struct_fields__)
        async with self.platform.database.connection() as connection:
            return [
                record_of(row) for row in await connection.fetch(f"SELECT {columns} FROM calls ORDER BY id")
            ]

    async def until_legs(self, *statuses: CallStatus) -> list[CallRecord]:
        """The dialled legs, the oldest first, as soon as they have these statuses, in any order."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                found = [call for call in await self.calls() if call.parent_call_id]
                if sorted(leg.status for leg in found) == sorted(statuses):
                    return found
                await asyncio.sleep(0.02)

    async def until_all(self, status: CallStatus) -> list[CallRecord]:
        """Every call, legs included, as soon as they all have this status."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                found = await self.calls()
                if all(call.status is status for call in found):
                    return found
                await asyncio.sleep(0.02)

    async def leave(self, amount_minor: int) -> None:
        """Takes all but so much out of the wallet."""
        change = amount_minor - (await self.balance())[0]
        cause = Cause(EntryType.ADJUSTMENT, str(uuid7()))
        account = Account(self.workspace_id, "live")
        async with self.platform.database.transaction() as connection:
            await self.platform.wallets.adjust(connection, account, cause, change, "for the test")

    async def over(self) -> CallRecord:
        """The one call that the legs belong to, when it has ended."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                roots = [call for call in await self.calls() if not call.parent_call_id]
                if roots and roots[0].status.terminal:
                    return roots[0]
                await asyncio.sleep(0.02)


@dataclass(kw_only=True)
class Switchboard(Office):
    """With a node of this process. Times pass when the test moves `clock`."""

    parts: Parts
    clock: ManualClock

    async def talk(self, seconds: int) -> None:
        """Lets an answered leg last so long, 26 to 85 s: over the one moment at which its hold grows."""
        held = (await self.balance())[1]
        self.clock.advance(26)
        async with asyncio.timeout(PATIENCE_S):
            while (await self.balance())[1] == held:
                await asyncio.sleep(0.02)
        self.clock.advance(seconds - 26)


@asynccontextmanager
async def office(
    database_url: str, folder: Path, *, funds: int, clock: Clock | None = None, **environment: str
) -> AsyncIterator[Office]:
    """`funds` in cents are what is left once the number is paid for; `environment` are further settings."""
    make_key_file(folder / "master.keys")
    sip = free_port()
    settings = from_environment(
        {
            "SAUTIKIT_DATA_DIR": str(folder),
            "SAUTIKIT_SIP": f"127.0.0.1:{sip}",
            "SAUTIKIT_SIP_TLS_PORT": str(free_port()),
            "SAUTIKIT_SIP_WS": f"127.0.0.1:{free_port()}",
            "DATABASE_URL": database_url,
            **environment,
        },
        {"dev": "true"},
    )
    async with Exchange() as exchange, open_platform(settings, "test", clock=clock) as platform:
        async with platform.database.transaction() as connection:
            trunk = NewTrunk(name="nairobi", host="127.0.0.1", port=exchange.port)
            await platform.trunks.add(connection, trunk, OPERATOR, platform.clock.now())
        workspace_id, number_id = await customer(platform, "Duka", NUMBER, funds)
        exchange.node = Hop(host=settings.sip.host, port=settings.sip.port)
        yield Office(platform=platform, exchange=exchange, workspace_id=workspace_id, number_id=number_id)


@asynccontextmanager
async def switchboard(
    database_url: str, folder: Path, *, funds: int, **environment: str
) -> AsyncIterator[Switchboard]:
    """See `office`."""
    clock = ManualClock()
    async with (
        office(database_url, folder, funds=funds, clock=clock, **environment) as desk,
        assemble(desk.platform) as parts,
    ):
        await parts.node.lease.begin(parts.agent.inside, 100)
        await parts.trunk_watch.refresh()
        running = [
            asyncio.ensure_future(work)
            for work in (
                parts.node.run(),
                parts.node.commander.run(),
                parts.journal.run(),
                parts.rooms.run(),
                parts.reports.run(),
            )
        ]
        try:
            yield Switchboard(**vars(desk), parts=parts, clock=clock)
        finally:
            await parts.node.drain(3)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


async def customer(platform: Platform, name: str, e164: str, funds: int) -> tuple[UUID, UUID]:
    """A live workspace with one number, and what is left in its wallet once that is paid for."""
    now = platform.clock.now()
    claims = NumberClaims(platform.wallets, EventLog())
    async with platform.database.transaction() as connection:
        workspace = await platform.workspaces.create(connection, name, "wanjiru@example.co.ke", OPERATOR, now)
        listing = ["e164,type,locality,monthly_price_minor", f"{e164},local,Nairobi,10000"]
        await import_inventory(connection, listing)
    account = Account(workspace.id, "live")
    principal = Principal(id=uuid7(), workspace_id=workspace.id, mode="live", scopes=frozenset("*"))
    async with platform.database.transaction() as connection:
        cause, details = Cause(EntryType.TOP_UP, str(uuid7())), Details(description="Top-up")
        await platform.wallets.credit(connection, account, cause, 20_000, details)
        number = await claims.claim(connection, principal, ClaimNumber(e164=e164), OPERATOR, now)
        left = (await platform.wallets.balance(connection, account)).balance_minor
        if left != funds:
            cause = Cause(EntryType.ADJUSTMENT, str(uuid7()))
            await platform.wallets.adjust(connection, account, cause, funds - left, "for the test")
    return workspace.id, msgspec.convert(number.id, UUID)
