"""A trunk for every leg about to be dialled, with the caps held over all nodes.

Caps are held by the database: a trunk that has any is locked from its choice until the call is committed, so two nodes
cannot both take its last channel. Trunks without caps are not locked, and cost one read.
"""

import random
from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from sautikitd.database.pool import Connection, Record
from sautikitd.trunks.choice import Room, Way, assign, ranked
from sautikitd.trunks.models import TrunkState

_chance = random.SystemRandom()


class TrunkFull(Exception):
    """A trunk has as many live calls as it may: this one came in above them."""


class NoWay(StrEnum):
    """Why a leg has no trunk."""

    NONE = "none"  # no trunk takes this number
    FULL = "full"  # those that take it have no room now: waiting helps
    CROWDED = "crowded"  # beside the legs that ring together with it there never is room


async def allocate(
    connection: Connection,
    numbers: Sequence[str],
    now: datetime,
    *,
    without: Collection[UUID] = (),
    chance: random.Random = _chance,
) -> list[UUID | NoWay]:
    """A trunk for each of `numbers` (E.164), which are to ring together; those `without` are passed over.

    As `allocate_each` for one group.
    """
    return (await allocate_each(connection, [("", numbers)], now, without=without, chance=chance))[0]


async def allocate_each(
    connection: Connection,
    groups: Sequence[tuple[object, Sequence[str]]],
    now: datetime,
    *,
    without: Collection[UUID] = (),
    chance: random.Random = _chance,
) -> list[list[UUID | NoWay]]:
    """Trunks for several groups of numbers that are to ring together, each group with the line it waits in.

    Takes a token of each capped trunk that it gives out, unless one of a group's legs has to wait for room, since then
    none of it should start, and nothing behind it in its line. Call it in the transaction that commits the calls as
    `ringing` with these trunks: it is those rows that fill the channels. Locks capped trunks in the order of their
    ids; lock calls before and wallets after.
    """
    ways = [_way(row) for row in await connection.fetch(_ENABLED)]
    ranked_groups = [
        [ranked(ways, number, without=without, chance=chance) for number in numbers] for _, numbers in groups
    ]
    capped = {
        way.id: way for rankings in ranked_groups for ranking in rankings for way in ranking if way.capped
    }
    rooms = await _rooms(connection, capped, now) if capped else {}
    before = {trunk_id: room.tokens for trunk_id, room in rooms.items()}
    full: set[object] = set()
    given = []
    for (line, numbers), rankings in zip(groups, ranked_groups, strict=True):
        found: list[UUID | NoWay] = [NoWay.FULL] * len(numbers)
        if line not in full:
            left = {trunk_id: msgspec.structs.replace(room) for trunk_id, room in rooms.items()}
            found = _assigned(rankings, left, capped)
            if NoWay.FULL in found:
                full.add(line)
            else:
                rooms = left
        given.append(found)
    taken = {trunk_id: room.tokens for trunk_id, room in rooms.items() if room.tokens != before[trunk_id]}
    if taken:
        await connection.execute(_TAKE, list(taken), list(taken.values()), now)
    return given


def _assigned(
    rankings: Sequence[Sequence[Way]], rooms: dict[UUID, Room], capped: dict[UUID, Way]
) -> list[UUID | NoWay]:
    found = [
        way.id if way else (NoWay.FULL if ranking else NoWay.NONE)
        for way, ranking in zip(assign(rankings, rooms), rankings, strict=True)
    ]
    return _told_apart(found, rankings, capped) if NoWay.FULL in found else found


async def admit(connection: Connection, trunk_id: UUID, now: datetime) -> None:
    """Room for one call more that comes in over a trunk. Raises `TrunkFull`.

    Call it in the transaction that commits the call as `ringing`: a capped trunk stays locked until then, so that calls
    in and out together never take more channels than there are.
    """
    if await connection.fetchval(_CHANNELS, trunk_id) is not None:
        rooms = await _rooms(connection, [trunk_id], now)
        if trunk_id in rooms and rooms[trunk_id].channels < 1:
            raise TrunkFull


def _told_apart(
    found: list[UUID | NoWay], rankings: Sequence[Sequence[Way]], capped: dict[UUID, Way]
) -> list[UUID | NoWay]:
    """The same with `CROWDED` for the legs that would find no room on idle trunks either."""
    idle = {trunk_id: Room.idle(way) for trunk_id, way in capped.items()}
    fits = assign(rankings, idle)
    return [
        NoWay.CROWDED if one is NoWay.FULL and fit is None else one
        for one, fit in zip(found, fits, strict=True)
    ]


async def _rooms(connection: Connection, capped: Collection[UUID], now: datetime) -> dict[UUID, Room]:
    """What is left of these trunks, which are locked from now on."""
    await connection.execute(_LOCK, list(capped))
    rooms = {}
    for row in await connection.fetch(_ROOM, list(capped)):
        way = _way(row)
        rooms[way.id] = Room.idle(way)
        rooms[way.id].channels -= row["live"]
        rooms[way.id].tokens = way.tokens_now(now)
    return rooms


def _way(row: Record) -> Way:
    values = {field: row[field] for field in Way.__struct_fields__}
    return Way(**values | {"prefixes": tuple(row["prefixes"]), "state": TrunkState(row["state"])})


_COLUMNS = ", ".join(f"trunks.{field}" for field in Way.__struct_fields__)

_ENABLED = f"SELECT {_COLUMNS} FROM trunks WHERE mode = 'live' AND enabled"

_CHANNELS = "SELECT max_channels FROM trunks WHERE id = $1"

# Not FOR UPDATE: that would wait for every call that is being committed with the trunk as its foreign key.
_LOCK = "SELECT FROM trunks WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE"

# After the lock, in a statement of its own, so that it sees what whoever held the lock has committed.
_ROOM = f"""
SELECT {_COLUMNS}, (SELECT count(*) FROM calls WHERE calls.trunk_id = trunks.id
                    AND calls.status IN ('ringing', 'answered')) AS live
FROM trunks WHERE id = ANY ($1)
"""

_TAKE = """
UPDATE trunks SET tokens = given.tokens, tokens_at = $3
FROM unnest($1::uuid[], $2::float8[]) AS given (id, tokens) WHERE trunks.id = given.id
"""
