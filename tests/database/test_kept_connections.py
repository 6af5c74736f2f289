import asyncpg
import pytest

from sautikitd.database.pool import Database

SUM = "SELECT $1::int + 1"
PREPARED = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%AS asked'"


async def test_a_connection_is_handed_on_without_a_word_to_the_server(database_url: str) -> None:
    database = await Database.connect(database_url, minimum=1, maximum=1)
    try:
        async with database.connection() as connection:
            await connection.execute("SET application_name = 'kept'")
        async with database.connection() as connection:
            assert await connection.fetchval("SHOW application_name") == "kept"
    finally:
        await database.close()


async def test_a_transaction_left_open_does_not_reach_the_next_one(database_url: str) -> None:
    database = await Database.connect(database_url, minimum=1, maximum=1)
    try:
        async with database.connection() as connection:
            await connection.execute("BEGIN; SELECT 1")
        async with database.connection() as connection:
            assert not connection.is_in_transaction()
            assert await connection.fetchval("SELECT 1") == 1
    finally:
        await database.close()


async def test_a_statement_is_planned_once_where_plans_are_kept(database_url: str) -> None:
    database = await Database.connect(database_url, minimum=1, maximum=1, keep_plans=True)
    try:
        async with database.connection() as connection:
            for _ in range(3):
                await connection.fetch("SELECT id FROM calls WHERE id = ANY ($1::uuid[])", [])
            planned = await connection.fetchrow(
                "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE '%id = ANY%'"
                " AND statement NOT LIKE '%pg_prepared_statements%'"
            )
        assert tuple(planned) == (3, 0)
    finally:
        await database.close()


async def test_a_prepared_statement_is_used_again_whatever_asks_for_it(database_url: str) -> None:
    database = await Database.connect(database_url, minimum=1, maximum=1)
    try:
        async with database.connection() as connection:
            for n in range(3):
                assert await connection.fetchval(f"{SUM} AS asked", n) == n + 1
                assert tuple(await connection.fetchrow(f"{SUM} AS asked", n)) == (n + 1,)
                assert [tuple(row) for row in await connection.fetch(f"{SUM} AS asked", n)] == [(n + 1,)]
                assert await connection.execute(f"{SUM} AS asked", n) == "SELECT 1"
            assert await connection.fetchval(PREPARED) == 1
    finally:
        await database.close()


async def test_a_statement_whose_table_has_changed_is_prepared_anew(database_url: str) -> None:
    database = await Database.connect(database_url, minimum=1, maximum=1)
    try:
        async with database.connection() as connection:
            await connection.execute(
                "CREATE TEMPORARY TABLE changing (a int); INSERT INTO changing VALUES (1)"
            )
            assert dict(await connection.fetchrow("SELECT * FROM changing")) == {"a": 1}
            await connection.execute("ALTER TABLE changing ADD COLUMN b text DEFAULT 'new'")
            assert dict(await connection.fetchrow("SELECT * FROM changing")) == {"a": 1, "b": "new"}
            await connection.execute("ALTER TABLE changing DROP COLUMN a")
            with pytest.raises(asyncpg.InvalidCachedStatementError):
                async with connection.transaction():
                    await connection.fetchrow("SELECT * FROM changing")
            assert dict(await connection.fetchrow("SELECT * FROM changing")) == {"b": "new"}
    finally:
        await database.close()


async def test_a_statement_that_takes_too_long_is_cancelled_also_when_it_is_known(database_url: str) -> None:
    database = await Database.connect(database_url, minimum=1, maximum=1)
    try:
        for _ in range(2):
            async with database.connection() as connection:
                assert await connection.fetchval("SELECT 1 FROM pg_sleep($1)", 0.0) == 1
                with pytest.raises(TimeoutError):
                    await connection.fetchval("SELECT 1 FROM pg_sleep($1)", 30.0, timeout=0.1)
    finally:
        await database.close()
