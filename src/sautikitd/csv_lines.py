"""Rows as CSV (RFC 4180) in UTF-8, harmless in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any


def csv_lines(rows: Iterable[Sequence[Any]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerows([[_harmless(value) for value in row] for row in rows])
    return buffer.getvalue().encode()


def _harmless(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets an apostrophe; E.164 numbers stay as they are."""
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value
    return value if value.removeprefix("+").replace(",+", "").isdigit() else f"'{value}"
