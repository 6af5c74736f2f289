"""`sautikitd ledger audit`."""

import click

from sautikitd.cli.command import Invocation, found_something, subcommand
from sautikitd.cli.show import show_fields


@click.group()
def ledger() -> None:
    """The books."""


@ledger.command()
@subcommand()
async def audit(invocation: Invocation) -> None:
    """Prove the books from the entries alone. Exit code 1 when a rule does not hold, with the first row that breaks it."""
    from sautikitd.cli.installation import installation
    from sautikitd.wallet.audit import audit as audit_ledger
    from sautikitd.wallet.seals import newest_seal

    async with installation(invocation.settings) as platform, platform.database.connection() as connection:
        findings = await audit_ledger(connection)
        newest = await newest_seal(connection)
    seal = (
        {"sequence": newest.sequence, "hash": newest.hash.hex(), "sealed_at": newest.sealed_at}
        if newest
        else None
    )

    def show() -> None:
        if not findings:
            click.secho("The books are right.", fg="green")
        for finding in findings:
            fields = {"first row": f"{finding.table} {finding.row}", "problem": finding.problem}
            show_fields(f"Broken {finding.broken} times: {finding.rule}", fields)
        if seal:
            show_fields("Newest seal: note it down outside this machine", seal)

    invocation.result({"ok": not findings, "findings": findings, "seal": seal}, show)
    if findings:
        found_something()
