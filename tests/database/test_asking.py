"""Several questions in one round trip."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from sautikitd.database.asking import Question, ask
from sautikitd.database.pool import Database


class Sum(msgspec.Struct):
    total: int
    of: list[str]


class Moment(msgspec.Struct):
    id: UUID
    at: datetime
    note: str | None


async def test_each_question_has_its_own_answer_and_its_own_arguments(database: Database) -> None:
    id_, at = UUID(int=7), datetime(2026, 11, 29, 12, 0, 0, 250_000, tzinfo=UTC)
    first = Question(
        sql="SELECT $1::int + $2::int AS total, $3::text[] AS of", arguments=(1, 2, ["a"]), kind=Sum
    )
    second = Question(
        sql="SELECT $2::uuid AS id, $1::timestamptz AS at, NULL AS note", arguments=(at, id_), kind=Moment
    )
    same = Question(sql=first.sql, arguments=(3, 4, []), kind=Sum)
    async with database.connection() as connection:
        await ask(connection, first, second, same)
    assert first.answer == Sum(3, ["a"])
    assert second.answer == Moment(id_, at, None)
    assert same.answer == Sum(7, [])


async def test_a_question_without_a_row_is_answered_with_nothing(database: Database) -> None:
    nothing = Question(sql="SELECT 1 AS total, '{}'::text[] AS of WHERE $1", arguments=(False,), kind=Sum)
    plain = Question(sql="SELECT 5 AS total, '{x}'::text[] AS of", arguments=(), kind=Sum)
    async with database.connection() as connection:
        await ask(connection, nothing, plain)
    assert nothing.answer is None
    assert plain.answer == Sum(5, ["x"])
