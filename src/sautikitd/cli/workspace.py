"""`sautikitd workspace create | list | limit | destinations | sip-hosts | suspend | unsuspend`."""

from uuid import UUID

import click

from sautikitd.cli.command import Commands, Invocation, subcommand
from sautikitd.cli.show import show_fields, show_table
from sautikitd.events.models import Mode


@click.group(cls=Commands)
def workspace() -> None:
    """Workspaces: the platform's customers."""


@workspace.command()
@click.argument("name")
@click.option("--owner", required=True, metavar="EMAIL", help="The first owner's e-mail address.")
@subcommand()
async def create(invocation: Invocation, name: str, owner: str) -> None:
    """Create a workspace with its owner, wallets and signing secrets.

    \b
    sautikitd workspace create "Duka la Mama" --owner mama@example.co.ke
    """
    from sautikitd.cli.installation import installation
    from sautikitd.identity.audit import OPERATOR

    async with installation(invocation.settings) as platform, platform.database.transaction() as connection:
        made = await platform.workspaces.create(connection, name, owner, OPERATOR, platform.clock.now())
    fields = {"id": made.id, "slug": made.slug, "Paybill account": made.mpesa_account_ref, "owner": owner}
    invocation.result({"workspace": made}, lambda: show_fields(made.name, fields))


@workspace.command("list")
@subcommand()
async def list_(invocation: Invocation) -> None:
    """List all workspaces, newest first.

    \b
    sautikitd workspace list
    sautikitd workspace list --json | jq -r '.workspaces[].id'
    """
    from sautikitd.cli.installation import installation

    async with installation(invocation.settings) as platform, platform.database.connection() as connection:
        found = await platform.workspaces.newest(connection)
    rows = [(w.id, w.name, w.slug, "suspended" if w.suspended_at else "active") for w in found]
    empty = "There are no workspaces yet. Create one with `sautikitd workspace create`."
    invocation.result(
        {"workspaces": found}, lambda: show_table(("Id", "Name", "Slug", "State"), rows, empty=empty)
    )


@workspace.command()
@click.argument("workspace_id", metavar="ID", type=click.UUID)
@click.option("--mode", type=click.Choice(["live", "test"]), required=True)
@click.option("--calls-per-second", type=click.FloatRange(0.1, 1000), required=True, metavar="N")
@click.option(
    "--concurrent", type=click.IntRange(1, 100_000), required=True, metavar="N", help="Calls at once."
)
@subcommand()
async def limit(
    invocation: Invocation, workspace_id: UUID, mode: Mode, calls_per_second: float, concurrent: int
) -> None:
    """Set how many calls a workspace may start a second, and have at once. More wait in its queue.

    \b
    sautikitd workspace limit 0198… --mode live --calls-per-second 20 --concurrent 200
    """
    from sautikitd.cli.installation import installation
    from sautikitd.identity.audit import OPERATOR
    from sautikitd.identity.workspaces import CallLimits

    limits = CallLimits(calls_per_second=calls_per_second, max_concurrent_calls=concurrent)
    async with installation(invocation.settings) as platform, platform.database.transaction() as connection:
        now = platform.clock.now()
        await platform.workspaces.set_limits(connection, workspace_id, mode, limits, OPERATOR, now)
    text = f"{calls_per_second:g} calls a second, {concurrent} at once, from now on."
    invocation.result({"limits": limits}, lambda: click.echo(text))


