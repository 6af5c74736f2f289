"""`sautikitd wallet adjust`."""

from typing import cast
from uuid import UUID

import click

from sautikitd.cli.command import Invocation, subcommand
from sautikitd.cli.show import show_fields


@click.group()
def wallet() -> None:
    """Wallets of workspaces."""


@wallet.command()
@click.option("--workspace", "workspace_id", required=True, metavar="ID", type=click.UUID)
@click.option("--mode", required=True, type=click.Choice(["live", "test"]))
@click.option("--amount-minor", required=True, type=int, help="KES cents; negative takes money away.")
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
