"""Makes what other rooms' tests stand on: a workspace with keys, money and numbers, and the API in this process."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import httpx

from sautikitd.clock import Clock, ManualClock
from sautikitd.database.pool import Database
from sautikitd.events.log import EventLog
from sautikitd.events.models import Mode
from sautikitd.http.endpoint import endpoints_of
from sautikitd.http.idempotency import Idempotency
from sautikitd.http.kernel import Kernel
from sautikitd.http.rate_limit import RateLimiter
from sautikitd.http.server import Application, build
from sautikitd.identity.audit import OPERATOR
from sautikitd.identity.instance import InstanceSecrets
from sautikitd.identity.keys.authenticator import KeyAuthenticator
from sautikitd.identity.keys.models import NewKey
from sautikitd.identity.keys.service import ApiKeys, MadeKey
from sautikitd.identity.principal import Principal
from sautikitd.identity.routes import IdentityRoutes
from sautikitd.identity.signing_secrets import SigningSecrets
from sautikitd.identity.workspaces import Workspace, Workspaces
from sautikitd.ids import uuid7
from sautikitd.numbers.claims import NumberClaims
from sautikitd.numbers.inventory import import_inventory
from sautikitd.numbers.models import NumberRecord
from sautikitd.numbers.releases import NumberReleases
from sautikitd.numbers.requests import ClaimNumber
from sautikitd.numbers.routes import NumberRoutes
from sautikitd.numbers.routing import NumberRouting
from sautikitd.secretbox import SecretBox
from sautikitd.wallet.models import Account, Cause, Details, EntryType
from sautikitd.wallet.service import Wallets

BOX = SecretBox([bytes(range(32))])


@dataclass(kw_only=True)
class Platform:
    """The services of identity and numbers on one database, with one clock."""

    database: Database
    clock: Clock
    instance: InstanceSecrets
    keys: ApiKeys
    signing_secrets: SigningSecrets
    wallets: Wallets
    workspaces: Workspaces
    claims: NumberClaims
    routing: NumberRouting
    releases: NumberReleases

    @classmethod
    async def on(cls, database: Database, clock: Clock | None = None) -> "Platform":
        clock = clock or ManualClock()
        async with database.connection() as connection:
            instance = await InstanceSecrets.load(connection, BOX)
        events = EventLog()
        wallets = Wallets(events, clock)
        signing_secrets = SigningSecrets(BOX, clock)
        workspaces = Workspaces(wallets, signing_secrets)
        return cls(
            database=database,
            clock=clock,
            instance=instance,
            keys=ApiKeys(instance),
            signing_secrets=signing_secrets,
            wallets=wallets,
            workspaces=workspaces,
            claims=NumberClaims(wallets, events),
            routing=NumberRouting(workspaces),
            releases=NumberReleases(wallets, events),
        )

    async def workspace(self, name: str = "Duka", owner: str = "wanjiru@example.co.ke") -> Workspace:
        async with self.database.transaction() as connection:
            return await self.workspaces.create(connection, name, owner, OPERATOR, self.clock.now())

    async def key(
        self,
        workspace_id: UUID,
        mode: Mode = "test",
        scopes: Sequence[str] = ("*",),
        number_ids: frozenset[UUID] | None = None,
    ) -> MadeKey:
        new = NewKey(
            workspace_id=workspace_id,
            mode=mode,
            name="a test's key",
            scopes=frozenset(scopes),
            number_ids=number_ids,
        )
        async with self.database.transaction() as connection:
            return await self.keys.create(connection, new, OPERATOR, self.clock.now())

    async def top_up(self, workspace_id: UUID, amount_minor: int, mode: Mode = "live") -> None:
        cause, details = Cause(EntryType.TOP_UP, str(uuid7())), Details(description="Top-up")
        async with self.database.transaction() as connection:
            await self.wallets.credit(connection, Account(workspace_id, mode), cause, amount_minor, details)

    async def balance(self, workspace_id: UUID, mode: Mode = "live") -> int:
        async with self.database.connection() as connection:
            return (await self.wallets.balance(connection, Account(workspace_id, mode))).balance_minor

    async def inventory(self, *e164s: str, price_minor: int = 10_000) -> None:
        """Live Nairobi numbers to claim."""
        lines = ["e164,type,locality,monthly_price_minor"]
        lines += [f"{e164},local,Nairobi,{price_minor}" for e164 in e164s]
        async with self.database.transaction() as connection:
            report = await import_inventory(connection, lines)
        assert not report.problems, report.problems

    async def number(
        self, workspace_id: UUID, e164: str = "+254200000001", mode: Mode = "test"
    ) -> NumberRecord:
        """A claimed number, paid for out of the workspace's wallet."""
        principal = Principal(id=uuid7(), workspace_id=workspace_id, mode=mode, scopes=frozenset("*"))
        async with self.database.transaction() as connection:
            return await self.claims.claim(
                connection, principal, ClaimNumber(e164=e164), OPERATOR, self.clock.now()
            )

    def authenticator(self) -> KeyAuthenticator:
        return KeyAuthenticator(self.database, self.keys, self.clock)

    def application(self, *routes: object, limit: int = 10_000) -> Application:
        """The API with identity, numbers and `routes`; `limit` requests a second for each key."""
        kernel = Kernel(
            database=self.database,
            authenticator=self.authenticator(),
            idempotency=Idempotency(BOX),
            limiter=RateLimiter(self.clock, per_second=limit, burst=limit),
            clock=self.clock,
            docs_base="https://sautikit.test",
        )
        rooms = (
            IdentityRoutes(self.keys, self.workspaces, self.signing_secrets, self.database),
            NumberRoutes(self.claims, self.routing, self.releases),
            *routes,
        )
        endpoints = [endpoint for room in rooms for endpoint in endpoints_of(room)]
        return build(kernel, endpoints, public_url="https://api.sautikit.test", ready=_ready)


async def _ready() -> dict[str, str]:
    return {"database": "ok"}


@asynccontextmanager
async def client(app: Application, key: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application in this process, with a key's credentials."""
    transport = httpx.ASGITransport(app=app)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(
        transport=transport, base_url="https://api.sautikit.test", headers=headers
    ) as made:
        yield made


def advance(clock: Clock, **duration: float) -> None:
    """Moves a test's clock: `advance(platform.clock, days=3)`."""
    assert isinstance(clock, ManualClock)
    clock.advance(timedelta(**duration).total_seconds())
