"""Seals over the ledger: every batch of transactions is hashed once it is settled, chained to the seal before it.

The ledger's own rules cannot tell an entry that was rewritten together with every balance after it; a seal can. A
batch holds transactions in the order of their ids (UUIDv7, so of time). It ends a minute before the present, and is
made when all database transactions that ran at that moment are over, so none can come into it afterwards.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import zip_longest
from uuid import UUID

import msgspec

from sautikitd.clock import Clock
from sautikitd.database.pool import Connection, Database
from sautikitd.ids import first_uuid7_of

SETTLED_AFTER = timedelta(seconds=60)
"""How old a transaction is at least when it is sealed: more than clocks of machines differ, or a statement may take."""

BATCH = 1000
_WAITS = 30  # seconds for running database transactions to end; else the next run seals
_START = UUID(int=0)


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """`digests`: 32 bytes a transaction, in order; `hash` covers everything else here and the hash of the seal before."""

    sequence: int
    first_transaction: UUID
    last_transaction: UUID
    transaction_count: int
    entry_count: int
    digests: bytes
    hash: bytes
    sealed_at: datetime


class Leaf(msgspec.Struct, frozen=True):
    """A transaction as it is now: the SHA-256 of it with its entries."""

    id: UUID
    entry_count: int
    digest: bytes


class BrokenSeal(msgspec.Struct, frozen=True):
    table: str
    row: str
    problem: str


class NotedSeal(msgspec.Struct, frozen=True):
    """A seal as it was written down outside: its sequence and its hash, 64 lowercase hex digits."""

    sequence: int
    hash: str


async def seal_settled(database: Database, clock: Clock) -> int:
    """Seals what is settled and not yet sealed; returns how many transactions. Harmless to repeat, or to run twice at once."""
    horizon = first_uuid7_of(clock.now() - SETTLED_AFTER)
    if not await _all_over(database, clock):
        return 0
    sealed = 0
    while True:
        async with database.transaction() as connection:
            count = await _seal_batch(connection, horizon, clock.now())
        sealed += count
        if count < BATCH:
            return sealed


async def newest_seal(connection: Connection) -> Seal | None:
    row = await connection.fetchrow(_NEWEST)
    return None if row is None else Seal(**dict(row))


async def seal_numbered(connection: Connection, sequence: int) -> Seal | None:
    row = await connection.fetchrow(_NUMBERED, sequence)
    return None if row is None else Seal(**dict(row))


def noted_difference(noted: NotedSeal, found: Seal | None) -> BrokenSeal | None:
    """What somebody wrote down against what is here now: whoever can rewrite the whole chain cannot rewrite his note."""
    row = str(noted.sequence)
    if found is None:
        return BrokenSeal("ledger_seals", row, "it was noted, and is not there")
    if found.hash.hex() != noted.hash:
        return BrokenSeal(
            "ledger_seals", row, f"its hash is {found.hash.hex()}, and was noted as {noted.hash}"
        )
    return None


async def first_broken(connection: Connection) -> BrokenSeal | None:
    """Recomputes the chain from its beginning; what differs first, or None. In the caller's snapshot."""
    previous: Seal | None = None
    while row := await connection.fetchrow(_NEXT, previous.sequence if previous else 0):
        seal = Seal(**dict(row))
        after = previous.last_transaction if previous else _START
        broken = _out_of_chain(seal, previous) or _first_difference(
            seal, await _leaves(connection, after, seal.last_transaction, None)
        )
        if broken is not None:
            return broken
        previous = seal
    return None


async def _all_over(database: Database, clock: Clock) -> bool:
    """Whether every database transaction that writes now has ended, after a wait of seconds at most."""
    async with database.connection() as connection:
        present = await connection.fetchval("SELECT pg_current_xact_id()::text")  # after all that run
        for _ in range(_WAITS):
            if await connection.fetchval(_OVER, present):
                return True
            await clock.sleep(1)
    return False


