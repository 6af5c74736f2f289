"""`sautikitd tariff import | export | list`."""

from typing import TextIO
from uuid import UUID

import click

from sautikitd.cli.command import Commands, Invocation, subcommand
from sautikitd.cli.csv_files import lines_of, refused

_WORKSPACE = click.option(
    "--workspace", "workspace_id", metavar="ID", type=click.UUID, help="Its own tariff; else the platform's."
)


@click.group(cls=Commands)
def tariff() -> None:
    """What a minute costs, by prefix and date."""


@tariff.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@_WORKSPACE
@subcommand()
async def import_(invocation: Invocation, file: TextIO, workspace_id: UUID | None) -> None:
    """Import prices from a CSV file: all of it, or nothing when a line is wrong. Calls already placed keep their rate.

    \b
    sautikitd tariff import prices.csv

    \b
    direction,prefix,destination,per_minute_minor,effective_from,effective_until
    outbound,2547,Kenya mobile,280,2027-01-01,
    outbound,256,Uganda,1500,,
    """
    import dataclasses

    from sautikitd.cli.installation import installation
    from sautikitd.identity import audit
    from sautikitd.wallet.tariff_files import import_tariffs

    lines = lines_of(file)
    async with installation(invocation.settings) as platform, platform.database.transaction() as connection:
        if workspace_id is not None:
            await platform.workspaces.find(connection, workspace_id)
        now = platform.clock.now()
        report = await import_tariffs(connection, lines, workspace_id, now)
        if not report.problems:
            actor = dataclasses.replace(audit.OPERATOR, workspace_id=workspace_id)
            detail = {"added": report.added, "changed": report.changed}
            await audit.record(connection, actor, "tariff.import", detail=detail, now=now)
    if report.problems:
        raise refused("tariff.invalid", [(wrong.line, wrong.problem) for wrong in report.problems])
    figures = {"added": report.added, "changed": report.changed, "unchanged": report.unchanged}
    text = f"Imported: {report.added} new, {report.changed} changed, {report.unchanged} as they were."
    invocation.result(figures, lambda: click.echo(text))


@tariff.command()
@_WORKSPACE
@subcommand()
async def export(invocation: Invocation, workspace_id: UUID | None) -> None:
    """Print every price, past and to come, as the CSV that import reads.

    \b
    sautikitd tariff export > prices.csv
    """
    from sautikitd.cli.installation import installation
    from sautikitd.wallet.tariff_files import as_csv, tariffs_of

    async with installation(invocation.settings) as platform, platform.database.connection() as connection:
        rows = await tariffs_of(connection, workspace_id)
    invocation.result({"csv": as_csv(rows)}, lambda: click.echo(as_csv(rows), nl=False))


@tariff.command("list")
@_WORKSPACE
@subcommand()
async def list_(invocation: Invocation, workspace_id: UUID | None) -> None:
    """List the prices in force now.

    \b
    sautikitd tariff list
    sautikitd tariff list --workspace 0198…
    """
    from sautikitd.cli.installation import installation
    from sautikitd.wallet.money import written
    from sautikitd.wallet.tariff_files import tariffs_of

    async with installation(invocation.settings) as platform, platform.database.connection() as connection:
        now = platform.clock.now()
        rows = await tariffs_of(connection, workspace_id)
    newest = {
        (row.direction, row.prefix): row
        for row in rows
        if row.effective_from <= now and (row.effective_until is None or row.effective_until > now)
    }
    lines = [
        f"{row.direction:9} {row.prefix or '(any)':16} {written(row.per_minute_minor):>14} a minute  {row.destination}"
        for row in newest.values()
    ]
    nothing = "No prices of its own: the platform's apply." if workspace_id else "No prices."
    invocation.result(
        {"tariffs": list(newest.values())}, lambda: click.echo("\n".join(lines) if lines else nothing)
    )
