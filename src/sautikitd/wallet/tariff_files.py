"""Tariffs as CSV files, of the platform or of one workspace: all of a file is imported, or nothing.

A price has an `effective_from`, and what has begun is never changed: history stays what calls were charged by. A call's
rate is frozen when it is placed, so no import touches calls already placed.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import get_args
from uuid import UUID

import msgspec

from sautikitd.clock import NAIROBI
from sautikitd.database.pool import Connection
from sautikitd.ids import uuid7
from sautikitd.timestamps import rfc3339
from sautikitd.wallet.tariffs import Direction

COLUMNS = ("direction", "prefix", "destination", "per_minute_minor", "effective_from", "effective_until")
_PREFIX = re.compile(r"[0-9]{0,15}", re.ASCII)
_DEAREST = 1_000_000
_WRITTEN = 100


class TariffRow(msgspec.Struct, frozen=True, kw_only=True):
    """`prefix`: leading digits of the far number without '+'; '' is every number. Minor units a minute, VAT included."""

    direction: str
    prefix: str
    destination: str
    per_minute_minor: int
    effective_from: datetime
    effective_until: datetime | None = None

    @property
    def key(self) -> tuple[str, str, datetime]:
        return self.direction, self.prefix, self.effective_from


class TariffProblem(msgspec.Struct, frozen=True):
    """`line` counts from 1, the line of column names included."""

    line: int
    problem: str


class TariffReport(msgspec.Struct, kw_only=True):
    """With problems nothing was imported. `changed`: rows that were to come into force later and now read otherwise."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    problems: list[TariffProblem] = []


async def import_tariffs(
    connection: Connection, lines: Iterable[str], workspace_id: UUID | None, now: datetime
) -> TariffReport:
    """Reads CSV with the columns `COLUMNS` in any order; an empty `effective_from` is now. Inside a transaction."""
    problems: list[TariffProblem] = []
    now = _to_the_millisecond(now)
    rows = _read(lines, now, problems)
    known = {row.key: row for row in await tariffs_of(connection, workspace_id)}
    added, changed, unchanged = [], [], 0
    for line, row in rows:
        before = known.get(row.key)
        if before == row:
            unchanged += 1
        elif before is None and row.effective_from < now:
            problems.append(TariffProblem(line, "effective_from: it is over; leave it empty for now"))
        elif before is None:
            added.append(row)
        elif before.effective_from > now or _only_ends(before, row, now):
            changed.append(row)
        else:
            problem = "this price is in force or was: add a line with a later effective_from instead"
            problems.append(TariffProblem(line, problem))
    if problems:
        return TariffReport(problems=problems)
    await _write(connection, workspace_id, [*added, *changed])
    return TariffReport(added=len(added), changed=len(changed), unchanged=unchanged)


async def tariffs_of(connection: Connection, workspace_id: UUID | None) -> list[TariffRow]:
    """All rows of the workspace's own tariff, or of the platform's (None): past, present and to come."""
    rows = await connection.fetch(_ALL, workspace_id)
    return [TariffRow(**dict(row)) for row in rows]


def as_csv(rows: Sequence[TariffRow]) -> str:
    """What `import_tariffs` reads back without change."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        until = "" if row.effective_until is None else rfc3339(row.effective_until)
        writer.writerow(
            [
                row.direction,
                row.prefix,
                row.destination,
                row.per_minute_minor,
                rfc3339(row.effective_from),
                until,
            ]
        )
    return text.getvalue()


async def _write(connection: Connection, workspace_id: UUID | None, rows: Sequence[TariffRow]) -> None:
    await connection.executemany(
        _PUT,
        [
            (
                uuid7(),
                workspace_id,
                row.direction,
                row.prefix,
                row.destination,
                row.per_minute_minor,
                row.effective_from,
                row.effective_until,
            )
            for row in rows
        ],
    )


def _only_ends(before: TariffRow, row: TariffRow, now: datetime) -> bool:
    """A price in force may be given an end to come, or lose one that has not come."""
    same = msgspec.structs.replace(before, effective_until=row.effective_until) == row
    running = before.effective_until is None or before.effective_until > now
    return same and running and (row.effective_until is None or row.effective_until >= now)


def _read(
    lines: Iterable[str], now: datetime, problems: list[TariffProblem]
) -> Sequence[tuple[int, TariffRow]]:
    reader = csv.DictReader(lines, strict=True)
    found: dict[tuple[str, str, datetime], tuple[int, TariffRow]] = {}
    try:
        columns = [name.strip().lstrip("\ufeff") for name in reader.fieldnames or ()]
        if sorted(columns) != sorted(COLUMNS):
            problems.append(TariffProblem(1, f"the columns must be {','.join(COLUMNS)}"))
            return []
        reader.fieldnames = columns
        for raw in reader:
            row = _row(raw, now)
            if isinstance(row, str):
                problems.append(TariffProblem(reader.line_num, row))
            elif row.key in found:
                problems.append(
                    TariffProblem(reader.line_num, f"the same price stands on line {found[row.key][0]}")
                )
            else:
                found[row.key] = reader.line_num, row
    except csv.Error as exc:
        problems.append(TariffProblem(reader.line_num, f"not readable as CSV: {exc}"))
    return list(found.values())


def _row(raw: dict[str, str], now: datetime) -> TariffRow | str:
    """The price of one line, or what is wrong with it."""
    if None in raw or None in raw.values():
        return f"a line has {len(COLUMNS)} values"
    raw = {name: value.strip() for name, value in raw.items()}
    price = raw["per_minute_minor"]
    if raw["direction"] not in get_args(Direction):
        return "direction: inbound, outbound, sip, browser or stream"
    if not _PREFIX.fullmatch(raw["prefix"]):
        return "prefix: up to 15 digits without +, like 2547"
    if not 1 <= len(raw["destination"]) <= _WRITTEN or not raw["destination"].isprintable():
        return f"destination: what to call it, 1 to {_WRITTEN} characters"
    if not (price.isascii() and price.isdigit() and len(price) < 12 and int(price) <= _DEAREST):
        return f"per_minute_minor: whole minor units up to {_DEAREST}, like 300 for KES 3.00"
    try:
        start = _moment(raw["effective_from"]) or now
        end = _moment(raw["effective_until"])
    except ValueError:
        return "effective_from, effective_until: a day like 2027-01-31 (Nairobi) or an RFC 3339 time"
    if end and end <= start:
        return "effective_until: must be after effective_from"
    return TariffRow(
        direction=raw["direction"],
        prefix=raw["prefix"],
        destination=raw["destination"],
        per_minute_minor=int(price),
        effective_from=start,
        effective_until=end,
    )


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return _to_the_millisecond(moment if moment.tzinfo else moment.replace(tzinfo=NAIROBI))


def _to_the_millisecond(moment: datetime) -> datetime:
    """As finely as a file tells it, so that a price read back is the same price."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


_ALL = """
SELECT direction, prefix, destination, per_minute_minor, effective_from, effective_until FROM tariffs
WHERE workspace_id IS NOT DISTINCT FROM $1 ORDER BY direction DESC, prefix, effective_from
"""

_PUT = """
INSERT INTO tariffs (id, workspace_id, direction, prefix, destination, per_minute_minor, effective_from, effective_until)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (workspace_id, direction, prefix, effective_from)
DO UPDATE SET destination = $5, per_minute_minor = $6, effective_until = $8
"""
