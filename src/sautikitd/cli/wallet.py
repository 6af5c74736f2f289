"""`sautikitd wallet adjust`."""

from typing import cast
from uuid import UUID

import click

from sautikitd.cli.command import Commands, Invocation, subcommand
from sautikitd.cli.show import show_fields


@click.group(cls=Commands)
def wallet() -> None:
    """Wallets of workspaces."""


@wallet.command()
@click.option("--workspace", "workspace_id", required=True, metavar="ID", type=click.UUID)
@click.option("--mode", required=True, type=click.Choice(["live", "test"]))
@click.option(
    "--amount-minor",
    required=True,
    type=click.IntRange(-(10**13), 10**13),
    help="KES cents; negative takes money away.",
)
@click.option("--reason", required=True, help="Shown on the statement and kept in the audit log.")
@subcommand()
async def adjust(
    invocation: Invocation, workspace_id: UUID, mode: str, amount_minor: int, reason: str
) -> None:
    """Put money into a wallet, or take it out. 100 is KES 1.00.

    \b
    sautikitd wallet adjust --workspace 0192…c1 --mode live --amount-minor 50000 --reason "Goodwill, ticket 81"
    """
    import dataclasses

    from sautikitd.cli.installation import installation
    from sautikitd.errors import FieldProblem, Invalid
    from sautikitd.events.models import Mode
    from sautikitd.identity import audit
    from sautikitd.ids import uuid7
    from sautikitd.wallet.models import Account, Cause, EntryType
    from sautikitd.wallet.money import written

    if amount_minor == 0 or not 1 <= len(reason.strip()) <= 200:
        problems = [FieldProblem("/amount_minor", "not zero")] if amount_minor == 0 else []
        problems += (
            [] if 1 <= len(reason.strip()) <= 200 else [FieldProblem("/reason", "1 to 200 characters")]
        )
        raise Invalid(fields=problems)
    account = Account(workspace_id, cast("Mode", mode))
    async with installation(invocation.settings) as platform, platform.database.transaction() as connection:
        await platform.workspaces.find(connection, workspace_id)
        cause = Cause(EntryType.ADJUSTMENT, str(uuid7()))
        entry = await platform.wallets.adjust(connection, account, cause, amount_minor, reason.strip())
        actor = dataclasses.replace(audit.OPERATOR, workspace_id=workspace_id, mode=account.mode)
        detail = {"amount_minor": amount_minor, "reason": reason.strip()}
        now = platform.clock.now()
        await audit.record(connection, actor, "wallet.adjust", str(entry.id), detail, now=now)
    fields = {"amount": written(entry.amount_minor), "balance": written(entry.balance_after_minor)}
    invocation.result({"entry": entry}, lambda: show_fields(f"Adjusted the {mode} wallet", fields))


@wallet.command()
@click.option("--workspace", "workspace_id", required=True, metavar="ID", type=click.UUID)
@click.option("--mode", required=True, type=click.Choice(["live", "test"]))
@click.option("--key", "key_id", metavar="ID", type=click.UUID, help="Of one API key; else of the workspace.")
@click.option("--daily-minor", type=click.IntRange(min=0), help="Left out: no cap.")
@click.option("--per-call-minor", type=click.IntRange(min=0), help="Left out: no cap.")
@subcommand()
async def limit(
    invocation: Invocation,
    workspace_id: UUID,
    mode: str,
    key_id: UUID | None,
    daily_minor: int | None,
    per_call_minor: int | None,
) -> None:
    """Set the caps on what calls may cost a day and each: the one way to raise them.

    \b
    sautikitd wallet limit --workspace 0198… --mode live --daily-minor 2000000 --per-call-minor 50000
    """
    import dataclasses

    from sautikitd.cli.installation import installation
    from sautikitd.events.models import Mode
    from sautikitd.identity import audit
    from sautikitd.wallet.models import Account
    from sautikitd.wallet.money import written

    account = Account(workspace_id, cast("Mode", mode))
    caps = {"daily_minor": daily_minor, "per_call_minor": per_call_minor}
    async with installation(invocation.settings) as platform, platform.database.transaction() as connection:
        await platform.workspaces.find(connection, workspace_id)
        await platform.spend_guards.set_caps(connection, account, key_id, daily_minor, per_call_minor)
        actor = dataclasses.replace(audit.OPERATOR, workspace_id=workspace_id, mode=account.mode)
        target, now = str(key_id or ""), platform.clock.now()
        await audit.record(connection, actor, "limits.set", target, caps, now=now)
    shown = {
        "a day": "no cap" if daily_minor is None else written(daily_minor),
        "a call": "no cap" if per_call_minor is None else written(per_call_minor),
    }
    invocation.result(caps, lambda: show_fields(f"Caps on {'the key' if key_id else mode + ' calls'}", shown))


@wallet.command()
@click.option("--workspace", "workspace_id", required=True, metavar="ID", type=click.UUID)
@click.option("--mode", required=True, type=click.Choice(["live", "test"]))
@subcommand()
async def resume(invocation: Invocation, workspace_id: UUID, mode: str) -> None:
    """Let outbound calls go on that the alarm has paused; it stays quiet for an hour.

    \b
    sautikitd wallet resume --workspace 0198… --mode live
    """
    import dataclasses

    from sautikitd.cli.installation import installation
    from sautikitd.events.models import Mode
    from sautikitd.identity import audit
    from sautikitd.wallet.models import Account

    account = Account(workspace_id, cast("Mode", mode))
    async with installation(invocation.settings) as platform, platform.database.transaction() as connection:
        await platform.workspaces.find(connection, workspace_id)
        now = platform.clock.now()
        lifted = await platform.spend_guards.resume(connection, account)
        actor = dataclasses.replace(audit.OPERATOR, workspace_id=workspace_id, mode=account.mode)
        await audit.record(connection, actor, "outbound.resume", now=now)
    text = "Outbound calls go on." if lifted else "Outbound calls were not paused."
    invocation.result({"resumed": lifted}, lambda: click.echo(text))
