"""`sautikitd key create`."""

from typing import cast
from uuid import UUID

import click

from sautikitd.cli.command import Commands, Invocation, subcommand
from sautikitd.cli.show import show_fields


@click.group(cls=Commands)
def key() -> None:
    """API keys of workspaces."""


@key.command()
@click.option("--workspace", "workspace_id", required=True, metavar="ID", type=click.UUID)
@click.option("--mode", required=True, type=click.Choice(["live", "test"]))
@click.option(
    "--scopes", default="*", show_default=True, help="What it may do, with commas; * is everything."
)
@click.option("--name", default="made by the operator", show_default=True)
@subcommand()
async def create(invocation: Invocation, workspace_id: UUID, mode: str, scopes: str, name: str) -> None:
    """Create an API key. It is printed this once and kept nowhere.

    \b
    sautikitd key create --workspace 0192…c1 --mode test --scopes '*'
    export SAUTIKIT_API_KEY=$(sautikitd key create --workspace 0192…c1 --mode live \\
        --scopes calls.read,calls.write --json | jq -r .key)
    """
    from sautikitd.cli.installation import installation
    from sautikitd.events.models import Mode
    from sautikitd.http.checks import Circumstances, Fault, faults_of, refusal_of
    from sautikitd.identity.audit import OPERATOR
    from sautikitd.identity.keys.models import CreateApiKey, NewKey, canonical_scopes, show

    wished = CreateApiKey(name=name, scopes=[part.strip() for part in scopes.split(",") if part.strip()])
    faults = list(faults_of(wished, Circumstances(mode=cast("Mode", mode))))
    if not wished.scopes:
        faults.append(Fault("/scopes", "at least one scope, or *"))
    if faults:
        raise refusal_of(faults)
    new = NewKey(
        workspace_id=workspace_id,
        mode=cast("Mode", mode),
        name=wished.name,
        scopes=canonical_scopes(wished.scopes),
    )
    async with installation(invocation.settings) as platform, platform.database.transaction() as connection:
        await platform.workspaces.find(connection, workspace_id)
        now = platform.clock.now()
        made = await platform.api_keys.create(connection, new, OPERATOR, now)
    shown = show(made.record, now)
    fields = {"key": made.key, "id": shown.id, "mode": shown.mode, "scopes": " ".join(shown.scopes)}
    title = "Keep this key now: it is not shown again."
    invocation.result({"api_key": shown, "key": made.key}, lambda: show_fields(title, fields))
