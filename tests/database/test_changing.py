"""The transaction of one request, and what is written with its commit."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from sautikitd.database.changing import Change, NotCommitted, literal
from sautikitd.database.pool import Database
from sautikitd.ids import uuid7


def act(change: Change, target: str) -> None:
    row = (uuid7(), None, None, "system", "test", "thing.make", target, "{}", None, datetime.now(UTC))
    change.at_last("record_act", *row)


async def targets(database: Database) -> list[str]:
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT target FROM audit_log WHERE action = 'thing.make' ORDER BY id")
    return [row["target"] for row in rows]


async def make_workspace(change: Change, id_: UUID) -> None:
    await change.connection.execute(
        "INSERT INTO workspaces (id, name, slug, mpesa_account_ref) VALUES ($1, 'Duka', $2, $2)", id_, id_.hex
    )


async def exists(database: Database, id_: UUID) -> bool:
    async with database.connection() as connection:
        return bool(await connection.fetchval("SELECT count(*) FROM workspaces WHERE id = $1", id_))


async def test_what_is_said_at_last_is_committed_with_the_rest(database: Database) -> None:
    id_ = uuid4()
    async with database.change() as change:
        act(change, "one")
        await make_workspace(change, id_)
        act(change, "two")
        assert await targets(database) == []
    assert await targets(database) == ["one", "two"]
    assert await exists(database, id_)


async def test_nothing_is_written_where_the_block_raises(database: Database) -> None:
    id_ = uuid4()

    async def fail() -> None:
        async with database.change() as change:
            await make_workspace(change, id_)
            act(change, "one")
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert await targets(database) == []
    assert not await exists(database, id_)


async def test_nothing_is_written_where_the_last_words_are_refused(database: Database) -> None:
    id_ = uuid4()

    async def fail() -> None:
        async with database.change() as change:
            await make_workspace(change, id_)
            act(change, "one")
            change.at_last("record_act", *([None] * 10))

    with pytest.raises(asyncpg.NotNullViolationError):
        await fail()
    assert await targets(database) == []
    assert not await exists(database, id_)
    async with database.change() as change:  # and the connection is none the worse for it
        act(change, "later")
    assert await targets(database) == ["later"]


async def test_an_error_passed_over_is_not_taken_for_a_commit(database: Database) -> None:
    async def pass_over() -> None:
        async with database.change() as change:
            with pytest.raises(asyncpg.UndefinedTableError):
                await change.connection.execute("SELECT * FROM nowhere")

    with pytest.raises(NotCommitted):
        await pass_over()


ODD = ["", "'; DROP TABLE calls; --", "\\'", "$1 $$ E'\\n'", "Wambũi 🦁", "\n\t\x7f"]


@pytest.mark.parametrize("text", ODD)
async def test_no_text_is_taken_for_sql(database: Database, text: str) -> None:
    async with database.change() as change:
        act(change, text)
    assert await targets(database) == [text]


async def test_every_kind_of_value_comes_back_as_it_was(database: Database) -> None:
    values = [None, "it's", b"\x00'\xff", 7, -7, UUID(int=3), datetime(2026, 11, 29, 1, 2, 3, 45, tzinfo=UTC)]
    async with database.connection() as connection:
        row = await connection.fetchrow(f"SELECT {', '.join(map(literal, values))}")
    assert list(row.values()) == values
