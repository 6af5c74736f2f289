import asyncio
from datetime import datetime
from uuid import UUID

import pytest

from factories import Platform
from sautikitd.database.pool import Connection
from sautikitd.errors import Invalid
from sautikitd.identity.account_reference import is_account_reference
from sautikitd.identity.audit import OPERATOR
from sautikitd.identity.errors import WorkspaceNotFound
from sautikitd.identity.workspaces import Workspace, Workspaces, slug_of
from sautikitd.ids import uuid7


async def test_a_new_workspace_has_everything_it_needs(platform: Platform, duka: Workspace) -> None:
    assert (duka.slug, duka.country, duka.currency) == ("duka", "KE", "KES")
    assert is_account_reference(duka.mpesa_account_ref)
    assert (await platform.balance(duka.id, "live"), await platform.balance(duka.id, "test")) == (0, 100_000)
    async with platform.database.connection() as connection:
        members = await connection.fetch(
            "SELECT u.email, m.role FROM members m JOIN users u ON u.id = m.user_id WHERE m.workspace_id = $1",
            duka.id,
        )
        queues = await connection.fetch(
            "SELECT mode, calls_per_second, max_concurrent_calls, destination_prefixes FROM call_queues"
            " WHERE workspace_id = $1 ORDER BY mode",
            duka.id,
        )
    assert [tuple(row) for row in members] == [("wanjiru@example.co.ke", "owner")]
    assert [tuple(row) for row in queues] == [("live", 5.0, 50, ["254"]), ("test", 5.0, 10, ["254"])]


async def test_names_may_repeat_but_slugs_and_references_do_not(platform: Platform) -> None:
    made = await asyncio.gather(*(platform.workspace("Duka la Mama") for _ in range(5)))
    assert len({one.slug for one in made}) == len({one.mpesa_account_ref for one in made}) == 5


async def test_one_person_may_own_several(platform: Platform) -> None:
    await platform.workspace("One", "Wanjiru@Example.co.ke")
    await platform.workspace("Two", "wanjiru@example.co.ke")
    async with platform.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM users") == 1


async def test_every_bad_field_is_told(platform: Platform) -> None:
    with pytest.raises(Invalid) as refused:
        await platform.workspace("  ", "nobody")
    assert [problem.pointer for problem in refused.value.fields] == ["/name", "/owner"]


class Heard:
    def __init__(self) -> None:
        self.heard: list[tuple[str, UUID]] = []

    async def suspended(self, connection: Connection, workspace_id: UUID, now: datetime) -> None:
        self.heard.append(("suspended", workspace_id))

    async def unsuspended(self, connection: Connection, workspace_id: UUID, now: datetime) -> None:
        self.heard.append(("unsuspended", workspace_id))


async def test_suspension_is_told_once_each_way(platform: Platform, duka: Workspace) -> None:
    listener = Heard()
    workspaces = Workspaces(platform.wallets, platform.signing_secrets, listeners=[listener])
    now = platform.clock.now()
    async with platform.database.transaction() as connection:
        for _ in range(2):
            suspended = await workspaces.suspend(connection, duka.id, "unpaid", OPERATOR, now)
        for _ in range(2):
            lifted = await workspaces.unsuspend(connection, duka.id, OPERATOR, now)
    assert (suspended.suspended_at, lifted.suspended_at) == (now, None)
    assert listener.heard == [("suspended", duka.id), ("unsuspended", duka.id)]


async def test_an_unknown_workspace_is_not_found(platform: Platform) -> None:
    async with platform.database.connection() as connection:
        with pytest.raises(WorkspaceNotFound):
            await platform.workspaces.find(connection, uuid7())


def test_a_slug_is_plain() -> None:
    assert slug_of("Duka la Mama Ānn!") == "duka-la-mama-ann"
    assert slug_of("你好") == "workspace"
