import asyncpg
import pytest

from sautikitd.database.pool import Database


async def test_the_application_cannot_rewrite_the_audit_log(database: Database) -> None:
    async with database.connection() as connection:
        for statement in ("DELETE FROM audit_log", "UPDATE audit_log SET action = ''", "TRUNCATE audit_log"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_json_travels_as_python_values(database: Database) -> None:
    value = {"a": [1, "x", None, {"b": True}]}
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT $1::jsonb", value) == value
