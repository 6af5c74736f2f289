"""`sautikitd key create | list | revoke`."""

from datetime import timedelta
from typing import cast
from uuid import UUID

import click

from sautikitd.cli.command import Commands, Invocation, subcommand
from sautikitd.cli.show import show_fields, show_table

_MOST_LISTED = 1000  # of a mode


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


@key.command("list")
@click.option("--workspace", "workspace_id", required=True, metavar="ID", type=click.UUID)
@click.option("--mode", type=click.Choice(["live", "test"]), help="Only of this mode.")
@subcommand()
async def list_(invocation: Invocation, workspace_id: UUID, mode: str | None) -> None:
    """List the API keys of a workspace, newest first, revoked and expired ones too. Of each the hint is shown, not the key.

    \b
    sautikitd key list --workspace 0192…c1
    sautikitd key list --workspace 0192…c1 --json | jq -r '.api_keys[] | select(.state == "active").id'
    """
    from sautikitd.cli.installation import installation
    from sautikitd.events.models import Mode
    from sautikitd.identity.keys.models import show

    modes = cast("list[Mode]", [mode] if mode else ["live", "test"])
    async with installation(invocation.settings) as platform, platform.database.connection() as connection:
        await platform.workspaces.find(connection, workspace_id)
        found = [
            one
            for each in modes
            for one in await platform.api_keys.newest(
                connection, workspace_id, each, after=None, limit=_MOST_LISTED
            )
        ]
        now = platform.clock.now()
    keys = [show(one, now + timedelta(seconds=one.ahead_seconds)) for one in found]
    rows = [(one.id, one.mode, one.hint, one.state, one.name, " ".join(one.scopes)) for one in keys]
    columns = ("Id", "Mode", "Key", "State", "Name", "Scopes")
    empty = "This workspace has no keys yet. Make one with `sautikitd key create`."
    invocation.result({"api_keys": keys}, lambda: show_table(columns, rows, empty=empty))


@key.command()
@click.argument("key_id", metavar="ID", type=click.UUID)
@subcommand()
async def revoke(invocation: Invocation, key_id: UUID) -> None:
    """Revoke an API key, for good: no node takes it a second later. Doing it twice is harmless.

    \b
    sautikitd key revoke 0192…c1
    """
    from sautikitd.cli.installation import installation
    from sautikitd.identity.audit import OPERATOR
    from sautikitd.identity.keys.models import show

    async with installation(invocation.settings) as platform, platform.database.transaction() as connection:
        now = platform.clock.now()
        ended = show(await platform.api_keys.revoke_anybodys(connection, key_id, OPERATOR, now), now)
    fields = {"id": ended.id, "mode": ended.mode, "name": ended.name, "revoked": ended.revoked_at}
    invocation.result({"api_key": ended}, lambda: show_fields(f"{ended.hint} is of no use any more.", fields))
