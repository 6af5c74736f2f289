"""What commands print: for people, or with `--json` one JSON document for scripts, always on standard output."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from sautikitd.cli.exits import Failure

Row = Mapping[str, Any]


def show_json(value: Any) -> None:
    import msgspec

    from sautikitd.timestamps import rfc3339

    plain = msgspec.to_builtins(value, builtin_types=(datetime,), str_keys=True)
    click.echo(json.dumps(plain, indent=2, ensure_ascii=False, default=rfc3339))


def show_failure(failure: Failure, *, as_json: bool) -> None:
    if as_json:
        error = {"code": failure.code, "message": failure.message, **failure.details}
        click.echo(json.dumps({"error": error}, indent=2, ensure_ascii=False))
        return
    click.secho(f"sautikitd: {failure.message}", fg="red", err=True)
    for field in failure.details.get("fields", ()):  # type: ignore[attr-defined]
        click.echo(f"  {field['pointer'].lstrip('/')}: {field['problem']}", err=True)


def show_fields(title: str, fields: Row) -> None:
    """`title`, then one line a field."""
    width = max(len(name) for name in fields)
    click.secho(title, bold=True)
    for name, value in fields.items():
        click.echo(f"  {name.ljust(width)}  {_written(value)}")


def show_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str) -> None:
    """A table on a terminal, tab-separated lines elsewhere."""
    if not rows:
        click.echo(empty)
        return
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(map(_written, row)))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, header_style="bold")
    for row in rows:
        table.add_row(*map(_written, row))
    Console().print(table)


def _written(value: object) -> str:
    """As people read it: times as in the API, `yes` and `no`, a dash for what there is not."""
    if isinstance(value, datetime):
        from sautikitd.timestamps import rfc3339

        return rfc3339(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)
