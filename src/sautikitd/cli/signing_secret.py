"""`sautikitd signing-secret show`."""

from typing import cast
from uuid import UUID

import click

from sautikitd.cli.command import Commands, Invocation, subcommand


@click.group("signing-secret", cls=Commands)
def signing_secret() -> None:
    """The secret that signs voice callbacks and the deliveries to events_url and webhook_url."""


@signing_secret.command()
@click.option("--workspace", "workspace_id", required=True, metavar="ID", type=click.UUID)
@click.option("--mode", required=True, type=click.Choice(["live", "test"]))
@subcommand()
async def show(invocation: Invocation, workspace_id: UUID, mode: str) -> None:
    """Show it, and those before it that are still valid. The look is noted in the audit log.

    \b
    sautikitd signing-secret show --workspace 0192…c1 --mode live
    """
    import dataclasses

    from sautikitd.cli.installation import installation
    from sautikitd.events.models import Mode
    from sautikitd.identity import audit

    chosen = cast("Mode", mode)
    async with installation(invocation.settings) as platform, platform.database.transaction() as connection:
        await platform.workspaces.find(connection, workspace_id)
        current, *older = await platform.signing_secrets.valid(connection, workspace_id, chosen)
        actor = dataclasses.replace(audit.OPERATOR, workspace_id=workspace_id, mode=chosen)
        now = platform.clock.now()
        await audit.record(connection, actor, "signing_secret.show", str(workspace_id), now=now)
    invocation.result(
        {"secret": current, "overlapping": older}, lambda: click.echo("\n".join([current, *older]))
    )
