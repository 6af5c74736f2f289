"""What the tests of calls stand on: a workspace with a number, and every step of a call's life by hand."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from factories import Platform
from sautikitd.calls import claiming, leases, repository
from sautikitd.calls.claiming import Claimed, Claims
from sautikitd.calls.control import HangUp
from sautikitd.calls.lifecycle import CallLifecycle, Covered
from sautikitd.calls.models import CallRecord
from sautikitd.calls.outcomes import CallStatus, HangupBy, HangupCause
from sautikitd.calls.placing import PlaceOutboundCall
from sautikitd.calls.requests import PlaceCall
from sautikitd.calls.search import CallSearch
from sautikitd.calls.session_ids import SessionIds
from sautikitd.calls.steps import Ending
from sautikitd.database.pool import Database
from sautikitd.database.wake import Waker
from sautikitd.events.log import EventLog
from sautikitd.events.models import Mode
from sautikitd.identity.principal import Principal
from sautikitd.identity.workspaces import Workspace
from sautikitd.ids import uuid7
from sautikitd.recordings.links import Links
from sautikitd.recordings.service import RecordingService
from sautikitd.recordings.store import open_store

NUMBER = "+254200000001"
CALLEE = "+254712345678"
PREPARED = {"invite": {"call_id": "prepared before it was sent"}}


@dataclass(kw_only=True)
class Scene:
    platform: Platform
    workspace: Workspace
    principal: Principal
    node_id: UUID
    placing: PlaceOutboundCall
    lifecycle: CallLifecycle
    hang_up: HangUp

    @classmethod
    async def on(cls, database: Database, *, mode: Mode = "test", name: str = "Duka") -> "Scene":
        platform = await Platform.on(database)
        workspace = await platform.workspace(name)
        principal = Principal(
            id=await _key(platform, workspace.id, mode),
            workspace_id=workspace.id,
            mode=mode,
            scopes=frozenset("*"),
        )
        lifecycle = CallLifecycle(platform.wallets, EventLog())
        sessions = SessionIds(b"a key for tests")
        scene = cls(
            platform=platform,
            workspace=workspace,
            principal=principal,
            node_id=uuid7(),
            placing=PlaceOutboundCall(sessions, platform.clock),
            lifecycle=lifecycle,
            hang_up=HangUp(lifecycle),
        )
        if mode == "test":
            await platform.number(workspace.id, NUMBER)
        await scene.new_node()
        return scene

    def finding(self, folder: Path) -> CallSearch:
        """What reads calls; recordings are kept in `folder`."""
        platform = self.platform
        store = open_store(folder.as_uri())
        service = RecordingService(
            database=platform.database,
            store=store,
            links=Links(store, signing_key=bytes(32), public_url="https://api.sautikit.test"),
            events=EventLog(),
            clock=platform.clock,
            waker=Waker(platform.database),
        )
        return CallSearch(platform.wallets, service)

    @property
    def now(self) -> datetime:
        return self.platform.clock.now()

    async def new_node(self) -> UUID:
        self.node_id = uuid7()
        async with self.platform.database.transaction() as connection:
            await leases.register(connection, self.node_id, ("here", 5060), 100, self.now)
        return self.node_id

    async def place(self, to: str | list[str] = CALLEE, **wishes: Any) -> CallRecord:
        wish = PlaceCall(from_=NUMBER, to=to, **wishes)
        async with self.platform.database.transaction() as connection:
            return await self.placing.place(connection, self.principal, wish)

    async def claim(self, *, room: int = 100) -> Claimed | None:
        claims = await self.claims(room=room)
        return claims.calls[0] if claims.calls else None

    async def claims(self, *, most: int = 1, room: int = 100) -> Claims:
        async with self.platform.database.transaction() as connection:
            return await claiming.claim(
                connection,
                self.lifecycle,
                node_id=self.node_id,
                room=room,
                now=self.now,
                prepare=lambda _: PREPARED,
                most=most,
            )

    async def answer(self, call_id: UUID) -> CallRecord | None:
        async with self.platform.database.transaction() as connection:
            return await self.lifecycle.answer(connection, call_id, self.now, {"dialog": {}})

    async def extend(self, call_id: UUID, seconds: int) -> Covered:
        async with self.platform.database.transaction() as connection:
            return await self.lifecycle.extend_hold(connection, call_id, seconds)

    async def end(
        self,
        call_id: UUID,
        *,
        cause: HangupCause = HangupCause.NORMAL_CLEARING,
        status: CallStatus = CallStatus.FAILED,
        after_s: float = 0,
    ) -> CallRecord:
        ending = Ending(
            cause=cause, by=HangupBy.CALLEE, at=self.now + timedelta(seconds=after_s), status=status
        )
        async with self.platform.database.transaction() as connection:
            ended = await self.lifecycle.end(connection, call_id, ending)
        assert ended is not None
        return ended[0]

    async def call(self, call_id: UUID) -> CallRecord:
        async with self.platform.database.connection() as connection:
            found = await repository.find(connection, self.workspace.id, self.principal.mode, call_id)
        assert found is not None
        return found

    async def events(self, call_id: UUID) -> list[str]:
        """The kinds of a call's public events, in the order of their sequence."""
        async with self.platform.database.connection() as connection:
            rows = await connection.fetch(
                "SELECT kind FROM events WHERE call_id = $1 AND sequence IS NOT NULL ORDER BY sequence",
                call_id,
            )
        return [row["kind"] for row in rows]

    async def balance(self) -> tuple[int, int]:
        """What the wallet has and what of it is held."""
        async with self.platform.database.connection() as connection:
            row = await connection.fetchrow(
                "SELECT balance_minor, held_minor FROM wallets WHERE workspace_id = $1 AND mode = $2",
                self.workspace.id,
                self.principal.mode,
            )
        return row["balance_minor"], row["held_minor"]

    async def limit(self, **columns: Any) -> None:
        assignments = ", ".join(f"{name} = ${position}" for position, name in enumerate(columns, start=3))
        async with self.platform.database.connection() as connection:
            await connection.execute(
                f"UPDATE call_queues SET {assignments} WHERE workspace_id = $1 AND mode = $2",
                self.workspace.id,
                self.principal.mode,
                *columns.values(),
            )


async def _key(platform: Platform, workspace_id: UUID, mode: Mode) -> UUID:
    made = await platform.key(workspace_id, mode)
    return made.record.id
