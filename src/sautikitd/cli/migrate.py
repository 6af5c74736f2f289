"""`sautikitd migrate`."""

import click

from sautikitd.cli.command import Invocation, subcommand


@click.command()
@subcommand()
async def migrate(invocation: Invocation) -> None:
    """Bring the database to the newest schema. Two at once are safe; one that is there already changes nothing.

    \b
    DATABASE_URL=postgresql://owner:secret@db.internal/sautikit sautikitd migrate
    """
    from sautikitd.cli.installation import database_urls
    from sautikitd.database.migrate import current, migrate_async

    async with database_urls(invocation.settings) as urls:
        before = current(urls.owner)
        await migrate_async(urls.owner)
        after = current(urls.owner)

    def show() -> None:
        click.echo(
            f"The schema is at {after}." if before == after else f"The schema went from {before} to {after}."
        )

    invocation.result({"before": before, "after": after}, show)
