"""`sautikitd inventory import`."""

from typing import TextIO, cast

import click

from sautikitd.cli.command import Commands, Invocation, subcommand
from sautikitd.cli.csv_files import lines_of, refused


@click.group(cls=Commands)
def inventory() -> None:
    """Numbers the platform may give out."""


@inventory.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.option("--mode", type=click.Choice(["live", "test"]), default="live", show_default=True)
@subcommand()
async def import_(invocation: Invocation, file: TextIO, mode: str) -> None:
    """Import numbers from a CSV file: all of it, or nothing when a line is wrong. Importing again updates prices.

    \b
    sautikitd inventory import numbers.csv

    \b
    e164,type,locality,monthly_price_minor
    +254205000001,local,Nairobi,10000
    +254711000001,mobile,,25000
    """
    from sautikitd.cli.installation import installation
    from sautikitd.events.models import Mode
    from sautikitd.numbers.inventory import import_inventory

    lines = lines_of(file)
    async with installation(invocation.settings) as platform, platform.database.transaction() as connection:
        report = await import_inventory(connection, lines, cast("Mode", mode))
    if report.problems:
        raise refused("inventory.invalid", [(wrong.line, wrong.problem) for wrong in report.problems])
    text = f"Imported: {report.added} new, {report.updated} updated."
    invocation.result({"added": report.added, "updated": report.updated}, lambda: click.echo(text))
