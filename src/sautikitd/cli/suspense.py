"""`sautikitd suspense list | assign | reverse`."""

from uuid import UUID

import click

from sautikitd.cli.command import Commands, Invocation, subcommand
from sautikitd.cli.show import show_fields, show_table

_RECORDED = "Noted as sent back in M-PESA's portal; nothing was sent from here"


@click.group(cls=Commands)
def suspense() -> None:
    """Payments that came in and are in nobody's wallet yet."""


@suspense.command("list")
@subcommand()
async def list_(invocation: Invocation) -> None:
    """List the open cases, oldest first.

    \b
    sautikitd suspense list
    """
    from sautikitd.cli.installation import installation
    from sautikitd.timestamps import rfc3339
    from sautikitd.wallet.money import written

    async with installation(invocation.settings) as platform, platform.database.connection() as connection:
        cases = await platform.suspense.open_cases(connection)
    columns = ("case", "mode", "receipt", "amount", "reason", "typed", "payer", "since")
    rows = [
        (
            *(case["id"], case["mode"], case["receipt"], written(case["amount_minor"]), case["reason"]),
            *(case["reference"] or "", case["payer"] or "", rfc3339(case["opened_at"])),
        )
        for case in cases
    ]
    invocation.result({"cases": cases}, lambda: show_table(columns, rows, empty="Nothing is in suspense."))


@suspense.command()
@click.argument("case_id", metavar="CASE", type=click.UUID)
@click.option("--workspace", "workspace_id", required=True, metavar="ID", type=click.UUID)
@click.option("--reason", required=True, help="How you know whose money it is; kept in the audit log.")
@subcommand()
async def assign(invocation: Invocation, case_id: UUID, workspace_id: UUID, reason: str) -> None:
    """Put the money of a case into a workspace's wallet.

    \b
    sautikitd suspense assign 0192…7a --workspace 0192…c1 --reason "Payer sent us the receipt, ticket 92"
    """
    from sautikitd.cli.installation import installation
    from sautikitd.identity.audit import OPERATOR
    from sautikitd.wallet.money import written

    note = _checked(reason)
    async with installation(invocation.settings) as platform, platform.database.transaction() as connection:
        await platform.workspaces.find(connection, workspace_id)
        entry = await platform.suspense.assign(connection, case_id, workspace_id, note, OPERATOR)
    fields = {"amount": written(entry.amount_minor), "balance": written(entry.balance_after_minor)}
    invocation.result({"entry": entry}, lambda: show_fields("Assigned", fields))


@suspense.command()
@click.argument("case_id", metavar="CASE", type=click.UUID)
@click.option("--reason", required=True, help="With the receipt of the reversal; kept in the audit log.")
@click.option("--recorded", is_flag=True, help="It went back through the M-PESA portal: only note that.")
@subcommand()
async def reverse(invocation: Invocation, case_id: UUID, reason: str, recorded: bool) -> None:
    """Send a payment back to its payer.

    With SAUTIKIT_DARAJA_INITIATOR, its password and certificate set, Daraja is asked to, once, and the case closes
    when M-PESA says that the money went. Without them (or with --recorded) nothing is sent: the case is noted as
    reversed, so send the money back in the M-PESA organisation portal first.

    \b
    sautikitd suspense reverse 0198… --reason "Meant for another Paybill, ticket 93"
    """
    from sautikitd.cli.installation import installation
    from sautikitd.cli.payment_parts import payments_of
    from sautikitd.identity.audit import OPERATOR
    from sautikitd.wallet.money import written

    note = _checked(reason)
    async with installation(invocation.settings) as platform, payments_of(platform) as parts:
        async with platform.database.transaction() as connection:
            case = await platform.suspense.reversible(connection, case_id)
            sends = parts.reversals.available(case.mode) and not recorded
            if not sends:
                await platform.suspense.reverse(connection, case_id, note, OPERATOR)
        if sends:
            await parts.reversals.request(case_id, note)
    fields = {"receipt": case.receipt, "amount": written(case.amount_minor)}
    title = "Daraja was asked to send it back; the case closes with M-PESA's result" if sends else _RECORDED
    result = {"case_id": case.id, "sent": sends}
    invocation.result(result, lambda: show_fields(title, fields))


def _checked(reason: str) -> str:
    from sautikitd.errors import FieldProblem, Invalid

    if not 1 <= len(reason.strip()) <= 200:
        raise Invalid(fields=[FieldProblem("/reason", "1 to 200 characters")])
    return reason.strip()
