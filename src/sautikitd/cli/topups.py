"""`sautikitd topups report | status | register-paybill | register-pull | give-up`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast
from uuid import UUID

import click

from sautikitd.cli.command import Commands, Invocation, found_something, subcommand
from sautikitd.cli.show import show_fields

if TYPE_CHECKING:
    from sautikitd.payments.paybill import PaybillRegistration

_PATIENCE_S = 40.0
_MODE = click.option("--mode", type=click.Choice(["live", "test"]), default="live", show_default=True)


@click.group(cls=Commands)
def topups() -> None:
    """M-Pesa payments against the books."""


@topups.command()
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="In Nairobi; default yesterday.")
@_MODE
@subcommand()
async def report(invocation: Invocation, day: datetime | None, mode: str) -> None:
    """Hold a day's M-Pesa receipts against the ledger. Exit code 1 when the books do not have them all.

    \b
    sautikitd topups report
    sautikitd topups report --day 2026-11-23 --json
    """
    from sautikitd.cli.installation import installation
    from sautikitd.clock import NAIROBI
    from sautikitd.events.models import Mode
    from sautikitd.payments.report import daily_report

    async with installation(invocation.settings) as platform, platform.database.connection() as connection:
        yesterday = platform.clock.now().astimezone(NAIROBI).date() - timedelta(days=1)
        found = await daily_report(
            connection, cast("Mode", mode), day.date() if day else yesterday, platform.clock.now()
        )

    def show() -> None:
        from sautikitd.wallet.money import written

        fields = {
            name: written(value) if name.endswith("_minor") else value
            for name, value in ((f, getattr(found, f)) for f in found.__struct_fields__)
            if name not in ("problems", "day", "mode")
        }
        shown = {
            name.removesuffix("_minor").replace("_", " "): _listed(value) for name, value in fields.items()
        }
        show_fields(f"M-PESA {found.mode}, {found.day}", shown)
        for problem in found.problems:
            click.secho(f"  {problem}", fg="red")
        if not found.problems:
            click.secho("Every receipt is in the books, once.", fg="green")

    invocation.result({"ok": not found.problems, "report": found}, show)
    if found.problems:
        found_something()


@topups.command("register-paybill")
@_MODE
@subcommand()
async def register_paybill(invocation: Invocation, mode: str) -> None:
    """Tell Daraja where to post Paybill payments. In production this can be done once only.

    \b
    sautikitd topups register-paybill
    """
    from sautikitd.events.models import Mode

    async with _registration(invocation) as registration:
        await registration.register(cast("Mode", mode))
    invocation.result({"registered": mode}, lambda: click.echo(f"The {mode} Paybill is registered."))


@topups.command("register-pull")
@click.option("--phone", required=True, metavar="2547XXXXXXXX", help="A phone of the organisation's.")
@_MODE
@subcommand()
async def register_pull(invocation: Invocation, phone: str, mode: str) -> None:
    """Have Daraja keep payments for reconciliation by Pull. Then set SAUTIKIT_DARAJA_PULL=1.

    \b
    sautikitd topups register-pull --phone 254722000000
    """
    from sautikitd.events.models import Mode

    async with _registration(invocation) as registration:
        await registration.register_pull(cast("Mode", mode), phone)
    invocation.result({"registered": mode}, lambda: click.echo("Payments are kept for Pull from now on."))


@asynccontextmanager
async def _registration(invocation: Invocation) -> "AsyncIterator[PaybillRegistration]":
    from sautikitd.cli.installation import installation
    from sautikitd.cli.payment_parts import payments_of

    async with installation(invocation.settings) as platform, payments_of(platform) as payments:
        yield payments.registration


@topups.command()
@click.argument("receipt")
@_MODE
@subcommand()
async def status(invocation: Invocation, receipt: str, mode: str) -> None:
    """Ask M-PESA what became of a payment, by its receipt. The answer comes as a callback: `sautikitd serve` must run.

    \b
    sautikitd topups status SFF6XYZ123
    """
    from sautikitd.cli.installation import installation
    from sautikitd.cli.payment_parts import payments_of
    from sautikitd.events.models import Mode
    from sautikitd.wallet.money import written

    async with installation(invocation.settings) as platform, payments_of(platform) as parts:
        asked = await parts.reversals.ask_status(cast("Mode", mode), receipt.strip().upper())
        found = await parts.reversals.wait_for(asked, _PATIENCE_S)
    if found is None:
        invocation.result(
            {"answered": False}, lambda: click.echo("M-PESA has not answered. Try again later.")
        )
        found_something()
        return
    amount = found.told_amount_minor
    fields = {
        "status": found.told or "not found",
        "amount": written(amount) if amount is not None else "not told",
        "result code": found.result_code or "",
    }
    answer = {"answered": True, "receipt": found.receipt, "status": found.told, "amount_minor": amount}
    invocation.result(answer | {"result_code": found.result_code}, lambda: show_fields(receipt, fields))


@topups.command("give-up")
@click.argument("topup_id", metavar="TOPUP", type=click.UUID)
@_MODE
@click.option("--reason", required=True, help="How you know that nothing was paid; kept in the audit log.")
@subcommand()
async def give_up(invocation: Invocation, topup_id: UUID, mode: str, reason: str) -> None:
    """Fail a pending top-up that nobody paid, where no pull can prove it. Late money would still be credited.

    \b
    sautikitd topups give-up 0198… --reason "Not on the Paybill's statement of that day"
    """
    from sautikitd.cli.installation import installation
    from sautikitd.events.models import Mode
    from sautikitd.identity.audit import OPERATOR
    from sautikitd.payments.giving_up import GiveUpTopUp

    async with installation(invocation.settings) as platform, platform.database.transaction() as connection:
        giving_up = GiveUpTopUp(platform.settlement, platform.clock)
        await giving_up.give_up(connection, cast("Mode", mode), topup_id, reason, OPERATOR)
    invocation.result({"topup_id": topup_id, "status": "failed"}, lambda: click.echo("Given up."))


def _listed(value: object) -> object:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else value
