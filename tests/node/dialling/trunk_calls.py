"""Calls over trunks that go before the exchange's own: added, placed, and what was noted of those that failed."""

from typing import Any
from uuid import UUID

from node.switchboard import NUMBER, PARTIES, Switchboard
from sautikitd.calls.models import CallRecord
from sautikitd.calls.requests import PlaceCall
from sautikitd.identity.audit import OPERATOR
from sautikitd.identity.keys.models import NewKey
from sautikitd.identity.principal import Principal
from sautikitd.trunks.models import NewTrunk

FIRST = PARTIES[0]


async def add_trunk(board: Switchboard, name: str, port: int, **terms: Any) -> UUID:
    """A trunk that goes before the exchange's, unless told otherwise."""
    new = NewTrunk(**{"name": name, "host": "127.0.0.1", "port": port, "priority": 1, **terms})
    async with board.platform.database.transaction() as connection:
        added = await board.platform.trunks.add(connection, new, OPERATOR, board.clock.now())
    await board.parts.trunk_watch.refresh()
    return added.id


async def nairobi(board: Switchboard) -> UUID:
    async with board.platform.database.connection() as connection:
        return (await board.platform.trunks.find(connection, "nairobi")).id


async def place(board: Switchboard, to: str = FIRST) -> None:
    platform, now = board.platform, board.clock.now()
    async with platform.database.transaction() as connection:
        new = NewKey(
            workspace_id=board.workspace_id,
            mode="live",
            name="a test's key",
            scopes=frozenset("*"),
            number_ids=None,
        )
        key = (await platform.api_keys.create(connection, new, OPERATOR, now)).record
        principal = Principal(id=key.id, workspace_id=board.workspace_id, mode="live", scopes=frozenset("*"))
        await platform.placing.place(connection, principal, PlaceCall(from_=NUMBER, to=to))
    board.parts.node.wake()


async def failed_before(board: Switchboard, call: CallRecord) -> list[tuple[UUID, str]]:
    async with board.platform.database.connection() as connection:
        stored = await connection.fetchval("SELECT trunks_failed FROM calls WHERE id = $1", call.id)
    return [(UUID(one["trunk_id"]), one["why"]) for one in stored]
