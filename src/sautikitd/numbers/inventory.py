"""Inventory of the operator's numbers, brought in from a CSV file: all of it, or nothing."""

import csv
from collections.abc import Iterable, Iterator

import msgspec

from sautikitd.database.pool import Connection
from sautikitd.events.models import Mode
from sautikitd.ids import uuid7
from sautikitd.numbering.parse import NumberClass, TelephoneNumber, parse_number
from sautikitd.numbers import inventory_repository
from sautikitd.numbers.models import InventoryRecord, InventoryStatus, NumberType
from sautikitd.wallet.money import Minor

COLUMNS = ("e164", "type", "locality", "monthly_price_minor")
MAX_PRICE_MINOR = 1_000_000_00

_TYPE_OF = {
    NumberClass.GEOGRAPHIC: NumberType.LOCAL,
    NumberClass.MOBILE: NumberType.MOBILE,
    NumberClass.TOLL_FREE: NumberType.TOLL_FREE,
}


class LineProblem(msgspec.Struct, frozen=True):
    """`line` counts from 1, the line of column names included."""

    line: int
    problem: str


class ImportReport(msgspec.Struct, kw_only=True):
    """With problems nothing was imported. `updated` numbers were there already and got this price and locality."""

    added: int = 0
    updated: int = 0
    problems: list[LineProblem] = []


async def import_inventory(connection: Connection, lines: Iterable[str], mode: Mode = "live") -> ImportReport:
    """Reads CSV lines, the first of them naming the columns `COLUMNS` in any order, and stores the numbers."""
    problems: list[LineProblem] = []
    rows = list(_read(lines, mode, problems))
    if problems:
        return ImportReport(problems=problems)
    added = await inventory_repository.put(connection, rows) if rows else 0
    return ImportReport(added=added, updated=len(rows) - added)


def _read(lines: Iterable[str], mode: Mode, problems: list[LineProblem]) -> Iterator[InventoryRecord]:
    reader = csv.DictReader(lines, strict=True)
    seen: dict[str, int] = {}
    try:
        columns = [name.strip().lstrip("\ufeff") for name in reader.fieldnames or ()]
        if sorted(columns) != sorted(COLUMNS):
            problems.append(LineProblem(1, f"the columns must be {','.join(COLUMNS)}"))
            return
        reader.fieldnames = columns
        for raw in reader:
            row = _row(raw, mode)
            if not isinstance(row, InventoryRecord):
                problems.append(LineProblem(reader.line_num, row))
            elif row.e164 in seen:
                problem = f"{row.e164} stands on line {seen[row.e164]} already"
                problems.append(LineProblem(reader.line_num, problem))
            else:
                seen[row.e164] = reader.line_num
                yield row
    except csv.Error as exc:
        problems.append(LineProblem(reader.line_num, f"not readable as CSV: {exc}"))


def _row(raw: dict[str, str], mode: Mode) -> InventoryRecord | str:
    """The number of one line, or what is wrong with it."""
    if None in raw or None in raw.values():
        return f"a line has {len(COLUMNS)} values"
    number = parse_number(raw["e164"])
    if not isinstance(number, TelephoneNumber):
        return f"e164: {number.reason}"
    price = raw["monthly_price_minor"].strip()
    if not (price.isascii() and price.isdigit() and int(price) <= MAX_PRICE_MINOR):
        return "monthly_price_minor: whole minor units are needed, like 10000 for KES 100"
    kind = _TYPE_OF.get(number.kind) if number.country == "KE" else None
    if kind is None:
        return f"e164: {number.e164} is no Kenyan geographic, mobile or toll-free number"
    if raw["type"].strip() != kind:
        return f"type: {number.e164} is {kind}, not {raw['type'].strip() or 'empty'}"
    return InventoryRecord(
        id=uuid7(),
        mode=mode,
        e164=number.e164,
        country="KE",
        type=kind,
        area_code=f"0{number.e164[4:6]}" if kind is NumberType.LOCAL else "",
        locality=raw["locality"].strip(),
        capabilities=("voice",),
        monthly_price_minor=Minor(int(price)),
        status=InventoryStatus.AVAILABLE,
    )
