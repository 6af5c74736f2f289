"""Several questions to the database in one round trip.

A request that has to know five things before it acts waits for one answer instead of five: each question becomes a
subquery of one statement, and its row comes back as JSON. That is worth it for few small rows, not for lists.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec

from sautikitd.database.pool import Connection

T = TypeVar("T")
_PLACEHOLDER = re.compile(r"\$([0-9]+)")


@dataclass(kw_only=True)
class Question(Generic[T]):
    """`sql` selects one row at most, whose columns are the fields of the struct `kind`.

    `answer` is there once it has been asked: None where there is no row.
    """

    sql: str
    arguments: tuple[Any, ...]
    kind: type[T]
    answer: T | None = field(default=None, init=False)


async def ask(connection: Connection, *questions: Question[Any]) -> None:
    """Fills in the answers, all of them as of one moment."""
    statement = _together(tuple(question.sql for question in questions))
    row = await connection.fetchrow(statement, *(each for one in questions for each in one.arguments))
    for question, found in zip(questions, row.values(), strict=True):
        question.answer = None if found is None else msgspec.json.decode(found, type=question.kind)


@lru_cache(maxsize=256)
def _together(statements: tuple[str, ...]) -> str:
    """Each statement's placeholders count on from those of the one before."""
    parts, taken = [], 0
    for statement in statements:
        numbered = _PLACEHOLDER.sub(lambda found, taken=taken: f"${int(found[1]) + taken}", statement)  # type: ignore[misc]
        parts.append(f"(SELECT row_to_json(asked)::text FROM ({numbered}) AS asked)")
        taken += max(map(int, _PLACEHOLDER.findall(statement)), default=0)
    return f"SELECT {', '.join(parts)}"