async def _seal_batch(connection: Connection, horizon: UUID, now: datetime) -> int:
    previous = await newest_seal(connection)
    leaves = await _leaves(connection, previous.last_transaction if previous else _START, horizon, BATCH)
    if not leaves:
        return 0
    seal = Seal(
        sequence=previous.sequence + 1 if previous else 1,
        first_transaction=leaves[0].id,
        last_transaction=leaves[-1].id,
        transaction_count=len(leaves),
        entry_count=sum(leaf.entry_count for leaf in leaves),
        digests=b"".join(leaf.digest for leaf in leaves),
        hash=b"",
        sealed_at=now,
    )
    values = msgspec.structs.asdict(seal) | {"hash": _hash(seal, previous)}
    added = await connection.fetchval(_ADD, *values.values())
    return len(leaves) if added else 0


async def _leaves(connection: Connection, after: UUID, until: UUID, limit: int | None) -> list[Leaf]:
    return [Leaf(**dict(row)) for row in await connection.fetch(_LEAVES, after, until, limit)]


def _hash(seal: Seal, previous: Seal | None) -> bytes:
    """Over a line of text and the digests: sequence, first and last id, both counts, ISO time in UTC, the hash before in hex."""
    line = " ".join(
        (
            str(seal.sequence),
            str(seal.first_transaction),
            str(seal.last_transaction),
            str(seal.transaction_count),
            str(seal.entry_count),
            f"{seal.sealed_at.timestamp():.6f}",
            previous.hash.hex() if previous else "",
        )
    )
    return hashlib.sha256(line.encode() + b"\n" + seal.digests).digest()


def _out_of_chain(seal: Seal, previous: Seal | None) -> BrokenSeal | None:
    expected = previous.sequence + 1 if previous else 1
    if seal.sequence != expected:
        return BrokenSeal("ledger_seals", str(expected), f"it is missing: seal {seal.sequence} comes next")
    if seal.hash != _hash(seal, previous):
        return BrokenSeal(
            "ledger_seals", str(seal.sequence), "its hash is not that of what it says and of the seal before"
        )
    return None


def _first_difference(seal: Seal, leaves: Sequence[Leaf]) -> BrokenSeal | None:
    sealed = [seal.digests[at : at + 32] for at in range(0, len(seal.digests), 32)]
    for place, (digest, leaf) in enumerate(zip_longest(sealed, leaves), start=1):
        if leaf is not None and leaf.digest == digest:
            continue
        row = str(leaf.id) if leaf else f"{seal.last_transaction} or one before it"
        problem = "it or an entry of it is not what was sealed"
        if len(leaves) != len(sealed):
            problem = f"{len(leaves)} transactions where {len(sealed)} were sealed"
        where = f"{place} of {seal.transaction_count} in seal {seal.sequence}, of {seal.sealed_at:%Y-%m-%d %H:%M:%S} UTC"
        return BrokenSeal("ledger_transactions", row, f"{problem} ({where})")
    return None


_OVER = "SELECT pg_snapshot_xmin(pg_current_snapshot()) > $1::text::xid8"

_COLUMNS = (
    "sequence, first_transaction, last_transaction, transaction_count, entry_count, digests, hash, sealed_at"
)

_NEWEST = f"SELECT {_COLUMNS} FROM ledger_seals ORDER BY sequence DESC LIMIT 1"

_NUMBERED = f"SELECT {_COLUMNS} FROM ledger_seals WHERE sequence = $1"

_NEXT = f"SELECT {_COLUMNS} FROM ledger_seals WHERE sequence > $1 ORDER BY sequence LIMIT 1"

_ADD = f"""
INSERT INTO ledger_seals ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING RETURNING true
"""

# Every column, in an order that never changes; times as microseconds, so that no setting of a session matters.
_LEAVES = """
SELECT t.id, e.entry_count, sha256(convert_to(jsonb_build_array(
           t.id, t.workspace_id, t.mode, t.cause_kind, t.cause_id, t.entry_count, t.description, t.reference, t.call_id,
           t.number_id, t.topup_id, t.tax_basis_points, (extract(epoch FROM t.created_at) * 1000000)::bigint, e.entries
       )::text, 'UTF8')) AS digest
FROM (SELECT * FROM ledger_transactions WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3) AS t
CROSS JOIN LATERAL (
    SELECT count(*) AS entry_count, jsonb_agg(jsonb_build_array(
        line, account, amount_minor, workspace_id, mode, sequence, balance_after_minor) ORDER BY line) AS entries
    FROM ledger_entries WHERE transaction_id = t.id) AS e
ORDER BY t.id
"""
