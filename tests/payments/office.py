"""What payments are tested with: a real simulator and a real API on sockets, a real database, one clock moved by hand."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import msgspec

from factories import BOX, Platform
from sautikitd.clock import ManualClock
from sautikitd.database.pool import Database
from sautikitd.database.wake import Waker
from sautikitd.events.log import EventLog
from sautikitd.http.server import Application
from sautikitd.identity.workspaces import Workspace
from sautikitd.payments.accounts import CallbackPaths, DarajaAccounts
from sautikitd.payments.accounts import test_account as simulated_account
from sautikitd.payments.auto_topups.routes import AutoTopUpRoutes
from sautikitd.payments.callback_routes import CallbackRoutes
from sautikitd.payments.composition import PaymentParts, open_payments
from sautikitd.payments.routes import TopUpRoutes
from sautikitd.payments.rules import RULES
from sautikitd.payments.service import TopUps
from sautikitd.payments.settlement import Settlement
from sautikitd.payments.sources import Sources
from sautikitd.payments.suspense import Suspense
from sautikitd.roles.api import InheritedSocketServer
from sautikitd.settings import Address
from sautikitd.simulators.daraja.behaviours import Behaviour
from sautikitd.simulators.daraja.mpesa import SimulatedMpesa
from sautikitd.simulators.daraja.server import Serving, serving
from sautikitd.wallet.audit import audit

KEY = bytes(32)


@dataclass(kw_only=True)
class Office:
    """One installation with one workspace, and the simulated M-PESA it speaks to."""

    platform: Platform
    database: Database
    clock: ManualClock
    workspace: Workspace
    client: httpx.AsyncClient
    simulator: Serving
    accounts: DarajaAccounts
    paths: CallbackPaths
    settlement: Settlement
    suspense: Suspense
    parts: PaymentParts
    url: str

    @property
    def mpesa(self) -> SimulatedMpesa:
        return self.simulator.mpesa

    def script(self, phone: str, **behaviour: Any) -> None:
        self.mpesa.scripts[phone.removeprefix("+")] = msgspec.convert(behaviour, Behaviour)

    async def ask(
        self, phone: str = "+254712340001", shillings: int = 100, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        body = {"amount_minor": shillings * 100, "phone_e164": phone, "provider": "mpesa", "currency": "KES"}
        return await self.client.post("/v1/topups", json=body, headers=headers)

    async def top_up(self, phone: str = "+254712340001", shillings: int = 100) -> UUID:
        """Asks for one and lets everything happen that happens now."""
        answer = await self.ask(phone, shillings)
        assert answer.status_code == 201, answer.text
        await self.settle()
        return UUID(answer.json()["topup_id"])

    async def read(self, topup_id: UUID) -> dict[str, Any]:
        shown: dict[str, Any] = (await self.client.get(f"/v1/topups/{topup_id}")).json()["topup"]
        return shown

    async def settle(self) -> None:
        """Works until neither the simulator nor we have anything to do at this moment of the clock."""
        parts = self.parts
        while True:
            worked = int(await parts.inbox.work_one()) + await parts.pusher.work()
            if worked:
                continue
            if self.mpesa.busy:
                await asyncio.sleep(0.002)  # real sockets are at work; their tasks end by themselves
                continue
            if not await parts.inbox.work_one() and not await parts.reconciler.work():
                return

    async def later(self, **span: float) -> None:
        """Moves the clock and does what is due then, pulls included."""
        seconds = span.get("seconds", 0) + 60 * span.get("minutes", 0) + 3600 * span.get("hours", 0)
        self.clock.advance(seconds)
        await self.parts.pusher.forsake()
        await self.parts.reconciler.release_prompts()
        await self.settle()
        await self.parts.sweeps.work()
        await self.settle()
        await self.parts.reconciler.give_up()

    async def balance(self) -> int:
        """Of the test wallet, beyond the KES 1,000 it starts with."""
        return await self.platform.balance(self.workspace.id, "test") - 100_000

    async def events(self, kind: str) -> list[dict[str, Any]]:
        async with self.database.connection() as connection:
            rows = await connection.fetch("SELECT data FROM events WHERE kind = $1 ORDER BY id", kind)
        return [row["data"] for row in rows]

    async def value(self, query: str, *values: object) -> Any:
        async with self.database.connection() as connection:
            return await connection.fetchval(query, *values)

    async def require_right_books(self) -> None:
        async with self.database.connection() as connection:
            assert await audit(connection, further=RULES) == []


@asynccontextmanager
async def open_office(database: Database) -> AsyncIterator[Office]:
    async with AsyncExitStack() as held:
        clock = ManualClock()
        platform = await Platform.on(database, clock)
        opened = held.enter_context(socket.create_server(("127.0.0.1", 0)))
        api_port = opened.getsockname()[1]
        mpesa = SimulatedMpesa(clock, "600100", think_s=0.0, late_s=0.01)
        account = simulated_account(Address("127.0.0.1", 1), Address("127.0.0.1", api_port))
        simulator = await held.enter_async_context(serving(mpesa, account, ("127.0.0.1", 0)))
        account = simulated_account(Address(simulator.host, simulator.port), Address("127.0.0.1", api_port))
        accounts, paths = DarajaAccounts(account), CallbackPaths(KEY)
        settlement = Settlement(platform.wallets, EventLog(), clock)
        waker = Waker(database)
        held.push_async_callback(waker.close)
        routes = (
            TopUpRoutes(TopUps(accounts, clock), waker),
            AutoTopUpRoutes(),
            CallbackRoutes(database=database, paths=paths, sources=Sources(accounts), box=BOX, waker=waker),
        )
        url = f"http://127.0.0.1:{api_port}"
        await held.enter_async_context(_served(platform.application(*routes), opened))
        workspace = await platform.workspace()
        key = await platform.key(workspace.id)
        client = await held.enter_async_context(
            httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key.key}"}, timeout=20)
        )
        parts = await held.enter_async_context(
            open_payments(
                database=database, accounts=accounts, paths=paths, settlement=settlement, box=BOX, clock=clock
            )
        )
        yield Office(
            platform=platform,
            database=database,
            clock=clock,
            workspace=workspace,
            client=client,
            simulator=simulator,
            accounts=accounts,
            paths=paths,
            settlement=settlement,
            suspense=Suspense(platform.wallets, clock),
            parts=parts,
            url=url,
        )


@asynccontextmanager
async def _served(app: Application, opened: socket.socket) -> AsyncIterator[None]:
    """The API on a real socket, in this process."""
    server = InheritedSocketServer(app, opened)
    serving_task = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.end()
        with suppress(TimeoutError):
            await asyncio.wait_for(serving_task, 5)