@workspace.command()
@click.argument("workspace_id", metavar="ID", type=click.UUID)
@click.option("--mode", type=click.Choice(["live", "test"]), required=True)
@click.option("--open", "opened", multiple=True, metavar="PREFIX", help="Leading digits, such as 256.")
@click.option("--close", "closed", multiple=True, metavar="PREFIX", help="A prefix that is open.")
@click.option("--list", "listed", is_flag=True, help="Change nothing.")
@subcommand()
async def destinations(
    invocation: Invocation,
    workspace_id: UUID,
    mode: Mode,
    opened: tuple[str, ...],
    closed: tuple[str, ...],
    listed: bool,
) -> None:
    """Open and close the destinations a workspace may call. A country's code opens its ordinary numbers only.

    Premium, shared-cost, toll-free and special numbers need a prefix longer than the code.

    \b
    sautikitd workspace destinations 0198… --mode live --open 256 --close 255
    sautikitd workspace destinations 0198… --mode live --list
    """
    if listed == bool(opened or closed):
        raise click.UsageError("Give --list, or what to --open and --close.")
    from sautikitd.cli.installation import installation
    from sautikitd.identity.audit import OPERATOR
    from sautikitd.identity.destinations import change_destinations
    from sautikitd.numbering.prefixes import country_of_prefix

    async with installation(invocation.settings) as platform, platform.database.transaction() as connection:
        now = platform.clock.now()
        prefixes = await change_destinations(
            connection, workspace_id, mode, opened=opened, closed=closed, actor=OPERATOR, now=now
        )
    rows = [(f"+{prefix}", country_of_prefix(prefix) or "") for prefix in prefixes]
    invocation.result(
        {"destination_prefixes": prefixes},
        lambda: show_table(("Open", "Country"), rows, empty="No destination is open."),
    )


@workspace.command("sip-hosts")
@click.argument("workspace_id", metavar="ID", type=click.UUID)
@click.option("--mode", type=click.Choice(["live", "test"]), required=True)
@click.option(
    "--allow", "allowed", multiple=True, metavar="HOST", help="A host name or address, without port."
)
@click.option("--remove", "removed", multiple=True, metavar="HOST", help="One that is allowed.")
@subcommand()
async def sip_hosts(
    invocation: Invocation,
    workspace_id: UUID,
    mode: Mode,
    allowed: tuple[str, ...],
    removed: tuple[str, ...],
) -> None:
    """Allow a workspace to dial SIP addresses at hosts that are not ours; without options list those allowed.

    \b
    sautikitd workspace sip-hosts 0198… --mode live --allow pbx.example.co.ke
    """
    from sautikitd.cli.installation import installation
    from sautikitd.devices.sip_hosts import change_hosts
    from sautikitd.identity.audit import OPERATOR

    async with installation(invocation.settings) as platform, platform.database.transaction() as connection:
        now = platform.clock.now()
        hosts = await change_hosts(
            connection, workspace_id, mode, allowed=allowed, removed=removed, actor=OPERATOR, now=now
        )
    rows = [(host,) for host in hosts]
    invocation.result({"sip_hosts": hosts}, lambda: show_table(("Host",), rows, empty="No host is allowed."))


@workspace.command()
@click.argument("workspace_id", metavar="ID", type=click.UUID)
@click.option("--reason", required=True, help="Kept in the audit log.")
@subcommand()
async def suspend(invocation: Invocation, workspace_id: UUID, reason: str) -> None:
    """Suspend a workspace: nothing can be changed any more, its calls end. Records and money stay readable.

    \b
    sautikitd workspace suspend 0198… --reason "Complaints of fraud, ticket 77"
    """
    from sautikitd.cli.installation import installation
    from sautikitd.identity.audit import OPERATOR

    async with installation(invocation.settings) as platform, platform.database.transaction() as connection:
        now = platform.clock.now()
        found = await platform.workspaces.suspend(connection, workspace_id, reason, OPERATOR, now)
    invocation.result({"workspace": found}, lambda: click.echo(f"{found.name} is suspended."))


@workspace.command()
@click.argument("workspace_id", metavar="ID", type=click.UUID)
@subcommand()
async def unsuspend(invocation: Invocation, workspace_id: UUID) -> None:
    """Lift the suspension of a workspace.

    \b
    sautikitd workspace unsuspend 0198…
    """
    from sautikitd.cli.installation import installation
    from sautikitd.identity.audit import OPERATOR

    async with installation(invocation.settings) as platform, platform.database.transaction() as connection:
        now = platform.clock.now()
        found = await platform.workspaces.unsuspend(connection, workspace_id, OPERATOR, now)
    invocation.result({"workspace": found}, lambda: click.echo(f"{found.name} is active."))
