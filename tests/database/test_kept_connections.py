from sautikitd.database.pool import Database


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
