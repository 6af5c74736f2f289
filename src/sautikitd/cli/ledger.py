"""`sautikitd ledger audit`."""

import re
from typing import TYPE_CHECKING

import click

from sautikitd.cli.command import Commands, Invocation, found_something, subcommand
from sautikitd.cli.show import show_fields

if TYPE_CHECKING:
    from sautikitd.wallet.seals import NotedSeal


@click.group(cls=Commands)
def ledger() -> None:
    """The books."""


@ledger.command()
@click.option(
    "--seal",
    "noted",
    multiple=True,
    metavar="NUMBER:HASH",
    help="A seal noted down before, to be found unchanged; may be given several times.",
)
@subcommand()
async def audit(invocation: Invocation, noted: tuple[str, ...]) -> None:
    """Prove the books, from entries to receipts. Exit code 1 when a rule does not hold, with the first row that breaks it.

    The newest seal is shown at the end. Note it down outside this machine: with it a later audit proves that nothing
    up to there was rewritten, even by somebody who can write every table.

    \b
    sautikitd ledger audit
    sautikitd ledger audit --seal 41:9f3c…e1
    """
    from sautikitd.cli.installation import installation
    from sautikitd.payments.rules import RULES
    from sautikitd.wallet.audit import audit as audit_ledger
    from sautikitd.wallet.seals import newest_seal

    seals = [_noted(text) for text in noted]
    async with installation(invocation.settings) as platform, platform.database.connection() as connection:
        findings = await audit_ledger(connection, seals, RULES)
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


def _noted(text: str) -> "NotedSeal":
    from sautikitd.errors import FieldProblem, Invalid
    from sautikitd.wallet.seals import NotedSeal

    match = re.fullmatch(r"([1-9][0-9]{0,17}):([0-9a-f]{64})", text.strip().lower())
    if match is None:
        raise Invalid(
            fields=[FieldProblem("/seal", "a seal is NUMBER:HASH, as an audit shows it: 64 digits of hex")]
        )
    return NotedSeal(int(match[1]), match[2])
